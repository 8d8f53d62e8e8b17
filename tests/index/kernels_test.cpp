#include "index/kernels/kernels.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

namespace sightline::index {
namespace {

using testing::AllOf;
using testing::HasSubstr;

struct KernelCase {
  const KernelTable* kernels;
  std::size_t dim;
};

std::vector<KernelCase> kernel_cases() {
  std::vector<KernelCase> cases;
  for (const KernelTable* kernels : supported_kernels()) {
    for (const std::size_t dim : {0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 512, 1000})
      cases.push_back({kernels, dim});
  }
  return cases;
}

class Kernels : public testing::TestWithParam<KernelCase> {
 protected:
  /// A row that ends where its memory ends, `shift` bytes off alignment.
  std::vector<std::byte> bytes_of(const std::vector<float>& row, std::size_t shift) {
    std::vector<std::byte> bytes(shift + row.size() * sizeof(float));
    if (!row.empty()) std::memcpy(bytes.data() + shift, row.data(), row.size() * sizeof(float));
    return bytes;
  }
  std::vector<float> random_row(std::size_t dim) {
    std::normal_distribution<float> normal;
    std::vector<float> row(dim);
    for (float& value : row) value = normal(random_);
    return row;
  }

  std::mt19937 random_{7};
};

TEST_P(Kernels, AgreeWithDoublePrecision) {
  const auto& [kernels, dim] = GetParam();
  for (std::size_t shift = 0; shift < 4; ++shift) {
    const std::vector<float> query = random_row(dim), row = random_row(dim);
    double product = 0, squares = 0, absolute = 0, magnitude = 0;
    for (std::size_t i = 0; i < dim; ++i) {
      const double difference = double{query[i]} - double{row[i]};
      product += double{query[i]} * double{row[i]};
      magnitude += std::abs(double{query[i]} * double{row[i]});
      squares += difference * difference;
      absolute += std::abs(difference);
    }
    const std::vector<std::byte> bytes = bytes_of(row, shift);
    const std::byte* at = bytes.data() + shift;
    const double ulps = 1e-6;
    EXPECT_NEAR(kernels->inner_product(query.data(), at, dim), product, ulps * magnitude);
    EXPECT_NEAR(kernels->l2_squared(query.data(), at, dim), squares, ulps * squares);
    EXPECT_NEAR(kernels->l1(query.data(), at, dim), absolute, ulps * absolute);
  }
}

TEST_P(Kernels, WholeNumbersAreExact) {
  const auto& [kernels, dim] = GetParam();
  std::vector<float> query(dim), row(dim);
  std::int64_t product = 0, squares = 0, absolute = 0;
  for (std::size_t i = 0; i < dim; ++i) {
    const auto q = static_cast<std::int64_t>(i % 7) - 3, x = static_cast<std::int64_t>(i % 5) - 2;
    query[i] = static_cast<float>(q);
    row[i] = static_cast<float>(x);
    product += q * x;
    squares += (q - x) * (q - x);
    absolute += std::abs(q - x);
  }
  const std::vector<std::byte> bytes = bytes_of(row, 1);
  EXPECT_EQ(kernels->inner_product(query.data(), bytes.data() + 1, dim), product);
  EXPECT_EQ(kernels->l2_squared(query.data(), bytes.data() + 1, dim), squares);
  EXPECT_EQ(kernels->l1(query.data(), bytes.data() + 1, dim), absolute);
}

INSTANTIATE_TEST_SUITE_P(Levels, Kernels, testing::ValuesIn(kernel_cases()), [](const auto& test) {
  return std::string(test.param.kernels->name) + "_" + std::to_string(test.param.dim);
});

TEST(ChooseKernels, GenericIsAlwaysThereAndLast) {
  EXPECT_STREQ(supported_kernels().back()->name, "generic");
  for (const KernelTable* table : supported_kernels())
    EXPECT_EQ(choose_kernels(table->name).value(), table);
  EXPECT_EQ(choose_kernels("").value(), supported_kernels().front());
  EXPECT_EQ(choose_kernels("auto").value(), supported_kernels().front());
}

TEST(ChooseKernels, AnUnknownNameListsTheValidOnes) {
  const auto result = choose_kernels("mmx");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, StatusCode::kInvalidArgument);
  EXPECT_THAT(result.error().message, AllOf(HasSubstr("SIGHTLINE_CPU is \"mmx\""),
                                            HasSubstr("auto"), HasSubstr("generic")));
}

}  // namespace
}  // namespace sightline::index
