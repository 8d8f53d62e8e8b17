#include "index/kernels/kernels.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "core/half.h"

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
  /// Ends where its memory ends, `shift` bytes from its start.
  std::vector<std::byte> random_codes(std::size_t dim, std::size_t shift) {
    std::vector<std::byte> codes(shift + dim);
    for (std::byte& code : codes) code = static_cast<std::byte>(random_());
    return codes;
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

TEST_P(Kernels, ManyRowsGiveTheBitsOfEachAlone) {
  const auto& [kernels, dim] = GetParam();
  const std::vector<float> query = random_row(dim);
  std::vector<std::vector<std::byte>> memory;
  std::vector<const std::byte*> rows;
  for (std::size_t r = 0; r < 19; ++r) {
    memory.push_back(bytes_of(random_row(dim), r % 4));
    rows.push_back(memory.back().data() + r % 4);
  }
  for (std::size_t num_rows = 0; num_rows <= rows.size(); ++num_rows) {
    std::vector<float> products(num_rows + 1, -1.0F), squares(num_rows + 1, -1.0F);
    kernels->inner_products(query.data(), rows.data(), num_rows, dim, products.data());
    kernels->l2_squares(query.data(), rows.data(), num_rows, dim, squares.data());
    for (std::size_t r = 0; r < num_rows; ++r) {
      EXPECT_EQ(products[r], kernels->inner_product(query.data(), rows[r], dim));
      EXPECT_EQ(squares[r], kernels->l2_squared(query.data(), rows[r], dim));
    }
    EXPECT_EQ(products[num_rows], -1.0F);
    EXPECT_EQ(squares[num_rows], -1.0F);
  }
}

TEST_P(Kernels, ScalarQuantizerCodesAgreeWithDoublePrecision) {
  const auto& [kernels, dim] = GetParam();
  const std::vector<float> query = random_row(dim), scale = random_row(dim);
  std::vector<std::vector<std::byte>> memory;
  std::vector<const std::byte*> codes;
  for (std::size_t r = 0; r < 5; ++r) {
    memory.push_back(random_codes(dim, r));
    codes.push_back(memory.back().data() + r);
  }
  std::vector<float> products(codes.size()), squares(codes.size());
  kernels->sq8_products(query.data(), codes.data(), codes.size(), dim, products.data());
  kernels->sq8_squares(query.data(), scale.data(), codes.data(), codes.size(), dim, squares.data());
  for (std::size_t r = 0; r < codes.size(); ++r) {
    double product = 0, square = 0, magnitude = 0, rounding = 0;
    for (std::size_t i = 0; i < dim; ++i) {
      const auto code = std::to_integer<int>(codes[r][i]);
      product += double{query[i]} * code;
      magnitude += std::abs(double{query[i]} * code);
      const double difference = double{query[i]} - double{scale[i]} * code;
      square += difference * difference;
      rounding += std::abs(difference) * std::abs(double{scale[i]} * code);
    }
    EXPECT_NEAR(products[r], product, 1e-6 * magnitude);
    EXPECT_NEAR(squares[r], square, 1e-6 * (square + rounding));
    float alone = 0;
    kernels->sq8_products(query.data(), &codes[r], 1, dim, &alone);
    EXPECT_EQ(alone, products[r]);
    kernels->sq8_squares(query.data(), scale.data(), &codes[r], 1, dim, &alone);
    EXPECT_EQ(alone, squares[r]);
  }
}

TEST_P(Kernels, TablesOfAProductQuantizerAgreeWithDoublePrecision) {
  const auto& [kernels, num_parts] = GetParam();
  if (num_parts > 65) return;  // 256 words a part.
  for (const std::size_t part_dim : {1, 2, 3, 8, 16}) {
    const std::vector<float> query = random_row(num_parts * part_dim);
    const std::vector<float> codebooks = random_row(num_parts * part_dim * 256);
    std::vector<float> products(num_parts * 256 + 1, -1.0F), squares = products;
    kernels->product_table(query.data(), codebooks.data(), num_parts, part_dim, products.data());
    kernels->square_table(query.data(), codebooks.data(), num_parts, part_dim, squares.data());
    for (std::size_t at = 0; at < num_parts * 256; ++at) {
      double product = 0, square = 0, magnitude = 0;
      for (std::size_t i = 0; i < part_dim; ++i) {
        const double q = query[at / 256 * part_dim + i];
        const double x = codebooks[(at / 256 * part_dim + i) * 256 + at % 256];
        product += q * x;
        magnitude += std::abs(q * x);
        square += (q - x) * (q - x);
      }
      ASSERT_NEAR(products[at], product, 1e-6 * magnitude);
      ASSERT_NEAR(squares[at], square, 1e-6 * square);
    }
    EXPECT_EQ(products.back(), -1.0F);
    EXPECT_EQ(squares.back(), -1.0F);
  }
}

TEST_P(Kernels, TableSumsAgreeWithDoublePrecision) {
  const auto& [kernels, num_parts] = GetParam();
  const std::vector<float> table = random_row(num_parts * 256);
  std::vector<std::vector<std::byte>> memory;
  std::vector<const std::byte*> codes;
  for (std::size_t r = 0; r < 9; ++r) {
    memory.push_back(random_codes(num_parts, r % 3));
    codes.push_back(memory.back().data() + r % 3);
  }
  std::vector<float> sums(codes.size());
  kernels->table_sums(table.data(), codes.data(), codes.size(), num_parts, sums.data());
  for (std::size_t r = 0; r < codes.size(); ++r) {
    double sum = 0, magnitude = 0;
    for (std::size_t m = 0; m < num_parts; ++m) {
      const double entry = table[m * 256 + std::to_integer<std::size_t>(codes[r][m])];
      sum += entry;
      magnitude += std::abs(entry);
    }
    EXPECT_NEAR(sums[r], sum, 1e-6 * magnitude);
    float alone = 0;
    kernels->table_sums(table.data(), &codes[r], 1, num_parts, &alone);
    EXPECT_EQ(alone, sums[r]);
  }
}

class HalfKernels : public testing::TestWithParam<const KernelTable*> {
 protected:
  /// Ends where its memory ends, `shift` bytes off alignment.
  static std::vector<std::byte> bytes_of(const std::vector<std::uint16_t>& row, std::size_t shift) {
    std::vector<std::byte> bytes(shift + row.size() * 2);
    if (!row.empty()) std::memcpy(bytes.data() + shift, row.data(), row.size() * 2);
    return bytes;
  }
  /// Numbers of all sizes and signs, zeros and subnormal ones among them; `largest`: none larger.
  std::vector<std::uint16_t> random_halves(std::size_t dim, float largest) {
    std::vector<std::uint16_t> row(dim);
    for (std::uint16_t& half : row) {
      do {
        half = static_cast<std::uint16_t>(random_());
      } while (!(std::abs(half_to_float(half)) <= largest));
    }
    return row;
  }
  std::mt19937 random_{11};
};

TEST_P(HalfKernels, AgreeWithDoublePrecisionForEveryDim) {
  const KernelTable& kernels = *GetParam();
  std::normal_distribution<float> normal;
  std::vector<std::size_t> dims(68);
  std::iota(dims.begin(), dims.end(), std::size_t{0});
  dims.insert(dims.end(), {100, 128, 511, 512, 513, 1000});
  for (const std::size_t dim : dims) {
    for (const float largest : {kLargestHalf, 2.0F, 0x1p-14F}) {
      std::vector<float> query(dim);
      for (float& value : query) value = normal(random_) * largest;
      std::vector<std::vector<std::uint16_t>> halves;
      std::vector<std::vector<std::byte>> memory;
      std::vector<const std::byte*> rows;
      for (std::size_t r = 0; r < 5; ++r) {
        halves.push_back(random_halves(dim, largest));
        memory.push_back(bytes_of(halves[r], r));
        rows.push_back(memory[r].data() + r);
      }
      std::vector<float> products(rows.size() + 1, -1.0F), squares = products;
      kernels.half_products(query.data(), rows.data(), rows.size(), dim, products.data());
      kernels.half_squares(query.data(), rows.data(), rows.size(), dim, squares.data());
      for (std::size_t r = 0; r < rows.size(); ++r) {
        double product = 0, square = 0, magnitude = 0;
        for (std::size_t i = 0; i < dim; ++i) {
          const double q = query[i], x = half_to_float(halves[r][i]);
          product += q * x;
          magnitude += std::abs(q * x);
          square += (q - x) * (q - x);
        }
        ASSERT_NEAR(products[r], product, 1e-6 * magnitude) << dim << ", row " << r;
        ASSERT_NEAR(squares[r], square, 1e-6 * square) << dim << ", row " << r;
        float alone = 0;
        kernels.half_products(query.data(), &rows[r], 1, dim, &alone);
        ASSERT_EQ(alone, products[r]);
        kernels.half_squares(query.data(), &rows[r], 1, dim, &alone);
        ASSERT_EQ(alone, squares[r]);
      }
      ASSERT_EQ(products.back(), -1.0F);
      ASSERT_EQ(squares.back(), -1.0F);
    }
  }
}

// Each of the 65,536 values, at each place of a row of 33.
TEST_P(HalfKernels, ReadEveryNumberAsItIs) {
  constexpr std::size_t kPlaces = 33;
  const KernelTable& kernels = *GetParam();
  std::vector<std::uint16_t> row(kPlaces);
  std::vector<float> query(kPlaces);
  for (std::uint32_t half = 0; half < 65536; ++half) {
    const std::size_t place = half % kPlaces;
    row[place] = static_cast<std::uint16_t>(half);
    query[place] = 1;
    const std::vector<std::byte> bytes = bytes_of(row, 1);
    const std::byte* at = bytes.data() + 1;
    float product = 0;
    kernels.half_products(query.data(), &at, 1, kPlaces, &product);
    const float value = half_to_float(row[place]);
    ASSERT_TRUE(product == value || (std::isnan(product) && std::isnan(value))) << half;
    row[place] = 0;
    query[place] = 0;
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, HalfKernels,
                         testing::ValuesIn(supported_kernels().begin(), supported_kernels().end()),
                         [](const auto& test) { return std::string(test.param->name); });

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
