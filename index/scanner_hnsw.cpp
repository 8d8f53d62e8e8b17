#include <algorithm>
#include <array>
#include <limits>
#include <queue>
#include <utility>

#include "index/internal/shard_searcher.h"

namespace sightline::index {
namespace {

// Walks that have seen so much of the graph give up: scanning the rows that may be found costs
// little more then, and is exact.
constexpr double kMaxShareSeen = 0.3;

// Rows that a walk has seen. One of each thread serves all its walks.
class VisitedSet {
 public:
  void begin(std::size_t num_rows) {
    if (marks_.size() < num_rows) marks_.resize(num_rows);
    if (++walk_ == 0) {
      std::fill(marks_.begin(), marks_.end(), std::uint8_t{0});
      walk_ = 1;
    }
  }
  /// Whether `row` was new.
  bool insert(std::size_t row) {
    if (marks_[row] == walk_) return false;
    marks_[row] = walk_;
    return true;
  }

 private:
  std::vector<std::uint8_t> marks_;  // number of the last walk that saw a row
  std::uint8_t walk_ = 0;
};

class GraphWalk {
 public:
  GraphWalk(const ScanJob& job, std::size_t ef)
      : job_(job),
        data_(job.data),
        scanner_(make_vector_scanner(job.kernels, job.data.distance, job.query.vector)),
        best_(ef, job.query.order) {}

  /// Until the beam is full and nothing nearer is in sight, or more than `most` rows were seen.
  /// returns  false: it was too many, or rows that may be found were not.
  Result<bool> run(std::size_t ef, std::size_t most) {
    thread_local VisitedSet visited_by_thread;
    visited_ = &visited_by_thread;
    visited_->begin(data_.num_rows);
    start_at(descend());
    for (std::size_t steps = 0; !frontier_.empty(); ++steps) {
      if (steps % 64 == 0) SIGHTLINE_TRY_DO(job_.deadline.check("searching"));
      const auto [distance, row] = frontier_.top();
      if (distance > best_.worst_distance() || seen_.size() > most) break;
      frontier_.pop();
      expand(row);
    }
    job_.stats.num_scanned += seen_.size();
    return seen_.size() <= most &&
           num_passed_ >= std::min<std::uint64_t>(ef, job_.filter.num_allowed());
  }

  /// Whether going on would change little. Rows as near as the farthest of `hits`, allowed or not,
  /// tell more than the hits themselves: next to none of them were among the latter half seen. If
  /// they are hardly more than the hits, a filter makes no difference here.
  bool at_rest(const Candidates& hits) const {
    const auto is_near = [&](float distance) { return distance <= hits.back().distance; };
    const auto latter_half = seen_.begin() + static_cast<std::ptrdiff_t>(seen_.size() / 2);
    const auto num_near = std::count_if(seen_.begin(), seen_.end(), is_near);
    const auto num_late = std::count_if(latter_half, seen_.end(), is_near);
    return static_cast<std::size_t>(num_near) <= 2 * hits.size() ||
           num_late <= num_near / kNearPerLate;
  }
  std::size_t num_seen() const { return seen_.size(); }

  Candidates take() {
    Candidates found = best_.take_sorted();
    if (found.size() > job_.query.k) found.resize(job_.query.k);
    return found;
  }

 private:
  using Node = std::pair<float, std::int32_t>;  // distance, row
  static constexpr std::size_t kMaxBatch = 64;
  static constexpr std::ptrdiff_t kNearPerLate = 200;

  std::span<const std::int32_t> neighbours(std::int32_t row, std::int32_t level) const {
    const auto r = static_cast<std::size_t>(row);
    const auto l = static_cast<std::size_t>(level);
    const auto* first = data_.hnsw_neighbours.data() + data_.hnsw_offsets[r];
    return {first + data_.hnsw_cumulative[l], first + data_.hnsw_cumulative[l + 1]};
  }

  // Calls visit(distance, row) for the neighbours that are wanted, scored many at a time.
  template <typename Wanted, typename Visit>
  void score_neighbours(std::int32_t row, std::int32_t level, Wanted wanted, Visit visit) {
    std::array<const std::byte*, kMaxBatch> vectors;
    std::array<std::int32_t, kMaxBatch> rows;
    std::array<float, kMaxBatch> distances;
    std::size_t size = 0;
    const auto flush = [&] {
      scanner_->score(std::span(vectors).first(size), distances.data());
      for (std::size_t i = 0; i < size; ++i) visit(distances[i], rows[i]);
      size = 0;
    };
    for (const std::int32_t neighbour : neighbours(row, level)) {
      if (neighbour < 0) break;
      if (!wanted(neighbour)) continue;
      rows[size] = neighbour;
      vectors[size] = data_.vector(static_cast<std::size_t>(neighbour));
      if (++size == kMaxBatch) flush();
    }
    flush();
  }

  // Through the upper levels to the row that is nearest there.
  Node descend() {
    Node nearest{0, data_.hnsw_entry};
    const std::byte* vector = data_.vector(static_cast<std::size_t>(nearest.second));
    scanner_->score({&vector, 1}, &nearest.first);
    for (std::int32_t level = data_.hnsw_max_level; level > 0; --level) {
      for (std::int32_t from = -1; from != nearest.second;) {
        from = nearest.second;
        score_neighbours(
            from, level, [](std::int32_t) { return true; },
            [&](float distance, std::int32_t row) {
              if (distance < nearest.first) nearest = {distance, row};
            });
      }
    }
    return nearest;
  }

  void start_at(Node node) {
    visited_->insert(static_cast<std::size_t>(node.second));
    reach(node.first, node.second);
  }

  void expand(std::int32_t row) {
    score_neighbours(
        row, 0,
        [this](std::int32_t neighbour) {
          return visited_->insert(static_cast<std::size_t>(neighbour));
        },
        [this](float distance, std::int32_t neighbour) { reach(distance, neighbour); });
  }

  // The way leads on through any row; found are those that pass.
  void reach(float distance, std::int32_t row) {
    seen_.push_back(distance);
    if (distance > best_.worst_distance()) return;
    frontier_.emplace(distance, row);
    const Slot slot = data_.slots[static_cast<std::size_t>(row)];
    if (job_.filter.checks() && !job_.filter.passes(slot)) return;
    best_.offer({distance, slot});
    ++num_passed_;
  }

  const ScanJob& job_;
  const ShardData& data_;
  const std::unique_ptr<Scanner> scanner_;
  TopK best_;
  std::priority_queue<Node, std::vector<Node>, std::greater<>> frontier_;
  VisitedSet* visited_ = nullptr;
  std::vector<float> seen_;  // distances, in the order in which rows were reached
  std::uint64_t num_passed_ = 0;
};

}  // namespace

Result<std::optional<Candidates>> walk_graph(const ScanJob& job, std::size_t ef) {
  if (job.data.hnsw_entry < 0) return std::optional<Candidates>();
  const bool filters = job.filter.filters();
  auto left = static_cast<std::size_t>(kMaxShareSeen * static_cast<double>(job.data.num_rows));
  ef = std::max(filters ? 2 * ef : ef, job.query.k);
  for (std::size_t walks = 1;; ++walks, ef *= 2) {
    GraphWalk walk(job, ef);
    SIGHTLINE_TRY(const bool arrived, walk.run(ef, left));
    if (!arrived) return std::optional<Candidates>();
    Candidates hits = walk.take();
    if (filters && walks == 2) ++job.stats.num_widened;
    if (!filters || hits.empty() || walk.at_rest(hits))
      return std::optional<Candidates>(std::move(hits));
    left -= walk.num_seen();
  }
}

}  // namespace sightline::index
