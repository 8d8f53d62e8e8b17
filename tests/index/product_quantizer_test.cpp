#include <faiss/impl/ProductQuantizer.h>
#include <gmock/gmock.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <stop_token>
#include <string>
#include <thread>

#include "index/kmeans.h"

extern "C" void openblas_set_num_threads(int count);  // not in every cblas.h

namespace sightline::index {
namespace {

using testing::HasSubstr;

/// Rows with structure: a few latent factors, mixed, and noise.
std::vector<float> latent_rows(std::size_t n, std::size_t dim, std::uint32_t seed) {
  constexpr std::size_t kFactors = 6;
  std::mt19937 random(seed), mix_random(99);
  std::normal_distribution<float> normal;
  std::vector<float> mix(kFactors * dim);
  for (float& value : mix) value = normal(mix_random);
  std::vector<float> rows(n * dim);
  for (std::size_t i = 0; i < n; ++i) {
    float factors[kFactors];
    for (float& factor : factors) factor = normal(random);
    for (std::size_t d = 0; d < dim; ++d) {
      float& value = rows[i * dim + d];
      value = 0.3F * normal(random);
      for (std::size_t f = 0; f < kFactors; ++f) value += factors[f] * mix[f * dim + d];
    }
  }
  return rows;
}

faiss::ProductQuantizer quantizer_of(const std::vector<float>& codebooks, std::size_t dim,
                                     std::size_t num_subvectors) {
  faiss::ProductQuantizer quantizer(dim, num_subvectors, 8);
  EXPECT_EQ(quantizer.centroids.size(), codebooks.size());
  quantizer.centroids = codebooks;
  return quantizer;
}

/// Mean squared distance between rows and what their codes stand for.
double error_of(const faiss::ProductQuantizer& quantizer, const std::vector<float>& rows,
                const std::vector<std::uint8_t>& codes) {
  std::vector<float> decoded(rows.size());
  quantizer.decode(codes.data(), decoded.data(), rows.size() / quantizer.d);
  double sum = 0;
  for (std::size_t i = 0; i < rows.size(); ++i)
    sum += std::pow(double{rows[i]} - double{decoded[i]}, 2);
  return sum / static_cast<double>(rows.size() / quantizer.d);
}

struct ShapeCase {
  std::string name;
  std::size_t num_rows, dim, num_subvectors;
};
class ProductQuantizer : public testing::TestWithParam<ShapeCase> {};

TEST_P(ProductQuantizer, IsAsGoodAsFaissOne) {
  const auto& [name, n, dim, num_subvectors] = GetParam();
  const auto rows = latent_rows(n, dim, 1), fresh = latent_rows(2000, dim, 2);
  faiss::ProductQuantizer reference(dim, num_subvectors, 8);
  // Its threads, and those of its BLAS, wait for each other for minutes beside another process.
  omp_set_num_threads(1);
  openblas_set_num_threads(1);
  reference.cp.min_points_per_centroid = 1;  // a warning
  reference.train(n, rows.data());
  const auto codebooks =
      train_product_quantizer(rows, dim, num_subvectors, 25, 1, nullptr, Deadline::never());
  ASSERT_TRUE(codebooks) << codebooks.error().message;
  const auto ours = quantizer_of(*codebooks, dim, num_subvectors);
  for (const auto* asked : {&rows, &fresh}) {
    std::vector<std::uint8_t> codes(asked->size() / dim * num_subvectors), theirs(codes.size());
    encode_product_quantizer(*codebooks, dim, num_subvectors, *asked, codes);
    reference.compute_codes(asked->data(), theirs.data(), asked->size() / dim);
    EXPECT_LE(error_of(ours, *asked, codes), error_of(reference, *asked, theirs) * 1.02 + 1e-9);
  }
}

TEST_P(ProductQuantizer, EncodesAsFaissDoes) {
  const auto& [name, n, dim, num_subvectors] = GetParam();
  const auto codebooks = latent_rows(256, dim, 3);  // any values will do
  const auto rows = latent_rows(1500, dim, 4);
  std::vector<std::uint8_t> codes(1500 * num_subvectors), theirs(codes.size());
  encode_product_quantizer(codebooks, dim, num_subvectors, rows, codes);
  const auto quantizer = quantizer_of(codebooks, dim, num_subvectors);
  quantizer.compute_codes(rows.data(), theirs.data(), 1500);
  std::size_t different = 0;  // near-ties
  for (std::size_t i = 0; i < codes.size(); ++i) different += codes[i] != theirs[i];
  EXPECT_LE(static_cast<double>(different), 1e-3 * static_cast<double>(codes.size()));
  EXPECT_NEAR(error_of(quantizer, rows, codes), error_of(quantizer, rows, theirs),
              1e-6 * error_of(quantizer, rows, theirs));
}

INSTANTIATE_TEST_SUITE_P(Shapes, ProductQuantizer,
                         testing::ValuesIn(std::vector<ShapeCase>{
                             {"OneComponentEach", 3000, 8, 8},
                             {"FourEach", 4000, 32, 8},
                             {"EightEach", 4000, 64, 8},
                             {"Whole", 3000, 24, 1},
                             {"OneRowPerCode", 256, 16, 4},
                         }),
                         [](const auto& info) { return info.param.name; });

TEST(TrainProductQuantizer, ThePoolChangesNothing) {
  const auto rows = latent_rows(4000, 32, 5);
  const auto alone = train_product_quantizer(rows, 32, 8, 6, 7, nullptr, Deadline::never()).value();
  for (const std::size_t threads : {1, 2, 3}) {
    ComputePool pool({.num_threads = threads, .init_thread = {}, .set_width = {}});
    EXPECT_EQ(train_product_quantizer(rows, 32, 8, 6, 7, &pool, Deadline::never()).value(), alone);
  }
  EXPECT_NE(train_product_quantizer(rows, 32, 8, 6, 8, nullptr, Deadline::never()).value(), alone);
}

TEST(TrainProductQuantizer, EqualRowsAreReproduced) {
  const std::vector<float> rows(300 * 8, 0.25F);
  const auto codebooks = train_product_quantizer(rows, 8, 2, 5, 1, nullptr, Deadline::never());
  ASSERT_TRUE(codebooks);
  std::vector<std::uint8_t> codes(600);
  encode_product_quantizer(*codebooks, 8, 2, rows, codes);
  EXPECT_NEAR(error_of(quantizer_of(*codebooks, 8, 2), rows, codes), 0, 1e-6);
}

TEST(TrainProductQuantizer, BadArgumentsAreNamed) {
  const std::vector<float> rows(255 * 8);
  const auto message = [&](std::size_t dim, std::size_t num_subvectors) {
    const auto result =
        train_product_quantizer(rows, dim, num_subvectors, 5, 1, nullptr, Deadline::never());
    EXPECT_EQ(result.error().code, StatusCode::kInvalidArgument);
    return result.error().message;
  };
  EXPECT_THAT(message(8, 3), HasSubstr("3 subvectors; their number must divide dim 8"));
  EXPECT_THAT(message(8, 0), HasSubstr("0 subvectors"));
  EXPECT_THAT(message(8, 2), HasSubstr("255 training rows; it takes at least 256"));
}

TEST(TrainProductQuantizer, CanBeCalledOff) {
  const auto rows = latent_rows(2000, 16, 6);
  ComputePool pool({.num_threads = 2, .init_thread = {}, .set_width = {}});
  for (ComputePool* where : {static_cast<ComputePool*>(nullptr), &pool}) {
    std::stop_source stop;
    std::jthread later([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      stop.request_stop();
    });
    const auto deadline = Deadline::never().with_stop(stop.get_token());
    const auto result = train_product_quantizer(rows, 16, 4, 1'000'000, 1, where, deadline);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, StatusCode::kCancelled);
  }
}

}  // namespace
}  // namespace sightline::index
