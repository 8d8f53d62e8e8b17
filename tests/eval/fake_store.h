// tests/eval/fake_store.h: a collection whose recall is known beforehand.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/mutex.h"
#include "pipeline/collection_store.h"

namespace sightline::eval {

/// Points 1..num_points on a line, at their own number. Point i lies in list i % num_lists, and a
/// search sees the points of the first `nprobe` (or `ef_search`) lists. Any filter allows the
/// multiples of 4. Thread-safety: as CollectionStore's.
class FakeStore final : public pipeline::CollectionStore {
 public:
  static constexpr std::size_t kCalibrated = 4;

  explicit FakeStore(std::uint64_t num_points, std::size_t num_lists = 16)
      : num_points_(num_points), num_lists_(num_lists) {
    info_.num_points = num_points;
    info_.shards = {
        {"", "IVF16,Flat", num_points, num_points, 8 * num_points, 64 * num_points, kCalibrated, 0},
        {"other", "HNSW32", 5, 5, 1'000'000, 1'000'000, 0, 64}};
  }

  pipeline::CollectionInfo info_;
  std::atomic<bool> fails_{false};
  std::vector<pipeline::SearchRequest> requests() const {
    const MutexLock lock(mutex_);
    return requests_;
  }

  Result<pipeline::CollectionInfo> info() const override { return info_; }

  Result<pipeline::SearchAnswer> search(const pipeline::SearchRequest& request,
                                        Deadline deadline) const override {
    SIGHTLINE_TRY_DO(deadline.check("search"));
    {
      const MutexLock lock(mutex_);
      requests_.push_back(request);
    }
    if (fails_) return io_error("the disk is gone");
    const std::size_t asked = std::max(request.nprobe, request.ef_search);
    const std::size_t probed = request.exact ? num_lists_ : asked != 0 ? asked : kCalibrated;
    pipeline::SearchAnswer answer;
    for (std::uint64_t id = 1; id <= num_points_; ++id) {
      if (id % num_lists_ >= probed || (request.filter && id % 4 != 0)) continue;
      ++answer.plan.num_scanned;
      if (std::ranges::find(request.exclude, PointId(id)) != request.exclude.end()) continue;
      const float distance = std::abs(static_cast<float>(id) - request.vector.at(0));
      answer.hits.push_back({PointId(id), -distance, {}});
    }
    std::ranges::sort(answer.hits, [](const auto& a, const auto& b) {
      return std::pair(-a.score, a.id) < std::pair(-b.score, b.id);
    });
    if (answer.hits.size() > request.top_k) answer.hits.resize(request.top_k);
    return answer;
  }

  Result<std::vector<pipeline::SearchAnswer>> search_batch(
      std::span<const pipeline::SearchRequest> requests, Deadline deadline) const override {
    std::vector<pipeline::SearchAnswer> answers;
    for (const pipeline::SearchRequest& request : requests) {
      SIGHTLINE_TRY(auto answer, search(request, deadline));
      answers.push_back(std::move(answer));
    }
    return answers;
  }
  Result<std::vector<std::optional<pipeline::StoredPoint>>> get(
      std::span<const PointId> ids, pipeline::GetOptions options) const override {
    std::vector<std::optional<pipeline::StoredPoint>> points;
    for (const PointId& id : ids) points.push_back(point(id.number(), options));
    return points;
  }
  Result<std::vector<pipeline::StoredPoint>> scroll(std::optional<PointId> from, std::size_t limit,
                                                    pipeline::GetOptions options,
                                                    std::shared_ptr<const Filter>) const override {
    std::vector<pipeline::StoredPoint> points;
    for (std::uint64_t id = from ? from->number() : 1; id <= num_points_; ++id) {
      if (points.size() == limit) break;
      points.push_back(point(id, options));
    }
    return points;
  }
  Result<std::uint64_t> count(std::shared_ptr<const Filter> filter) const override {
    return filter ? num_points_ / 4 : num_points_;
  }

  Result<pipeline::WriteSummary> write(std::vector<pipeline::WriteOp>) override { return none(); }
  Result<void> create_payload_index(std::string_view, FieldType, const Json&) override {
    return none();
  }
  Result<pipeline::SearchAnswer> search_by(const pipeline::ScoredSearch&, Deadline) const override {
    return none();
  }
  Result<std::vector<pipeline::StoredPoint>> sample(std::size_t, pipeline::GetOptions,
                                                    std::shared_ptr<const Filter>,
                                                    Deadline) const override {
    return none();
  }
  Result<std::vector<pipeline::OrderedPoint>> scroll_ordered(const pipeline::OrderedScroll&,
                                                             Deadline) const override {
    return none();
  }
  Result<std::vector<pipeline::FacetHit>> facet(const pipeline::FacetRequest&,
                                                Deadline) const override {
    return none();
  }
  Result<void> update_parameters(
      const std::function<Result<void>(pipeline::CollectionConfig&)>&) override {
    return none();
  }
  Result<bool> drop_payload_index(std::string_view) override { return none(); }
  Result<void> set_index(std::string_view, std::string_view, double) override { return none(); }
  Result<pipeline::OptimizeSummary> optimize(const pipeline::OptimizeOptions&, Deadline) override {
    return none();
  }
  Result<std::string> thumbnail(const PointId&) const override { return none(); }
  Result<std::optional<pipeline::SourceRecord>> find_source(std::string_view) const override {
    return none();
  }
  Result<std::optional<PointId>> find_content(std::string_view) const override { return none(); }
  Result<void> visit_sources(
      std::string_view, const std::function<bool(const pipeline::SourceRecord&)>&) const override {
    return none();
  }
  Result<void> catch_up() override { return none(); }
  Result<void> flush() override { return none(); }

 private:
  static Status none() { return {StatusCode::kUnimplemented, "the fake store has none"}; }

  /// Odd points have the vector "", even ones the vectors "" and "other".
  static pipeline::StoredPoint point(std::uint64_t id, const pipeline::GetOptions& options) {
    pipeline::StoredPoint point;
    point.id = PointId(id);
    if (!options.with_vectors) return point;
    point.vectors.push_back({"", {static_cast<float>(id)}});
    if (id % 2 == 0) point.vectors.push_back({"other", {static_cast<float>(id), 1}});
    return point;
  }

  const std::uint64_t num_points_;
  const std::size_t num_lists_;
  mutable Mutex mutex_;
  mutable std::vector<pipeline::SearchRequest> requests_ GUARDED_BY(mutex_);
};

}  // namespace sightline::eval
