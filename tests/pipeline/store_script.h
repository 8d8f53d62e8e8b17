// tests/pipeline/store_script.h: a collection's history that two processes agree on: what commit n
// writes, and what is there after it.
#pragma once

#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/collection_store.h"

namespace sightline::pipeline::script {

inline constexpr std::uint64_t kNumPairs = 50;

/// Commits come in pairs of points (2 * pair, 2 * pair + 1) that must never differ.
struct Step {
  bool is_delete = false;
  std::uint64_t pair = 0;
};
inline Step step(std::uint64_t commit) {
  return {commit % 5 == 4, (commit * (commit % 5 == 4 ? 7 : 3)) % kNumPairs};
}

inline std::string uri_of(std::uint64_t pair) { return "file:///pair/" + std::to_string(pair); }

inline std::vector<float> vector_of(std::uint64_t commit, std::size_t dim) {
  std::vector<float> values(dim);
  std::uint64_t state = commit * 0x9E3779B97F4A7C15ULL + 1;
  for (float& value : values) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    value = static_cast<float>(state >> 40) / 16777216.0F - 0.5F;
  }
  return values;
}

inline double norm_of(const std::vector<float>& values) {
  double squares = 0;
  for (const float value : values) squares += double{value} * double{value};
  return std::sqrt(squares);
}

/// What the commit of this number writes: two points of one vector and a source, or their end.
inline std::vector<WriteOp> commit_ops(std::uint64_t commit, std::size_t dim) {
  const auto [is_delete, pair] = step(commit);
  std::vector<WriteOp> ops;
  for (const std::uint64_t id : {2 * pair, 2 * pair + 1}) {
    if (is_delete) {
      ops.emplace_back(DeletePoint{PointId(id)});
      continue;
    }
    UpsertPoint upsert;
    upsert.id = PointId(id);
    upsert.vectors.push_back({"", vector_of(commit, dim)});
    upsert.payload = {{"commit", commit}, {"filler", std::string(200, 'x')}};
    ops.emplace_back(std::move(upsert));
  }
  if (!is_delete) {
    SourceRecord source;
    source.uri = uri_of(pair);
    source.size = commit;
    source.id = PointId(2 * pair);
    ops.emplace_back(PutSource{std::move(source)});
  }
  return ops;
}

/// Pair -> commit that wrote it, after commits 1..num_commits.
inline std::map<std::uint64_t, std::uint64_t> state_after(std::uint64_t num_commits) {
  std::map<std::uint64_t, std::uint64_t> state;
  for (std::uint64_t commit = 1; commit <= num_commits; ++commit) {
    const auto [is_delete, pair] = step(commit);
    if (is_delete) {
      state.erase(pair);
    } else {
      state[pair] = commit;
    }
  }
  return state;
}

/// Empty if `store` holds exactly what its commit number says, else what differs.
inline std::string difference(const CollectionStore& store, std::size_t dim) {
  const auto info = store.info();
  if (!info) return "info: " + info.error().message;
  const auto expected = state_after(info->commit_number);
  const std::string at = "at commit " + std::to_string(info->commit_number) + ": ";
  if (info->num_points != 2 * expected.size())
    return at + "num_points is " + std::to_string(info->num_points);
  if (info->num_sources != expected.size())
    return at + "num_sources is " + std::to_string(info->num_sources);

  const auto points = store.scroll(std::nullopt, 1000, {true, true});
  if (!points) return at + "scroll: " + points.error().message;
  if (points->size() != 2 * expected.size())
    return at + "scroll finds " + std::to_string(points->size()) + " points";
  SearchRequest request;
  request.vector = vector_of(1, dim);
  request.top_k = 1000;
  const auto answer = store.search(request, Deadline::never());
  if (!answer) return at + "search: " + answer.error().message;
  std::map<std::uint64_t, Json> found;
  for (const ScoredPoint& hit : answer->hits) {
    if (!found.emplace(hit.id.number(), hit.payload).second)
      return at + "a search finds point " + hit.id.to_string() + " twice";
  }
  auto point = points->begin();
  for (const auto& [pair, commit] : expected) {
    for (const std::uint64_t id : {2 * pair, 2 * pair + 1}) {
      const StoredPoint& stored = *point++;
      const std::string who = at + "point " + std::to_string(id) + " ";
      if (stored.id != PointId(id)) return who + "is missing";
      if (stored.payload.value("commit", std::uint64_t{0}) != commit)
        return who + "has payload " + stored.payload.dump();
      if (stored.vectors.size() != 1 || stored.vectors[0].values.size() != dim)
        return who + "has no vector";
      const auto hit = found.find(id);
      if (hit == found.end()) return who + "is not found by a search";
      if (hit->second != stored.payload) return who + "is found with " + hit->second.dump();
    }
    const auto source = store.find_source(uri_of(pair));
    if (!source) return at + "find_source: " + source.error().message;
    if (!source->has_value() || (*source)->size != commit)
      return at + "source of pair " + std::to_string(pair) + " is wrong";
  }
  if (found.size() != points->size())
    return at + "a search finds " + std::to_string(found.size()) + " points";
  return {};
}

