#include "tests/index/shard_fixture.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "index/internal/faiss_layout.h"
#include "index/internal/half_rows.h"
#include "index/internal/hnsw_builder.h"
#include "index/kmeans.h"

namespace sightline::index {
namespace {

constexpr std::size_t kShift = 1;  // bytes off alignment

// What the ShardData points into.
struct Memory {
  std::vector<Slot> slots;
  std::vector<Version> versions;
  std::vector<std::byte> vectors;
  struct List {
    std::vector<std::byte> codes{kShift}, ids{kShift};
  };
  std::vector<List> lists;
};

void append(std::vector<std::byte>& bytes, std::span<const std::byte> more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

struct Assignment {
  std::vector<std::uint32_t> labels;
  TestRows targets;  // rows, or rows minus their centroids
};

Assignment assign_rows(const TestRows& rows, const TestShard& options, ShardData& data) {
  KMeansOptions kmeans_options;
  kmeans_options.num_clusters = options.spec.nlist;
  kmeans_options.num_iterations = 6;
  kmeans_options.spherical = options.distance == Distance::kInnerProduct;
  data.centroids =
      kmeans(rows.values, rows.dim, kmeans_options, nullptr, Deadline::never()).value();
  Assignment assignment{std::vector<std::uint32_t>(rows.size()), rows};
  CentroidSearch(data.centroids, rows.dim, options.distance == Distance::kInnerProduct)
      .assign(rows.values, assignment.labels);
  if (data.by_residual) {
    for (std::size_t i = 0; i < rows.values.size(); ++i) {
      assignment.targets.values[i] -=
          data.centroids[assignment.labels[i / rows.dim] * rows.dim + i % rows.dim];
    }
  }
  return assignment;
}

std::vector<std::byte> sq8_codes(const TestRows& targets, ShardData& data) {
  data.sq_min.assign(targets.dim, std::numeric_limits<float>::max());
  std::vector<float> most(targets.dim, std::numeric_limits<float>::lowest());
  for (std::size_t i = 0; i < targets.values.size(); ++i) {
    const std::size_t at = i % targets.dim;
    data.sq_min[at] = std::min(data.sq_min[at], targets.values[i]);
    most[at] = std::max(most[at], targets.values[i]);
  }
  for (std::size_t i = 0; i < targets.dim; ++i)
    data.sq_difference.push_back(most[i] - data.sq_min[i]);
  std::vector<std::byte> codes;
  for (std::size_t i = 0; i < targets.values.size(); ++i) {
    const std::size_t at = i % targets.dim;
    const float range = data.sq_difference[at];
    const float share = range > 0 ? (targets.values[i] - data.sq_min[at]) / range : 0;
    codes.push_back(static_cast<std::byte>(std::clamp(255.0F * share, 0.0F, 255.0F)));
  }
  return codes;
}

std::vector<std::byte> pq_codes(const TestRows& targets, ShardData& data) {
  const std::size_t num_parts = data.spec.num_subvectors;
  data.codebooks = train_product_quantizer(targets.values, targets.dim, num_parts, 6, 1, nullptr,
                                           Deadline::never())
                       .value();
  std::vector<std::uint8_t> codes(targets.size() * num_parts);
  encode_product_quantizer(data.codebooks, targets.dim, num_parts, targets.values, codes);
  const auto bytes = std::as_bytes(std::span(codes));
  return {bytes.begin(), bytes.end()};
}

void fill_lists(const TestRows& rows, const TestShard& options, Memory& memory, ShardData& data) {
  data.by_residual = options.by_residual && options.spec.type != ShardType::kIvfFlat;
  const Assignment assignment = assign_rows(rows, options, data);
  std::vector<std::byte> codes;
  if (options.spec.type == ShardType::kIvfSq8) {
    codes = sq8_codes(assignment.targets, data);
  } else if (options.spec.type == ShardType::kIvfPq) {
    codes = pq_codes(assignment.targets, data);
  } else {
    const auto bytes = std::as_bytes(std::span(rows.values));
    codes.assign(bytes.begin(), bytes.end());
  }
  data.code_size = codes.size() / rows.size();
  memory.lists.resize(options.spec.nlist);
  data.lists.resize(options.spec.nlist);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const std::uint32_t label = assignment.labels[row];
    const std::int64_t id = memory.slots[row];
    append(memory.lists[label].codes,
           std::span(codes).subspan(row * data.code_size, data.code_size));
    append(memory.lists[label].ids, std::as_bytes(std::span(&id, 1)));
    data.positions.push_back({label, static_cast<std::uint32_t>(data.lists[label].size++)});
  }
  for (std::size_t list = 0; list < data.lists.size(); ++list) {
    data.lists[list].codes = memory.lists[list].codes.data() + kShift;
    data.lists[list].ids = memory.lists[list].ids.data() + kShift;
  }
  if (options.spec.type != ShardType::kIvfFlat) data.positions.clear();
}

void append_rounded(const TestRows& rows, Memory& memory, ShardData& data) {
  HalfRounder rounder(rows.dim);
  for (std::size_t row = 0; row < rows.size(); ++row)
    append(memory.vectors, rounder.round(std::as_bytes(rows[row]).data()));
  data.half_vectors = true;
  data.max_shift = rounder.max_shift();
}

void fill_graph(const TestShard& options, Memory& memory, ShardData& data) {
  std::vector<RowRef> rows;
  for (std::size_t row = 0; row < data.num_rows; ++row)
    rows.push_back({memory.slots[row], memory.versions[row], data.vector(row)});
  const BuiltGraph graph =
      build_hnsw(rows, data.dim, options.distance, options.spec, kernels(), Deadline::never(), {})
          .value();
  const FaissGraph& links = graph.links;
  data.hnsw_levels = copy_of<std::int32_t>(links.levels);
  data.hnsw_offsets = copy_of<std::uint64_t>(links.offsets);
  data.hnsw_neighbours = copy_of<std::int32_t>(links.neighbours);
  data.hnsw_cumulative = copy_of<std::int32_t>(links.cumulative);
  data.hnsw_entry = links.entry;
  data.hnsw_max_level = links.max_level;
}

}  // namespace

TestRows clustered_rows(std::size_t num, std::size_t dim, std::size_t num_clusters, unsigned seed,
                        unsigned part, float spread) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> centres(num_clusters * dim);
  for (float& value : centres) value = normal(random);
  std::seed_seq seeds{seed, part};
  random.seed(seeds);
  TestRows rows{dim, std::vector<float>(num * dim)};
  for (std::size_t row = 0; row < num; ++row) {
    const std::size_t centre = random() % num_clusters * dim;
    for (std::size_t i = 0; i < dim; ++i)
      rows.values[row * dim + i] = centres[centre + i] + spread * normal(random);
  }
  return rows;
}

