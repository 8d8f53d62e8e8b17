#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numeric>
#include <unordered_set>
#include <utility>

#include "index/internal/filter_effort.h"
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
  // Under a filter: distances of the rows that do not pass.
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
    scanner_->enter_list(piece.list);
    const RowFilter& filter = job_.filter;
    if (!filter.checks()) {
      scan_piece(piece, [](Slot) { return true; });
    } else if (filter.filters() && !filter.checks_visibility()) {
      scan_piece(piece, [&filter](Slot slot) { return filter.allows(slot); });
    } else {
      scan_piece(piece, [&filter](Slot slot) { return filter.passes(slot); });
    }
    return {};
  }

  void finish() override {
    result_.best.merge(own_.best);
    result_.num_passed += own_.num_passed;
    result_.witnesses.insert(result_.witnesses.end(), own_.witnesses.begin(), own_.witnesses.end());
  }

 private:
  // Rows are sorted out without a branch: whether they pass cannot be foreseen.
  template <typename Passes>
  void scan_piece(const Piece& piece, Passes passes) {
    constexpr std::size_t kBlock = 256;
    const ShardData::List& list = job_.data.lists[piece.list];
    ScanBatch batch(*scanner_,
                    offer_to(own_.best, [&list](std::uint32_t at) { return slot_at(list, at); }));
    ScanBatch asked(*scanner_,
                    [this](float distance, std::uint32_t) { own_.witnesses.push_back(distance); });
    std::array<std::uint32_t, kBlock + 1> passed, others;
    for (std::size_t first = piece.begin; first < piece.end; first += kBlock) {
      const std::size_t end = std::min(piece.end, first + kBlock);
      std::size_t num_passed = 0, num_others = 0;
      for (std::size_t at = first; at < end; ++at) {
        const bool does = passes(slot_at(list, at));
        passed[num_passed] = others[num_others] = static_cast<std::uint32_t>(at);
        num_passed += does ? 1 : 0;
        num_others += does ? 0 : 1;
      }
      for (std::size_t i = 0; i < num_passed; ++i) batch.add(code(list, passed[i]), passed[i]);
      if (!asks_witnesses_) continue;
      for (std::size_t i = 0; i < num_others; ++i) asked.add(code(list, others[i]), 0);
    }
    batch.flush();
    asked.flush();
    own_.num_passed += batch.num_scored();
  }

  const std::byte* code(const ShardData::List& list, std::size_t at) const {
    return list.codes + at * job_.data.code_size;
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
// Of what the exact scan costs, a walk may cost so much; and so much whatever is expected of it.
constexpr double kMaxCost = 0.8, kMaxCostOfTrying = 0.1;

// A few hits need more candidates each: the order of codes errs by places, not by shares.
std::size_t candidates_for(std::size_t k, std::size_t refine) {
  return std::max<std::size_t>(k, 10) * refine;
}

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

// Under a filter the neighbours of a query may lie in any lists: the farther, the fewer rows near
// it are allowed. How far is seen from where rows come from that are as near as the hits, allowed
// or not.
class HitsAtRest {
 public:
  HitsAtRest(std::size_t k, double selectivity) : k_(k), selectivity_(selectivity) {}

  /// Lists that must be probed before the next look.
  std::size_t next_look() const { return 2 * num_probed_; }

  /// Whether further lists are likely to have next to nothing as near as the hits.
  bool look(std::size_t num_probed, const Findings& findings) {
    if (num_probed < next_look()) return false;
    Candidates hits = TopK(findings.best).take_sorted();
    hits.resize(std::min(hits.size(), kHitsLookedAt * k_));
    const bool rests = hits.size() >= k_ && rest_at(findings, hits);
    hits_ = std::move(hits);
    num_witnesses_ = findings.witnesses.size();
    num_probed_ = num_probed;
    return rests;
  }

  const Outlook& outlook() const { return outlook_; }

 private:
  // Of the hits, one so many may have come since the last look.
  static constexpr std::size_t kHitsPerNew = 50;
  static constexpr double kTimesMoreNear = 2, kNearThatTell = 400;

  bool rest_at(const Findings& findings, std::span<const Candidate> hits) {
    const float bound = hits[k_ - 1].distance;
    const double others = num_near(findings.witnesses, bound);
    const double new_others =
        num_near(std::span(findings.witnesses).subspan(num_witnesses_), bound);
    // Where it leaves out more of the rows near the query than of all, they tell less of where hits
    // lie: more of these are asked.
    const bool is_correlated = (static_cast<double>(k_) + others) * selectivity_ >
                               kTimesMoreNear * static_cast<double>(k_);
    if (!is_correlated) hits = hits.first(k_);
    const std::size_t num_new = num_new_hits(hits);
    if (num_probed_ == 0) return false;  // all are new
    outlook_.look(new_others + static_cast<double>(num_new),
                  others + static_cast<double>(hits.size()));
    // Few rows say little of a long tail: they must rest twice.
    const bool says_little = others < kNearThatTell;
    const bool rested_before =
        std::exchange(rested_, num_new <= hits.size() / kHitsPerNew && outlook_.rests());
    return rested_ && (rested_before || !says_little);
  }

  std::size_t num_new_hits(std::span<const Candidate> hits) const {
    std::unordered_set<Slot> known;
    for (const Candidate& hit : hits_) known.insert(hit.slot);
    return static_cast<std::size_t>(std::count_if(
        hits.begin(), hits.end(), [&](const Candidate& hit) { return !known.contains(hit.slot); }));
  }

  static double num_near(std::span<const float> witnesses, float bound) {
    return static_cast<double>(
        std::count_if(witnesses.begin(), witnesses.end(), [bound](float d) { return d <= bound; }));
  }

  const std::size_t k_;
  const double selectivity_;
  Outlook outlook_;
  // As of the last look.
  bool rested_ = false;
  std::size_t num_probed_ = 0;
  std::size_t num_witnesses_ = 0;
  Candidates hits_;
};

// One search through the lists, nearest first.
class ListWalk {
 public:
  ListWalk(const ScanJob& job, std::size_t refine, ProbeOrder order)
      : job_(job),
        filters_(job.filter.filters()),
        lossy_(has_lossy_codes(job.data.spec)),
        num_lists_(job.data.lists.size()),
        k_(std::min(job.query.k, std::max<std::size_t>(1, job.data.num_rows))),
        num_refined_(lossy_ ? candidates_for(k_, refine) : k_),
        costs_(scan_costs(job.data)),
        exact_cost_(exact_cost(job, costs_)),
        order_(std::move(order)),
        findings_{TopK(num_kept(), job.query.order)},
        rest_(k_, job.filter.selectivity()) {}

  Result<std::optional<Candidates>> run(std::size_t nprobe);

 private:
  std::size_t num_kept() const {
    if (!filters_) return num_refined_;
    return std::max(kHitsLookedAt * k_, lossy_ ? kCandidatesKept * num_refined_ : k_);
  }
  Result<void> probe_to(std::size_t end, bool asks);
  std::size_t further_lists(std::uint64_t num_missing) const;
  double cost_to(std::size_t end, bool asks) const;
  bool costs_too_much(std::size_t reached, std::size_t next) const;
  Result<std::optional<Candidates>> finish();

  const ScanJob& job_;
  const bool filters_, lossy_;
  const std::size_t num_lists_, k_, num_refined_;
  const ScanCosts costs_;
  const double exact_cost_;
  ProbeOrder order_;
  Findings findings_;
  HitsAtRest rest_;
  std::size_t num_probed_ = 0;
  double spent_ = 0;
};

Result<std::optional<Candidates>> ListWalk::run(std::size_t nprobe) {
  std::uint64_t wanted = 0;
  if (filters_) {
    for (const std::uint32_t list : order_.lists(0, nprobe)) wanted += job_.data.lists[list].size;
  }
  wanted = std::max<std::uint64_t>(wanted, k_);
  const bool all = nprobe == num_lists_;
  if (filters_ && !all &&
      (costs_too_much(nprobe, nprobe) ||
       cost_to(further_lists(wanted), true) > kMaxCost * exact_cost_)) {
    return std::optional<Candidates>();
  }

  for (std::size_t end = nprobe; num_probed_ < end;) {
    SIGHTLINE_TRY_DO(probe_to(end, filters_ && !all));
    if (findings_.num_passed < wanted) end += further_lists(wanted - findings_.num_passed);
    if (filters_ && (!rest_.look(num_probed_, findings_) || end > num_probed_)) {
      end = rest_.next_look();
    }
    end = std::min(end, num_lists_);
    if (!filters_ || end == num_probed_) continue;
    if (!costs_too_much(num_probed_, end)) continue;
    if (lossy_ || cost_to(num_lists_, false) > exact_cost_) return std::optional<Candidates>();
    SIGHTLINE_TRY_DO(probe_to(num_lists_, false));
    break;
  }
  if (num_probed_ > nprobe) ++job_.stats.num_widened;
  return finish();
}

Result<void> ListWalk::probe_to(std::size_t end, bool asks) {
  const std::uint64_t before = findings_.num_passed + findings_.witnesses.size();
  spent_ += cost_to(end, asks);
  SIGHTLINE_TRY_DO(scan_round(job_, order_.lists(num_probed_, end), asks, findings_));
  job_.stats.num_scanned += findings_.num_passed + findings_.witnesses.size() - before;
  job_.stats.num_lists += end - num_probed_;
  num_probed_ = end;
  return {};
}

// How many further lists are likely to hold `num_missing` rows that pass.
std::size_t ListWalk::further_lists(std::uint64_t num_missing) const {
  const double rows_per_list =
      static_cast<double>(job_.data.num_rows) / static_cast<double>(num_lists_);
  const double wanted =
      std::ceil(static_cast<double>(num_missing) / (rows_per_list * job_.filter.selectivity()));
  return static_cast<std::size_t>(std::clamp(wanted, 1.0, static_cast<double>(num_lists_)));
}

// Of probing on to the list before number `end`.
double ListWalk::cost_to(std::size_t end, bool asks) const {
  const auto lists = static_cast<double>(end - std::min(end, num_probed_));
  const double rows =
      lists * static_cast<double>(job_.data.num_rows) / static_cast<double>(num_lists_);
  const double scored = asks ? 1 : job_.filter.selectivity();
  return lists * costs_.list + rows * (costs_.check + scored * costs_.code);
}

// Whether probing on to list `next`, and from the first `reached` ones as far as is likely to be
// needed, costs more than it may.
bool ListWalk::costs_too_much(std::size_t reached, std::size_t next) const {
  if (spent_ + cost_to(next, true) <= kMaxCostOfTrying * exact_cost_) return false;
  const double expected = std::min(rest_.outlook().times_as_far() * static_cast<double>(reached),
                                   static_cast<double>(num_lists_));
  const std::size_t end = std::max(next, static_cast<std::size_t>(expected));
  return spent_ + cost_to(end, true) > kMaxCost * exact_cost_;
}

Result<std::optional<Candidates>> ListWalk::finish() {
  Candidates found = findings_.best.take_sorted();
  if (lossy_ && filters_)
    return refine_until_settled(job_, found, num_refined_, findings_.num_passed);
  if (lossy_) return refine_all(job_, found);
  found.resize(std::min(found.size(), k_));
  return std::optional<Candidates>(std::move(found));
}

}  // namespace

Result<std::vector<std::uint32_t>> nearest_lists(const ShardData& data, const KernelTable& kernels,
                                                 std::span<const float> query) {
  SIGHTLINE_TRY(ProbeOrder order, ProbeOrder::compute(data, kernels, query, nullptr));
  const auto lists = order.lists(0, data.lists.size());
  return std::vector<std::uint32_t>(lists.begin(), lists.end());
}

Result<std::optional<Candidates>> scan_lists(const ScanJob& job, std::size_t nprobe,
                                             std::size_t refine) {
  SIGHTLINE_TRY(ProbeOrder order,
                ProbeOrder::compute(job.data, job.kernels, job.query.vector, job.pool));
  return ListWalk(job, refine, std::move(order)).run(std::min(nprobe, job.data.lists.size()));
}

}  // namespace sightline::index
