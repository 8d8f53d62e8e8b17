// tests/pipeline/store_script.h: a collection's history that two processes agree on: what commit n
// writes, and what is there after it.
#pragma once

#include <cstdint>
#include <map>
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
  const auto hits = store.search(request, Deadline::never());
  if (!hits) return at + "search: " + hits.error().message;
  std::map<std::uint64_t, Json> found;
  for (const ScoredPoint& hit : *hits) {
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

}  // namespace sightline::pipeline::script
