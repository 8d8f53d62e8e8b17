// Shards of all types over random rows, filled without files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "index/distance.h"
#include "index/growing_shard.h"
#include "index/internal/shard_data.h"
#include "index/sealed_shard.h"
#include "index/shard.h"
#include "index/shard_spec.h"

namespace sightline::index {

struct TestRows {
  std::size_t dim = 0;
  std::vector<float> values;  // [size(), dim]

  std::size_t size() const { return values.size() / dim; }
  std::span<const float> operator[](std::size_t i) const {
    return std::span(values).subspan(i * dim, dim);
  }
};

/// `num` rows around `num_clusters` random centres (normal, of length about sqrt(dim)), `spread`
/// times as far from them. The same seed has the same centres whatever `num` is; `part` draws other
/// rows around them.
TestRows clustered_rows(std::size_t num, std::size_t dim, std::size_t num_clusters, unsigned seed,
                        unsigned part = 0, float spread = 0.5F);
void normalise(TestRows& rows);

struct TestShard {
  ShardSpec spec;
  Distance distance = Distance::kL2;
  bool by_residual = true;
  bool gaps = true;     // between the slots
  Slot first_slot = 0;  // added to test_slot()
  Version version = 1;  // of all rows
  std::size_t nprobe = 8, ef_search = 64, refine = 4;
};

/// Slot of row r.
Slot test_slot(std::size_t row, bool gaps = true);

/// Rows, codes and ids lie where no float or integer would be aligned.
std::unique_ptr<ShardData> make_shard_data(const TestRows& rows, const TestShard& options);
std::shared_ptr<SealedShard> make_sealed_shard(const TestRows& rows, const TestShard& options,
                                               const KernelTable& kernels = index::kernels());
/// The same rows in a growing shard: what finds the truth.
std::unique_ptr<GrowingShard> make_oracle(const TestRows& rows, const TestShard& options,
                                          const KernelTable& kernels = index::kernels());

/// "IVF64,PQ8" with or without distance; for messages and names of tests.
std::string name_of(const TestShard& options);

/// Share of `truth` in `found`, by distance: which of equally far rows was found does not matter.
double recall_of(const std::vector<Candidate>& found, const std::vector<Candidate>& truth);

}  // namespace sightline::index