// --- a second script, whose commits are not all its own (shards are sealed meanwhile) ------------
// Step n writes or deletes 20 points, and how far the script is.

inline constexpr std::uint64_t kNumLoadIds = 500;
inline constexpr std::uint64_t kLoadBatch = 20;
inline constexpr const char* kStepUri = "script:step";

inline bool is_delete_step(std::uint64_t step) { return step % 4 == 3; }
inline std::uint64_t load_id(std::uint64_t step, std::uint64_t i) {
  return (step * (is_delete_step(step) ? 13 : kLoadBatch) + i) % kNumLoadIds;
}

inline std::vector<WriteOp> load_ops(std::uint64_t step, std::size_t dim) {
  std::vector<WriteOp> ops;
  for (std::uint64_t i = 0; i < kLoadBatch; ++i) {
    const PointId id(load_id(step, i));
    if (is_delete_step(step)) {
      ops.emplace_back(DeletePoint{id});
      continue;
    }
    UpsertPoint upsert;
    upsert.id = id;
    upsert.vectors.push_back({"", vector_of(step * 100 + i, dim)});
    upsert.payload = {{"step", step}, {"even", step % 2 == 0}};
    ops.emplace_back(std::move(upsert));
  }
  SourceRecord source;
  source.uri = kStepUri;
  source.size = step;
  source.skip_reason = "script";
  ops.emplace_back(PutSource{std::move(source)});
  return ops;
}

/// How far the script is in `store`; 0 at first.
inline Result<std::uint64_t> load_step(const CollectionStore& store) {
  SIGHTLINE_TRY(const auto source, store.find_source(kStepUri));
  return source ? source->size : std::uint64_t{0};
}

/// Id -> step that wrote it.
inline std::map<std::uint64_t, std::uint64_t> loaded_after(std::uint64_t num_steps) {
  std::map<std::uint64_t, std::uint64_t> state;
  for (std::uint64_t step = 1; step <= num_steps; ++step) {
    for (std::uint64_t i = 0; i < kLoadBatch; ++i) {
      if (is_delete_step(step)) {
        state.erase(load_id(step, i));
      } else {
        state[load_id(step, i)] = step;
      }
    }
  }
  return state;
}

/// Empty if `store`, which does not change meanwhile, holds exactly what its step says.
inline std::string load_difference(const CollectionStore& store, std::size_t dim) {
  const auto step = load_step(store);
  if (!step) return step.error().message;
  const auto expected = loaded_after(*step);
  const std::string at = "at step " + std::to_string(*step) + ": ";
  SearchRequest request;
  request.vector = vector_of(1, dim);
  request.top_k = 1000;
  request.exact = true;
  const auto answer = store.search(request, Deadline::never());
  if (!answer) return at + "search: " + answer.error().message;
  std::map<std::uint64_t, std::uint64_t> found;
  for (const ScoredPoint& hit : answer->hits) {
    if (!found.emplace(hit.id.number(), hit.payload.value("step", std::uint64_t{0})).second)
      return at + "a search finds point " + hit.id.to_string() + " twice";
  }
  if (found != expected) {
    return at + "a search finds " + std::to_string(found.size()) + " points, not the " +
           std::to_string(expected.size()) + " there are, or others";
  }
  std::uint64_t num_even = 0;
  for (const auto& [id, written] : expected) num_even += written % 2 == 0 ? 1 : 0;
  auto filter = std::make_shared<Filter>();
  filter->must.push_back(FieldCondition{FieldPath::parse("even").value(), MatchValue{true}});
  const auto count = store.count(filter);
  if (!count) return at + "count: " + count.error().message;
  if (*count != num_even) return at + std::to_string(*count) + " points are even";
  // The vectors that are found are those that are stored.
  const auto points = store.scroll(std::nullopt, 1000, {false, true});
  if (!points) return at + "scroll: " + points.error().message;
  std::map<PointId, float> scores;
  for (const ScoredPoint& hit : answer->hits) scores[hit.id] = hit.score;
  const double length = norm_of(request.vector);
  for (const StoredPoint& point : *points) {
    double score = 0;
    for (std::size_t i = 0; i < dim; ++i)
      score += double{point.vectors[0].values[i]} * double{request.vector[i]};
    if (std::abs(score / length - double{scores[point.id]}) > 1e-4)
      return at + "point " + point.id.to_string() + " is found with another vector";
  }
  return {};
}

}  // namespace sightline::pipeline::script
