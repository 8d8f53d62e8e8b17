#include "index/internal/calibrate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "index/internal/half_rows.h"
#include "index/internal/parallel_scan.h"
#include "index/internal/scanner.h"
#include "index/internal/shard_searcher.h"
#include "index/top_k.h"

namespace sightline::index {
namespace {

constexpr std::size_t kNumQueries = 128;
constexpr std::size_t kHits = 10;
constexpr std::size_t kMaxRefine = 64;
constexpr std::size_t kMinEf = 8, kMaxEf = 1024;

// A row's neighbours as seen from a point beside it.
struct Sample {
  std::vector<float> query;
  Slot slot = 0;                   // of the row itself, which does not count
  std::vector<Candidate> nearest;  // kHits, or all others

  // IVF: lists, nearest first; and for each row of `nearest` how many are nearer than its own.
  std::vector<std::uint32_t> order;
  std::vector<std::uint32_t> list_ranks;
  // Of lossy codes: the best, nearest by code first.
  struct Coded {
    Slot slot = 0;
    std::uint32_t list_rank = 0;
  };
  std::vector<Coded> coded;
};

void leave_out(Slot slot, std::vector<Candidate>& found) {
  std::erase_if(found, [slot](const Candidate& candidate) { return candidate.slot == slot; });
  if (found.size() > kHits) found.resize(kHits);
}

// Exact nearest rows of all samples in one pass: each block of rows is read once and then lies in
// the cache.
class TruthPart final : public ScanPart {
 public:
  TruthPart(const ShardData& data, const KernelTable& kernels, const Deadline& deadline,
            std::span<const Sample> samples, std::vector<TopK>& result)
      : data_(data), deadline_(deadline), result_(result) {
    for (const TopK& best : result) best_.push_back(best.emptied());
    for (const Sample& sample : samples)
      scanners_.push_back(make_row_scanner(data, kernels, sample.query));
  }

  static std::size_t block_rows(const ShardData& data) {
    constexpr std::size_t kBlockBytes = std::size_t{256} << 10;
    return std::max<std::size_t>(16, kBlockBytes / data.row_bytes());
  }

  Result<void> scan(std::size_t block) override {
    SIGHTLINE_TRY_DO(deadline_.check("calibrating"));
    const std::size_t first = block * block_rows(data_);
    const std::size_t size = std::min(data_.num_rows - first, block_rows(data_));
    std::vector<const std::byte*> rows(size);
    std::vector<float> distances(size);
    for (std::size_t i = 0; i < size; ++i) rows[i] = data_.vector(first + i);
    for (std::size_t s = 0; s < scanners_.size(); ++s) {
      scanners_[s]->score(rows, distances.data());
      for (std::size_t i = 0; i < size; ++i) {
        if (distances[i] <= best_[s].worst_distance())
          best_[s].offer({distances[i], data_.slots[first + i]});
      }
    }
    return {};
  }

  void finish() override {
    for (std::size_t s = 0; s < best_.size(); ++s) result_[s].merge(best_[s]);
  }

 private:
  const ShardData& data_;
  const Deadline& deadline_;
  std::vector<TopK>& result_;
  std::vector<TopK> best_;
  std::vector<std::unique_ptr<Scanner>> scanners_;
};

// The rows of each sample that are best by their codes, of the first `nprobe` lists: what a search
// of so many lists or fewer would refine.
class CodesPart final : public ScanPart {
 public:
  CodesPart(const ShardData& data, std::span<const float> codebooks, const KernelTable& kernels,
            const Deadline& deadline, std::size_t nprobe, std::span<Sample> samples)
      : data_(data),
        codebooks_(codebooks),
        kernels_(kernels),
        deadline_(deadline),
        nprobe_(nprobe),
        samples_(samples) {}

  Result<void> scan(std::size_t chunk) override {
    Sample& sample = samples_[chunk];
    const auto scanner = make_code_scanner(data_, codebooks_, kernels_, sample.query);
    // Candidates are numbers of rows in the order of probing.
    TopK best(kHits * kMaxRefine + 1, nullptr);
    std::vector<std::uint32_t> ends;
    std::uint32_t begin = 0;
    for (std::size_t rank = 0; rank < nprobe_; ++rank) {
      if (rank % 64 == 0) SIGHTLINE_TRY_DO(deadline_.check("calibrating"));
      const ShardData::List& list = data_.lists[sample.order[rank]];
      scanner->enter_list(sample.order[rank]);
      ScanBatch batch(*scanner, offer_to(best, [](std::uint32_t number) { return number; }));
      for (std::uint32_t at = 0; at < list.size; ++at)
        batch.add(list.codes + at * data_.code_size, begin + at);
      batch.flush();
      begin += static_cast<std::uint32_t>(list.size);
      ends.push_back(begin);
    }
    for (const Candidate& candidate : best.take_sorted()) {
      const auto end = std::upper_bound(ends.begin(), ends.end(), candidate.slot);
      const auto rank = static_cast<std::uint32_t>(end - ends.begin());
      const ShardData::List& list = data_.lists[sample.order[rank]];
      const Slot slot = slot_at(list, candidate.slot - (*end - list.size));
      if (slot != sample.slot) sample.coded.push_back({slot, rank});
    }
    return {};
  }
  void finish() override {}