void normalise(TestRows& rows) {
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const std::span<float> values = std::span(rows.values).subspan(row * rows.dim, rows.dim);
    float squares = 0;
    for (const float value : values) squares += value * value;
    for (float& value : values) value /= std::sqrt(squares);
  }
}

Slot test_slot(std::size_t row, bool gaps) {
  return static_cast<Slot>(gaps ? 100 + row + row / 7 : row);
}

std::unique_ptr<ShardData> make_shard_data(const TestRows& rows, const TestShard& options) {
  const auto memory = std::make_shared<Memory>();
  auto data = std::make_unique<ShardData>();
  data->spec = options.spec;
  data->dim = rows.dim;
  data->distance = options.distance;
  data->num_rows = rows.size();
  data->owner = memory;
  for (std::size_t row = 0; row < rows.size(); ++row)
    memory->slots.push_back(options.first_slot + test_slot(row, options.gaps));
  memory->versions.assign(rows.size(), options.version);
  data->slots = memory->slots;
  data->versions = memory->versions;
  data->slot_set = Bitmap::from_sorted(memory->slots);
  const bool has_lists = options.spec.nlist != 0;
  if (has_lists) {
    data->nprobe = options.nprobe;
    fill_lists(rows, options, *memory, *data);
  }
  if (options.spec.type != ShardType::kIvfFlat) {
    memory->vectors.resize(kShift);
    if (options.spec.half_vectors) {
      append_rounded(rows, *memory, *data);
    } else {
      append(memory->vectors, std::as_bytes(std::span(rows.values)));
    }
    data->vectors = memory->vectors.data() + kShift;
    if (has_lists) data->refine = options.refine;
  }
  if (options.spec.type == ShardType::kHnsw) {
    data->ef_search = options.ef_search;
    fill_graph(options, *memory, *data);
  }
  return data;
}

std::shared_ptr<SealedShard> make_sealed_shard(const TestRows& rows, const TestShard& options,
                                               const KernelTable& kernels) {
  return SealedShard::from_data(make_shard_data(rows, options), kernels);
}

std::unique_ptr<GrowingShard> make_oracle(const TestRows& rows, const TestShard& options,
                                          const KernelTable& kernels) {
  auto shard = std::make_unique<GrowingShard>(rows.dim, options.distance, kernels);
  for (std::size_t row = 0; row < rows.size(); ++row)
    shard->put(options.first_slot + test_slot(row, options.gaps), options.version, rows[row]);
  return shard;
}

std::string name_of(const TestShard& options) {
  std::string name = to_string(options.spec);
  std::erase_if(name, [](char c) { return c == ','; });
  switch (options.distance) {
    case Distance::kInnerProduct:
      name += "_InnerProduct";
      break;
    case Distance::kL2:
      name += "_L2";
      break;
    case Distance::kL1:
      name += "_L1";
      break;
  }
  if (!options.by_residual) name += "_Plain";
  if (!options.gaps) name += "_Dense";
  return name;
}

double recall_of(const std::vector<Candidate>& found, const std::vector<Candidate>& truth) {
  if (truth.empty()) return 1;
  const auto hits = std::count_if(found.begin(), found.end(), [&](const Candidate& candidate) {
    return candidate.distance <= truth.back().distance;
  });
  return static_cast<double>(hits) / static_cast<double>(truth.size());
}

}  // namespace sightline::index
