#include <algorithm>
#include <array>
#include <limits>
#include <queue>
#include <utility>

#include "index/internal/filter_effort.h"
#include "index/internal/shard_searcher.h"
#include "index/internal/visited_rows.h"

namespace sightline::index {
namespace {

// Walks that have seen so much of the graph give up; under a filter also those that cost so much of
// what scanning the rows that may be found does, which is exact.
constexpr double kMaxShareSeen = 0.3, kMaxCost = 0.65;

class GraphWalk {
 public:
  GraphWalk(const ScanJob& job, std::size_t ef, VisitedRows& visited)
      : job_(job),
        data_(job.data),
        scanner_(make_vector_scanner(job.kernels, job.data.distance, job.query.vector)),
        best_(ef, job.query.order),
        visited_(visited) {}

  /// Until the beam is full and nothing nearer is in sight, or more than `most` rows were seen.
  /// returns  false: it was too many, or rows that may be found were not.
  Result<bool> run(std::size_t ef, std::size_t most) {
    visited_.begin(data_.num_rows);
    start_at(descend());
    for (std::size_t steps = 0; !frontier_.empty(); ++steps) {
      if (steps % 64 == 0) SIGHTLINE_TRY_DO(job_.deadline.check("searching"));
      const auto [distance, row] = frontier_.top();
      if (distance > best_.worst_distance() || seen_.size() > most) break;
      frontier_.pop();
      expand(row);
    }
    job_.stats.num_scanned += num_scored_;
    return seen_.size() <= most &&
           num_passed_ >= std::min<std::uint64_t>(ef, job_.filter.num_allowed());
  }

  /// Whether going on would change little. Rows as near as the farthest of `hits`, allowed or not,
  /// tell more than the hits themselves: next to none of them were among the latter half seen. If
  /// they are hardly more than the hits, a filter makes no difference here.
  bool at_rest(const Candidates& hits, Outlook& outlook) const {
    const auto is_near = [&](float distance) { return distance <= hits.back().distance; };
    const auto latter_half = seen_.begin() + static_cast<std::ptrdiff_t>(seen_.size() / 2);
    const auto num_near = std::count_if(seen_.begin(), seen_.end(), is_near);
    const auto num_late = std::count_if(latter_half, seen_.end(), is_near);
    outlook.look(static_cast<double>(num_late), static_cast<double>(num_near));
    return static_cast<std::size_t>(num_near) <= 2 * hits.size() || outlook.rests();
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
      num_scored_ += size;
      for (std::size_t i = 0; i < size; ++i) visit(distances[i], rows[i]);
      size = 0;
    };
    for (const std::int32_t neighbour : neighbours(row, level)) {
      if (neighbour < 0) break;
      if (!wanted(neighbour) || is_stand_in(neighbour)) continue;
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
    ++num_scored_;
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

  bool is_stand_in(std::int32_t row) const {
    return job_.query.stand_in &&
           data_.slots[static_cast<std::size_t>(row)] == *job_.query.stand_in;
  }

  void start_at(Node node) {
    visited_.insert(static_cast<std::size_t>(node.second));
    reach(node.first, node.second);
  }

  void expand(std::int32_t row) {
    score_neighbours(
        row, 0,
        [this](std::int32_t neighbour) {
          return visited_.insert(static_cast<std::size_t>(neighbour));
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
  VisitedRows& visited_;
  std::size_t num_scored_ = 0;
  std::vector<float> seen_;  // distances, in the order in which rows were reached
  std::uint64_t num_passed_ = 0;
};

}  // namespace

Result<std::optional<Candidates>> walk_graph(const ScanJob& job, std::size_t ef,
                                             VisitedPool& visited_pool) {
  if (job.data.hnsw_entry < 0) return std::optional<Candidates>();
  const bool filters = job.filter.filters();
  double left = kMaxShareSeen * static_cast<double>(job.data.num_rows);
  if (filters) {
    const ScanCosts costs = scan_costs(job.data);
    left = std::min(left, kMaxCost * exact_cost(job, costs) / costs.node);
  }
  const auto visited = visited_pool.lend();
  ef = std::max(filters ? 2 * ef : ef, job.query.k);
  Outlook outlook;
  for (std::size_t walks = 1;; ++walks, ef *= 2) {
    GraphWalk walk(job, ef, *visited);
    SIGHTLINE_TRY(const bool arrived, walk.run(ef, static_cast<std::size_t>(left)));
    if (!arrived) return std::optional<Candidates>();
    Candidates hits = walk.take();
    if (filters && walks == 2) ++job.stats.num_widened;
    if (!filters || hits.empty() || walk.at_rest(hits, outlook))
      return std::optional<Candidates>(std::move(hits));
    // Each walk begins anew.
    const auto num_seen = static_cast<double>(walk.num_seen());
    left -= num_seen;
    if (outlook.times_as_far() * num_seen > left) return std::optional<Candidates>();
  }
}

}  // namespace sightline::index