 private:
  const ShardData& data_;
  const std::span<const float> codebooks_;
  const KernelTable& kernels_;
  const Deadline& deadline_;
  const std::size_t nprobe_;
  const std::span<Sample> samples_;
};

class RecallPart final : public ScanPart {
 public:
  RecallPart(const ShardSearcher& searcher, const Calibration& settings, const Deadline& deadline,
             std::span<const Sample> samples, std::size_t& num_found)
      : searcher_(searcher),
        settings_(settings),
        deadline_(deadline),
        samples_(samples),
        result_(num_found) {}

  Result<void> scan(std::size_t chunk) override {
    const Sample& sample = samples_[chunk];
    if (sample.nearest.empty()) return {};
    ShardQuery query;
    query.vector = sample.query;
    query.k = kHits + 1;
    query.nprobe = settings_.nprobe;
    query.ef_search = settings_.ef_search;
    query.refine = settings_.refine;
    query.stand_in = sample.slot;
    SIGHTLINE_TRY(auto found, searcher_.search(query, nullptr, deadline_));
    leave_out(sample.slot, found);
    // By distance: which of equal rows is found does not matter.
    num_found_ += static_cast<std::size_t>(
        std::count_if(found.begin(), found.end(), [&](const Candidate& candidate) {
          return candidate.distance <= sample.nearest.back().distance;
        }));
    return {};
  }

  void finish() override { result_ += num_found_; }

 private:
  const ShardSearcher& searcher_;
  const Calibration& settings_;
  const Deadline& deadline_;
  const std::span<const Sample> samples_;
  std::size_t& result_;
  std::size_t num_found_ = 0;
};

class Calibrator {
 public:
  Calibrator(const ShardData& data, const KernelTable& kernels, double target_recall,
             ComputePool* pool, const Deadline& deadline)
      : data_(data),
        kernels_(kernels),
        target_(std::clamp(target_recall, 0.0, 1.0)),
        pool_(pool),
        deadline_(deadline),
        searcher_(data, kernels, nullptr) {}

  Result<void> draw_samples(std::uint64_t seed);
  Result<Calibration> calibrate_lists();
  Result<Calibration> calibrate_graph();
  double neighbour_distance();

 private:
  std::vector<float> full_vector(std::size_t row) const;
  Result<void> move_aside(Sample& sample, std::mt19937_64& random);
  Result<void> find_truth();
  Result<void> measure(Calibration& settings) const;
  Result<std::vector<std::size_t>> rank_lists();
  Result<void> rank_codes(std::size_t nprobe);
  void estimate(Calibration& settings) const;
  Calibration calibrate_codes(std::size_t least, std::size_t nprobe) const;

