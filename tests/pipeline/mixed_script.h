// tests/pipeline/mixed_script.h: a third script: points with two named vectors that are upserted,
// deleted, retagged, and given and robbed of a vector, while shards are sealed and merged.
// Step n touches 20 points and says in a source how far the script is.
#pragma once

#include "tests/pipeline/store_script.h"

namespace sightline::pipeline::script {

inline constexpr std::size_t kImageDim = 16, kTextDim = 8;

/// What is there of a point: the steps that wrote its parts; 0: it has none.
struct MixedPoint {
  std::uint64_t step = 0, text = 0, tag = 0;
  bool operator==(const MixedPoint&) const = default;
};

enum class MixedKind { kUpsert, kDelete, kTag, kVectors };
inline MixedKind mixed_kind(std::uint64_t step) {
  constexpr MixedKind kinds[] = {MixedKind::kUpsert, MixedKind::kUpsert, MixedKind::kTag,
                                 MixedKind::kUpsert, MixedKind::kDelete, MixedKind::kVectors};
  return kinds[step % 6];
}
inline std::uint64_t mixed_id(std::uint64_t step, std::uint64_t i) {
  return (step * (mixed_kind(step) == MixedKind::kUpsert ? kLoadBatch : 13) + i) % kNumLoadIds;
}
inline std::vector<float> mixed_vector(std::uint64_t step, std::uint64_t id, std::size_t dim) {
  return vector_of(step * 1000 + id, dim);
}

inline std::vector<WriteOp> mixed_ops(std::uint64_t step) {
  std::vector<WriteOp> ops;
  for (std::uint64_t i = 0; i < kLoadBatch; ++i) {
    const std::uint64_t id = mixed_id(step, i);
    const NamedVector text{"text", mixed_vector(step, id, kTextDim)};
    switch (mixed_kind(step)) {
      case MixedKind::kUpsert: {
        UpsertPoint upsert;
        upsert.id = PointId(id);
        upsert.vectors.push_back({"image", mixed_vector(step, id, kImageDim)});
        if (i % 2 == 0) upsert.vectors.push_back(text);
        upsert.payload = {{"step", step}};
        ops.emplace_back(std::move(upsert));
        break;
      }
      case MixedKind::kDelete:
        ops.emplace_back(DeletePoint{PointId(id)});
        break;
      case MixedKind::kTag:
        ops.emplace_back(SetPayload{{{PointId(id)}, {}}, {{"tag", step}}, ""});
        break;
      case MixedKind::kVectors:
        if (i % 2 == 0) {
          ops.emplace_back(UpdateVectors{PointId(id), {text}});
        } else {
          ops.emplace_back(DeleteVectors{{{PointId(id)}, {}}, {"text"}});
        }
        break;
    }
  }
  SourceRecord source;
  source.uri = kStepUri;
  source.size = step;
  source.skip_reason = "script";
  ops.emplace_back(PutSource{std::move(source)});
  return ops;
}

inline std::map<std::uint64_t, MixedPoint> mixed_after(std::uint64_t num_steps) {
  std::map<std::uint64_t, MixedPoint> state;
  for (std::uint64_t step = 1; step <= num_steps; ++step) {
    for (std::uint64_t i = 0; i < kLoadBatch; ++i) {
      const std::uint64_t id = mixed_id(step, i);
      const MixedKind kind = mixed_kind(step);
      if (kind == MixedKind::kUpsert) {
        state[id] = {step, i % 2 == 0 ? step : 0, 0};
      } else if (kind == MixedKind::kDelete) {
        state.erase(id);
      } else if (const auto point = state.find(id); point != state.end()) {
        if (kind == MixedKind::kTag) {
          point->second.tag = step;
        } else {
          point->second.text = i % 2 == 0 ? step : 0;
        }
      }
    }
  }
  return state;
}

/// Empty if the point has exactly the vectors that `wanted` says.
inline std::string vector_difference(const StoredPoint& point, const MixedPoint& wanted) {
  std::map<std::string, std::vector<float>> expected;
  const std::uint64_t id = point.id.number();
  expected["image"] = mixed_vector(wanted.step, id, kImageDim);
  if (wanted.text != 0) expected["text"] = mixed_vector(wanted.text, id, kTextDim);
  if (point.vectors.size() != expected.size())
    return "has " + std::to_string(point.vectors.size()) + " vectors";
  for (const NamedVector& vector : point.vectors) {
    const auto found = expected.find(vector.name);
    if (found == expected.end() || found->second.size() != vector.values.size())
      return "has another vector " + vector.name;
    const double length = norm_of(found->second);
    for (std::size_t i = 0; i < vector.values.size(); ++i) {
      if (std::abs(double{found->second[i]} / length - double{vector.values[i]}) > 1e-5)
        return "has another vector " + vector.name;
    }
  }
  return {};
}

/// Empty if an exact search by this name finds each point that has such a vector, once, with the
/// score of the vector that it has.
inline std::string search_difference(const CollectionStore& store, const std::string& name,
                                     const std::map<std::uint64_t, MixedPoint>& expected) {
  const std::size_t dim = name == "text" ? kTextDim : kImageDim;
  SearchRequest request;
  request.vector_name = name;
  request.vector = vector_of(1, dim);
  request.top_k = 1000;
  request.exact = true;
  const auto answer = store.search(request, Deadline::never());
  if (!answer) return "search: " + answer.error().message;
  std::map<std::uint64_t, float> found;
  for (const ScoredPoint& hit : answer->hits) {
    if (!found.emplace(hit.id.number(), hit.score).second)
      return "a search finds point " + hit.id.to_string() + " twice";
  }
  std::size_t num_expected = 0;
  for (const auto& [id, point] : expected) {
    const std::uint64_t step = name == "text" ? point.text : point.step;
    if (step == 0) continue;
    ++num_expected;
    const auto hit = found.find(id);
    if (hit == found.end()) return "a search does not find point " + std::to_string(id);
    const std::vector<float> values = mixed_vector(step, id, dim);
    double score = 0;
    for (std::size_t i = 0; i < dim; ++i) score += double{values[i]} * double{request.vector[i]};
    score /= norm_of(values) * norm_of(request.vector);
    if (std::abs(score - double{hit->second}) > 1e-4)
      return "a search finds another vector of point " + std::to_string(id);
  }
  return found.size() == num_expected ? "" : "a search finds points that are not there";
}

/// Empty if `store`, which does not change meanwhile, holds exactly what its step says.
inline std::string mixed_difference(const CollectionStore& store) {
  const auto step = load_step(store);
  if (!step) return step.error().message;
  const auto expected = mixed_after(*step);
  const std::string at = "at step " + std::to_string(*step) + ": ";
  const auto points = store.scroll(std::nullopt, 1000, {true, true});
  if (!points) return at + "scroll: " + points.error().message;
  std::size_t num_tagged = 0;
  auto wanted = expected.begin();
  for (const StoredPoint& point : *points) {
    const std::string who = at + "point " + point.id.to_string() + " ";
    if (wanted == expected.end() || point.id != PointId(wanted->first))
      return who + "should not be there, or one before it is missing";
    Json payload = {{"step", wanted->second.step}};
    if (wanted->second.tag != 0) payload["tag"] = wanted->second.tag;
    num_tagged += wanted->second.tag != 0 ? 1 : 0;
    if (point.payload != payload) return who + "has payload " + point.payload.dump();
    if (const auto other = vector_difference(point, wanted->second); !other.empty())
      return who + other;
    ++wanted;
  }
  if (wanted != expected.end()) return at + "point " + std::to_string(wanted->first) + " is lost";
  for (const char* name : {"image", "text"}) {
    if (const auto other = search_difference(store, name, expected); !other.empty())
      return at + name + ": " + other;
  }
  const Json tagged = {{"must", {{"key", "tag"}, {"range", {{"gt", 0}}}}}};
  const auto filter = std::make_shared<const Filter>(parse_filter(tagged).value());
  const auto count = store.count(filter);
  if (!count) return at + "count: " + count.error().message;
  if (*count != num_tagged) return at + std::to_string(*count) + " points are tagged";
  return {};
}

}  // namespace sightline::pipeline::script
