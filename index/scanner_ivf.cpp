#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numeric>
#include <unordered_set>

#include "index/internal/parallel_scan.h"
#include "index/internal/shard_searcher.h"

namespace sightline::index {
namespace {

// What one thread takes at a time; a list of more bytes is cut.
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
// A helper must have so much to do that waking it pays.
constexpr std::size_t kBytesPerThread = std::size_t{1} << 20;

struct Piece {
  std::uint32_t list = 0;
  std::size_t begin = 0, end = 0;
};

// What the lists probed so far have given.
struct Findings {
  TopK best;
  std::uint64_t num_passed = 0;
  // Under a filter: distances of some of the rows, allowed or not.
  std::vector<float> witnesses;
};

class ListPart final : public ScanPart {
 public:
  ListPart(const ScanJob& job, std::span<const Piece> pieces, bool asks_witnesses, Findings& result)
      : job_(job),
        pieces_(pieces),
        asks_witnesses_(asks_witnesses),
        result_(result),
        scanner_(
            make_code_scanner(job.data, job.transposed_codebooks, job.kernels, job.query.vector)),
        own_{result.best.emptied()} {}

  Result<void> scan(std::size_t chunk) override {
    SIGHTLINE_TRY_DO(job_.deadline.check("searching"));
    const Piece& piece = pieces_[chunk];
    const ShardData::List& list = job_.data.lists[piece.list];
    const std::size_t code_size = job_.data.code_size;
    scanner_->enter_list(piece.list);
    ScanBatch batch(*scanner_,
                    offer_to(own_.best, [&list](std::uint32_t at) { return slot_at(list, at); }));
    const bool checks = job_.filter.checks();
    for (std::size_t at = piece.begin; at < piece.end; ++at) {
      if (checks && !job_.filter.passes(slot_at(list, at))) continue;
      batch.add(list.codes + at * code_size, static_cast<std::uint32_t>(at));
    }
    batch.flush();
    own_.num_passed += batch.num_scored();
    if (asks_witnesses_) ask_witnesses(piece);
    return {};
  }

  void finish() override {
    result_.best.merge(own_.best);
    result_.num_passed += own_.num_passed;
    result_.witnesses.insert(result_.witnesses.end(), own_.witnesses.begin(), own_.witnesses.end());
  }

 private:
  void ask_witnesses(const Piece& piece) {
    constexpr std::size_t kRowsPerWitness = 2;
    const ShardData::List& list = job_.data.lists[piece.list];
    ScanBatch batch(*scanner_,
                    [this](float distance, std::uint32_t) { own_.witnesses.push_back(distance); });
    for (std::size_t at = piece.begin; at < piece.end; at += kRowsPerWitness)
      batch.add(list.codes + at * job_.data.code_size, 0);
    batch.flush();
  }

  const ScanJob& job_;
  const std::span<const Piece> pieces_;
  const bool asks_witnesses_;
  Findings& result_;
  const std::unique_ptr<Scanner> scanner_;
  Findings own_;
};

Result<void> scan_round(const ScanJob& job, std::span<const std::uint32_t> lists,
                        bool asks_witnesses, Findings& findings) {
  const std::size_t code_size = std::max<std::size_t>(1, job.data.code_size);
  const std::size_t piece_rows = std::max<std::size_t>(1, kPieceBytes / code_size);
  std::vector<Piece> pieces;
  std::size_t num_rows = 0;
  for (const std::uint32_t list : lists) {
    const std::size_t size = job.data.lists[list].size;
    for (std::size_t begin = 0; begin < size; begin += piece_rows)
      pieces.push_back({list, begin, std::min(size, begin + piece_rows)});
    num_rows += size;
  }
  job.filter.expect(num_rows);
  return scan_in_parts(
      pieces.size(), num_rows * code_size / kBytesPerThread, job.pool, Priority::kQueryEncoding,
      [&] { return std::make_unique<ListPart>(job, pieces, asks_witnesses, findings); });
}

// What a filtered search keeps of candidates by code distance, of which not all are refined, and of
// hits to look at: twice the k wanted tell more surely where hits come from.
constexpr std::size_t kCandidatesKept = 8, kHitsLookedAt = 2;
// A filtered search that must go so far through the lists scans them all: it costs little more, and
// what is found is no question then.
constexpr double kMaxShareProbed = 0.25;

// A few hits need more candidates each: the order of codes errs by places, not by shares.
std::size_t candidates_for(std::size_t k, std::size_t refine) {
  return std::max<std::size_t>(k, 10) * refine;
}

bool has_lossy_codes(const ShardData& data) { return data.spec.type != ShardType::kIvfFlat; }

class CentroidPart final : public ScanPart {
 public:
  static constexpr std::size_t kChunkLists = 1024;