  const ShardData& data_;
  const KernelTable& kernels_;
  const double target_;
  ComputePool* const pool_;
  const Deadline& deadline_;
  const ShardSearcher searcher_;
  std::vector<Sample> samples_;
  std::vector<double> neighbour_distances_;
};

std::vector<float> Calibrator::full_vector(std::size_t row) const {
  if (data_.half_vectors) return widened(data_.vector(row), data_.dim);
  std::vector<float> values(data_.dim);
  std::memcpy(values.data(), data_.vector(row), data_.dim * sizeof(float));
  return values;
}

double Calibrator::neighbour_distance() {
  if (neighbour_distances_.empty()) return std::numeric_limits<double>::infinity();
  const auto middle =
      neighbour_distances_.begin() + static_cast<std::ptrdiff_t>(neighbour_distances_.size() / 2);
  std::nth_element(neighbour_distances_.begin(), middle, neighbour_distances_.end());
  return *middle;
}

Result<void> Calibrator::draw_samples(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const std::size_t num_samples = std::min(kNumQueries, data_.num_rows);
  for (std::size_t i = 0; i < num_samples; ++i) {
    const std::size_t first = i * data_.num_rows / num_samples;
    const std::size_t end = (i + 1) * data_.num_rows / num_samples;
    const std::size_t row = first + random() % (end - first);
    Sample sample;
    sample.slot = data_.slots[row];
    sample.query = full_vector(row);
    SIGHTLINE_TRY_DO(move_aside(sample, random));
    samples_.push_back(std::move(sample));
  }
  return find_truth();
}

// By half the mean distance to about its nearest neighbours.
Result<void> Calibrator::move_aside(Sample& sample, std::mt19937_64& random) {
  ShardQuery query;
  query.vector = sample.query;
  query.k = kHits + 1;
  query.nprobe = 16;
  query.ef_search = 64;
  query.refine = 4;
  SIGHTLINE_TRY(auto found, searcher_.search(query, nullptr, deadline_));
  leave_out(sample.slot, found);
  if (found.empty()) return {};
  double distance = 0;
  for (const Candidate& candidate : found) {
    const std::byte* row = data_.vector(*find_row(data_, candidate.slot));
    float squared = 0;
    if (data_.half_vectors) {
      kernels_.half_squares(sample.query.data(), &row, 1, data_.dim, &squared);
    } else {
      squared = kernels_.l2_squared(sample.query.data(), row, data_.dim);
    }
    distance += std::sqrt(squared);
  }
  neighbour_distances_.push_back(distance / static_cast<double>(found.size()));
  const double sigma = 0.5 * distance / static_cast<double>(found.size()) /
                       std::sqrt(static_cast<double>(data_.dim));
  if (!std::isfinite(sigma)) return {};
  std::normal_distribution<double> noise(0, 1);
  for (float& value : sample.query) value += static_cast<float>(sigma * noise(random));
  return {};
}

Result<void> Calibrator::find_truth() {
  std::vector<TopK> best(samples_.size(), TopK(kHits + 1, nullptr));
  const std::size_t rows = TruthPart::block_rows(data_);
  const std::size_t num_blocks = (data_.num_rows + rows - 1) / rows;
  SIGHTLINE_TRY_DO(scan_in_parts(num_blocks, num_blocks, pool_, Priority::kBuild, [&] {
    return std::make_unique<TruthPart>(data_, kernels_, deadline_, samples_, best);
  }));
  for (std::size_t s = 0; s < samples_.size(); ++s) {
    samples_[s].nearest = best[s].take_sorted();
    leave_out(samples_[s].slot, samples_[s].nearest);
  }
  return {};
}

// Sets settings.recall.
Result<void> Calibrator::measure(Calibration& settings) const {
  std::size_t num_found = 0, num_true = 0;
  for (const Sample& sample : samples_) num_true += sample.nearest.size();
  SIGHTLINE_TRY_DO(scan_in_parts(samples_.size(), samples_.size(), pool_, Priority::kBuild, [&] {
    return std::make_unique<RecallPart>(searcher_, settings, deadline_, samples_, num_found);
  }));
  settings.recall =
      num_true == 0 ? 1 : static_cast<double>(num_found) / static_cast<double>(num_true);
  return {};
}

// For each true neighbour of each sample: how many lists are nearer than its own; ascending.
Result<std::vector<std::size_t>> Calibrator::rank_lists() {
  std::unordered_map<Slot, std::uint32_t> list_of;
  for (const Sample& sample : samples_) {
    for (const Candidate& candidate : sample.nearest) list_of[candidate.slot] = 0;
  }
  for (std::uint32_t number = 0; number < data_.lists.size(); ++number) {
    for (std::size_t at = 0; at < data_.lists[number].size; ++at) {
      const auto found = list_of.find(slot_at(data_.lists[number], at));
      if (found != list_of.end()) found->second = number;
    }
  }
  std::vector<std::size_t> ranks;
  std::vector<std::uint32_t> rank_of(data_.lists.size());
  for (Sample& sample : samples_) {
    SIGHTLINE_TRY_DO(deadline_.check("calibrating"));
    SIGHTLINE_TRY(sample.order, nearest_lists(data_, kernels_, sample.query));
    for (std::uint32_t rank = 0; rank < sample.order.size(); ++rank)
      rank_of[sample.order[rank]] = rank;
    for (const Candidate& candidate : sample.nearest) {
      sample.list_ranks.push_back(rank_of[list_of.at(candidate.slot)]);
      ranks.push_back(sample.list_ranks.back());
    }
  }
  std::sort(ranks.begin(), ranks.end());
  return ranks;
}

Result<void> Calibrator::rank_codes(std::size_t nprobe) {
  const std::vector<float> codebooks = transpose_codebooks(data_);
  return scan_in_parts(samples_.size(), samples_.size(), pool_, Priority::kBuild, [&] {
    return std::make_unique<CodesPart>(data_, codebooks, kernels_, deadline_, nprobe, samples_);
  });
}

// Sets settings.recall: what a search with these would find, told by the ranks of the neighbours'
// lists and codes.
void Calibrator::estimate(Calibration& settings) const {
  std::size_t num_found = 0, num_true = 0;
  for (const Sample& sample : samples_) {
    num_true += sample.nearest.size();
    std::unordered_set<Slot> refined;
    for (const Sample::Coded& coded : sample.coded) {
      if (refined.size() == kHits * settings.refine) break;
      if (coded.list_rank < settings.nprobe) refined.insert(coded.slot);
    }
    for (std::size_t i = 0; i < sample.nearest.size(); ++i) {
      const bool is_refined = settings.refine == 0 || refined.contains(sample.nearest[i].slot);
      if (is_refined && sample.list_ranks[i] < settings.nprobe) ++num_found;
    }
  }
  settings.recall =
      num_true == 0 ? 1 : static_cast<double>(num_found) / static_cast<double>(num_true);
}

Result<Calibration> Calibrator::calibrate_lists() {
  SIGHTLINE_TRY(const auto ranks, rank_lists());
  const auto nprobe_for = [&ranks](double share) -> std::size_t {
    if (ranks.empty()) return 1;
    const double wanted = std::ceil(share * static_cast<double>(ranks.size()));
    return ranks[static_cast<std::size_t>(std::max(1.0, wanted)) - 1] + 1;
  };
  Calibration settings;
  settings.nprobe = nprobe_for(target_);
  if (data_.spec.type == ShardType::kIvfFlat) {
    estimate(settings);
    return settings;
  }
  // Lists and codes each lose a part: lists may lose half of what may be lost, or nothing.
  SIGHTLINE_TRY_DO(rank_codes(nprobe_for(1)));
  settings = calibrate_codes(settings.nprobe, nprobe_for((1 + target_) / 2));
  if (settings.recall >= target_) return settings;
  return calibrate_codes(settings.nprobe, nprobe_for(1));
}

// The smallest refine at `nprobe`, then the smallest nprobe from `least` with it.
Calibration Calibrator::calibrate_codes(std::size_t least, std::size_t nprobe) const {
  Calibration settings;
  settings.nprobe = nprobe;
  for (settings.refine = 1;; settings.refine *= 2) {
    estimate(settings);
    if (settings.recall >= target_) break;
    if (settings.refine == kMaxRefine) return settings;
  }
  while (least < settings.nprobe) {
    Calibration middle = settings;
    middle.nprobe = least + (settings.nprobe - least) / 2;
    estimate(middle);
    if (middle.recall >= target_) {
      settings = middle;
    } else {
      least = middle.nprobe + 1;
    }
  }
  return settings;
}

Result<Calibration> Calibrator::calibrate_graph() {
  Calibration settings;
  for (settings.ef_search = kMinEf;; settings.ef_search *= 2) {
    SIGHTLINE_TRY_DO(measure(settings));
    if (settings.recall >= target_) break;
    if (settings.ef_search == kMaxEf) return settings;
  }
  if (settings.ef_search == kMinEf) return settings;
  // Between the last two in eighths.
  const std::size_t step = std::max<std::size_t>(1, settings.ef_search / 16);
  std::size_t low = settings.ef_search / 2 + step;
  while (low < settings.ef_search) {
    Calibration middle = settings;
    middle.ef_search = low + (settings.ef_search - low) / step / 2 * step;
    SIGHTLINE_TRY_DO(measure(middle));
    if (middle.recall >= target_) {
      settings = middle;
    } else {
      low = middle.ef_search + step;
    }
  }
  return settings;
}

}  // namespace

Result<Calibration> calibrate_shard(const ShardData& data, const KernelTable& kernels,
                                    double target_recall, std::uint64_t seed, ComputePool* pool,
                                    const Deadline& deadline) {
  if (data.spec.type == ShardType::kFlat || data.num_rows == 0) return Calibration();
  Calibrator calibrator(data, kernels, target_recall, pool, deadline);
  SIGHTLINE_TRY_DO(calibrator.draw_samples(seed));
  SIGHTLINE_TRY(Calibration settings, data.spec.type == ShardType::kHnsw
                                          ? calibrator.calibrate_graph()
                                          : calibrator.calibrate_lists());
  settings.neighbour_distance = calibrator.neighbour_distance();
  return settings;
}

}  // namespace sightline::index