  CentroidPart(const ShardData& data, const Scanner& scanner, std::span<float> distances)
      : data_(data), scanner_(scanner), distances_(distances) {}

  Result<void> scan(std::size_t chunk) override {
    std::array<const std::byte*, 64> rows;
    const std::size_t end = std::min(distances_.size(), (chunk + 1) * kChunkLists);
    for (std::size_t list = chunk * kChunkLists; list < end; list += rows.size()) {
      const std::size_t count = std::min(rows.size(), end - list);
      for (std::size_t i = 0; i < count; ++i) {
        rows[i] = static_cast<const std::byte*>(
            static_cast<const void*>(data_.centroids.data() + (list + i) * data_.dim));
      }
      scanner_.score(std::span(rows).first(count), distances_.data() + list);
    }
    return {};
  }
  void finish() override {}

 private:
  const ShardData& data_;
  const Scanner& scanner_;
  const std::span<float> distances_;
};

// Lists by distance of their centroids, sorted only as far as asked.
class ProbeOrder {
 public:
  static Result<ProbeOrder> compute(const ShardData& data, const KernelTable& kernels,
                                    std::span<const float> query, ComputePool* pool) {
    ProbeOrder order(data.lists.size());
    const auto scanner = make_vector_scanner(kernels, data.distance, query);
    const std::size_t chunk = CentroidPart::kChunkLists;
    const std::size_t bytes = data.lists.size() * data.dim * sizeof(float);
    SIGHTLINE_TRY_DO(scan_in_parts(
        (data.lists.size() + chunk - 1) / chunk, bytes / kBytesPerThread, pool,
        Priority::kQueryEncoding,
        [&] { return std::make_unique<CentroidPart>(data, *scanner, order.distances_); }));
    return order;
  }

  /// Lists [first, end) of the order; all before `first` were asked for.
  std::span<const std::uint32_t> lists(std::size_t first, std::size_t end) {
    if (end > num_sorted_) {
      const auto begin = order_.begin();
      std::partial_sort(begin + static_cast<std::ptrdiff_t>(num_sorted_),
                        begin + static_cast<std::ptrdiff_t>(end), order_.end(),
                        [this](std::uint32_t a, std::uint32_t b) {
                          return distances_[a] != distances_[b] ? distances_[a] < distances_[b]
                                                                : a < b;
                        });
      num_sorted_ = end;
    }
    return std::span(order_).subspan(first, end - first);
  }

 private:
  explicit ProbeOrder(std::size_t num_lists) : distances_(num_lists), order_(num_lists) {
    std::iota(order_.begin(), order_.end(), 0U);
  }

  std::vector<float> distances_;
  std::vector<std::uint32_t> order_;
  std::size_t num_sorted_ = 0;
};

// How many further lists are likely to hold `num_missing` rows that pass.
std::size_t further_lists(const ScanJob& job, std::uint64_t num_missing, std::size_t most) {
  const double rows_per_list =
      static_cast<double>(job.data.num_rows) / static_cast<double>(job.data.lists.size());
  const double wanted =
      std::ceil(static_cast<double>(num_missing) / (rows_per_list * job.filter.selectivity()));
  return static_cast<std::size_t>(std::clamp(wanted, 1.0, static_cast<double>(most)));
}

// Under a filter the neighbours of a query may lie in any lists: the farther, the fewer rows near
// it are allowed. How far is seen from where rows come from: once next to none of the first hits,
// and next to none of all rows as near as these, came from the latter half of the lists probed, few
// are to be expected of further ones.
class HitsAtRest {
 public:
  explicit HitsAtRest(std::size_t k) : k_(k) {}

  /// Lists that must be probed before the next look.
  std::size_t next_look() const { return 2 * num_probed_; }

  bool look(std::size_t num_probed, const Findings& findings) {
    if (num_probed < next_look()) return false;
    Candidates hits = TopK(findings.best).take_sorted();
    hits.resize(std::min(hits.size(), kHitsLookedAt * k_));
    const bool rests =
        hits.size() >= k_ && few_new(hits) && few_new(findings.witnesses, hits[k_ - 1].distance);
    hits_ = std::move(hits);
    num_witnesses_ = findings.witnesses.size();
    num_probed_ = num_probed;
    return rests;
  }

 private:
  // Of rows as near as wanted, one so many may have come since the last look.
  static constexpr std::size_t kHitsPerNew = 50, kWitnessesPerNew = 200;

  bool few_new(const Candidates& hits) const {
    std::unordered_set<Slot> known;
    for (const Candidate& hit : hits_) known.insert(hit.slot);
    const auto num_new = std::count_if(
        hits.begin(), hits.end(), [&](const Candidate& hit) { return !known.contains(hit.slot); });
    return static_cast<std::size_t>(num_new) <= hits.size() / kHitsPerNew;
  }

  bool few_new(std::span<const float> witnesses, float bound) const {
    const auto count = [bound](std::span<const float> distances) {
      return static_cast<std::size_t>(
          std::count_if(distances.begin(), distances.end(), [&](float d) { return d <= bound; }));
    };
    return count(witnesses.subspan(num_witnesses_)) <= count(witnesses) / kWitnessesPerNew;
  }

  const std::size_t k_;
  // As of the last look.
  std::size_t num_probed_ = 0;
  std::size_t num_witnesses_ = 0;
  Candidates hits_;
};

}  // namespace

Result<std::vector<std::uint32_t>> nearest_lists(const ShardData& data, const KernelTable& kernels,
                                                 std::span<const float> query) {
  SIGHTLINE_TRY(ProbeOrder order, ProbeOrder::compute(data, kernels, query, nullptr));
  const auto lists = order.lists(0, data.lists.size());
  return std::vector<std::uint32_t>(lists.begin(), lists.end());
}

Result<std::optional<Candidates>> scan_lists(const ScanJob& job, std::size_t nprobe,
                                             std::size_t refine) {
  const std::size_t num_lists = job.data.lists.size();
  const std::size_t k = std::min(job.query.k, std::max<std::size_t>(1, job.data.num_rows));
  const bool filters = job.filter.filters();
  const bool lossy = has_lossy_codes(job.data);
  const std::size_t num_refined = lossy ? candidates_for(k, refine) : k;
  std::size_t num_kept = num_refined;
  if (filters) num_kept = std::max(kHitsLookedAt * k, lossy ? kCandidatesKept * num_refined : k);
  Findings findings{TopK(num_kept, job.query.order)};
  SIGHTLINE_TRY(ProbeOrder order,
                ProbeOrder::compute(job.data, job.kernels, job.query.vector, job.pool));
  nprobe = std::min(nprobe, num_lists);
  std::uint64_t wanted = 0;
  if (filters) {
    for (const std::uint32_t list : order.lists(0, nprobe)) wanted += job.data.lists[list].size;
  }
  wanted = std::max<std::uint64_t>(wanted, k);

  HitsAtRest rest(k);
  std::size_t done = 0;
  for (std::size_t end = nprobe; done < end;) {
    const bool asks = filters && end < num_lists;
    SIGHTLINE_TRY_DO(scan_round(job, order.lists(done, end), asks, findings));
    done = end;
    if (findings.num_passed < wanted)
      end += further_lists(job, wanted - findings.num_passed, num_lists);
    if (filters && !rest.look(done, findings)) end = std::max(end, rest.next_look());
    const bool is_far = static_cast<double>(end) > kMaxShareProbed * static_cast<double>(num_lists);
    if (end > num_lists || (filters && end > done && is_far)) end = num_lists;
  }
  job.stats.num_scanned += findings.num_passed;
  job.stats.num_lists += done;
  if (done > nprobe) ++job.stats.num_widened;
  Candidates found = findings.best.take_sorted();
  if (lossy && filters) return refine_until_settled(job, found, num_refined, findings.num_passed);
  if (lossy) return refine_all(job, found);
  found.resize(std::min(found.size(), k));
  return std::optional<Candidates>(std::move(found));
}

}  // namespace sightline::index
