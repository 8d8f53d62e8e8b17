// tests/pipeline/store_model.h: a collection as plain maps, and random operations on it.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/filter.h"
#include "pipeline/collection_store.h"

namespace sightline::pipeline {

struct ModelVector {
  std::vector<float> values;                // "", "b": of one row; "m": of rows of two
  std::map<std::uint32_t, float> by_index;  // "s"
  bool operator==(const ModelVector&) const = default;
};

inline ModelVector to_model(const NamedVector& vector) {
  ModelVector model;
  if (vector.kind != VectorKind::kSparse) {
    model.values = vector.values;
    return model;
  }
  for (std::size_t i = 0; i < vector.indices.size(); ++i)
    model.by_index[vector.indices[i]] = vector.values[i];
  return model;
}

struct ModelPoint {
  std::map<std::string, ModelVector> vectors;
  Json payload = Json::object();
  std::string thumbnail;
  std::string uri;
};

inline bool satisfies(const Filter& filter, const PointId& id, const ModelPoint& point) {
  return matches(filter, FilterSubject{id, point.payload, [&](std::string_view name) {
                                         return point.vectors.contains(std::string(name));
                                       }});
}

class Model {
 public:
  void begin_request() {
    put_now.clear();
    before = points;
  }

  void apply(const UpsertPoint& op) {
    const bool exists = points.contains(op.id);
    if (op.mode == WriteMode::kInsertOnly && exists) return;
    if (op.mode == WriteMode::kUpdateOnly && !exists) return;
    if (exists && op.update_filter && !satisfies(*op.update_filter, op.id, points.at(op.id)))
      return;
    ModelPoint& point = points[op.id];
    // A source that the same request has put stays.
    const bool keeps_source = put_now.contains(op.id);
    if (!point.uri.empty() && !keeps_source) sources.erase(point.uri);
    point.vectors.clear();
    for (const NamedVector& vector : op.vectors) point.vectors[vector.name] = to_model(vector);
    point.payload = op.payload;
    point.thumbnail = op.thumbnail;
    if (!keeps_source) point.uri.clear();
  }
  void apply(const OverwritePayload& op) {
    edit(op.id, [&](Json& payload) { payload = op.payload; });
  }
  void apply(const OverwritePayloads& op) {
    for (const PointId& id : selected(op.points))
      edit(id, [&](Json& payload) { payload = op.payload; });
  }
  void apply(const DeletePoint& op) { erase(op.id); }
  void apply(const PutSource& op) {
    const SourceRecord& record = op.source;
    const auto old = sources.find(record.uri);
    if (old != sources.end() && old->second && old->second != record.id) {
      points[*old->second].uri.clear();
      put_now.erase(*old->second);
    }
    if (record.id) {
      put_now.insert(*record.id);
      ModelPoint& owner = points[*record.id];
      if (!owner.uri.empty() && owner.uri != record.uri) sources.erase(owner.uri);
      owner.uri = record.uri;
    }
    sources[record.uri] = record.id;
  }
  void apply(const DeleteSource& op) {
    const auto found = sources.find(op.uri);
    if (found == sources.end()) return;
    if (found->second) erase(*found->second);
    sources.erase(op.uri);
  }
  void apply(const SetPayload& op) {
    for (const PointId& id : selected(op.points)) {
      edit(id, [&](Json& payload) {
        Json& place = op.key.empty() ? payload : payload[op.key];
        if (!place.is_object()) place = Json::object();
        for (const auto& [key, value] : op.payload.items()) place[key] = value;
      });
    }
  }
  void apply(const DeletePayloadKeys& op) {
    for (const PointId& id : selected(op.points)) {
      edit(id, [&](Json& payload) {
        for (const std::string& key : op.keys) payload.erase(key);
      });
    }
  }
  void apply(const ClearPayload& op) {
    for (const PointId& id : selected(op.points)) edit(id, [](Json& p) { p = Json::object(); });
  }
  void apply(const DeletePoints& op) {
    for (const PointId& id : selected(op.points)) erase(id);
  }
  void apply(const UpdateVectors& op) {
    const auto found = points.find(op.id);
    if (found == points.end()) return;
    if (op.update_filter && !satisfies(*op.update_filter, op.id, found->second)) return;
    for (const NamedVector& vector : op.vectors)
      found->second.vectors[vector.name] = to_model(vector);
  }
  void apply(const DeleteVectors& op) {
    for (const PointId& id : selected(op.points)) {
      const auto found = points.find(id);
      if (found == points.end()) continue;
      for (const std::string& name : op.names) found->second.vectors.erase(name);
    }
  }

  std::map<PointId, ModelPoint> points;
  std::map<std::string, std::optional<PointId>> sources;
  std::set<PointId> put_now;             // points whose source this request has put
  std::map<PointId, ModelPoint> before;  // this request: what its filters see

 private:
  std::vector<PointId> selected(const PointSelector& selector) const {
    if (selector.filter == nullptr) return selector.ids;
    std::vector<PointId> ids;
    for (const auto& [id, point] : before)
      if (satisfies(*selector.filter, id, point)) ids.push_back(id);
    return ids;
  }
  template <typename Edit>
  void edit(const PointId& id, Edit edit_payload) {
    const auto found = points.find(id);
    if (found == points.end()) return;
    const Json facts = found->second.payload.value("_image", Json());
    edit_payload(found->second.payload);
    if (!facts.is_null() && !found->second.payload.contains("_image"))
      found->second.payload["_image"] = facts;
  }
  void erase(PointId id) {  // A copy: `id` may lie in what is erased.
    const auto found = points.find(id);
    if (found == points.end()) return;
    if (!found->second.uri.empty()) sources.erase(found->second.uri);
    put_now.erase(id);
    points.erase(found);
  }
};

/// Operations on few ids, vectors of small whole numbers (sums are exact and ties are many) and
/// payloads of few values.
class RandomOperations {
 public:
  RandomOperations(unsigned seed, std::uint64_t num_ids) : random_(seed), num_ids_(num_ids) {}

  std::uint64_t number(std::uint64_t below) { return random_() % below; }
  bool chance(std::uint64_t one_in) { return number(one_in) == 0; }

  PointId id() {
    const std::uint64_t number = random_() % num_ids_;
    if (number % 2 == 0) return PointId(number);
    Uuid uuid{};
    uuid[0] = static_cast<std::uint8_t>(number * 11);
    uuid[5] = static_cast<std::uint8_t>(number >> 5);
    return PointId(uuid);
  }

  std::vector<float> vector(std::size_t dim) {
    std::vector<float> values(dim);
    for (float& value : values) value = static_cast<float>(number(5)) - 2.0F;
    return values;
  }

  /// Indices in any order; perhaps none.
  NamedVector sparse() {
    NamedVector vector{"s", {}, VectorKind::kSparse};
    std::map<std::uint32_t, float> entries;
    for (std::uint64_t left = number(5); left > 0; --left)
      entries[static_cast<std::uint32_t>(number(8) * 500'000'000)] =
          static_cast<float>(number(5)) - 2.0F;
    for (const auto& [index, value] : entries) {
      vector.indices.push_back(index);
      vector.values.push_back(value);
    }
    if (chance(2)) {
      std::ranges::reverse(vector.indices);
      std::ranges::reverse(vector.values);
    }
    return vector;
  }

  NamedVector multi() {
    const std::size_t num_rows = 1 + number(3);
    return {"m", vector(2 * num_rows), VectorKind::kMulti, {}, num_rows};
  }

  NamedVector named() {
    switch (number(4)) {
      case 0:
        return {"", vector(4)};
      case 1:
        return {"b", vector(2)};
      case 2:
        return sparse();
      default:
        return multi();
    }
  }
  std::string vector_name() { return std::array{"", "b", "s", "m"}[number(4)]; }

  Json payload() {
    Json payload = {{"n", number(10)}, {"free", number(4)}};
    if (!chance(4)) payload["tag"] = tag();
    if (chance(3)) payload["list"] = {number(3), number(6)};
    if (chance(3)) payload["deep"] = {{"x", number(5)}};
    if (chance(2)) payload["_image"] = {{"content_hash", "sha256:" + std::to_string(number(9))}};
    return payload;
  }

  std::shared_ptr<const Filter> filter(int depth = 0) {
    auto filter = std::make_shared<Filter>();
    for (std::uint64_t left = number(3); left > 0; --left) filter->must.push_back(condition(depth));
    for (std::uint64_t left = number(2); left > 0; --left)
      filter->must_not.push_back(condition(depth));
    if (chance(3)) {
      for (int i = 0; i < 2; ++i) filter->should.push_back(condition(depth));
    }
    return filter;
  }

  PointSelector selector() {
    PointSelector points;
    if (chance(3)) {
      points.filter = filter();
      // A few at most, or soon there is nothing left.
      points.filter = narrow(*points.filter);
    } else {
      for (std::uint64_t left = 1 + number(3); left > 0; --left) points.ids.push_back(id());
    }
    return points;
  }

  UpsertPoint upsert() {
    UpsertPoint op;
    op.id = id();
    if (!chance(8)) op.vectors.push_back({"", vector(4)});
    if (chance(2)) op.vectors.push_back({"b", vector(2)});
    if (chance(2)) op.vectors.push_back(sparse());
    if (chance(2)) op.vectors.push_back(multi());
    if (chance(8)) op.update_filter = filter();
    op.payload = payload();
    if (chance(3)) op.thumbnail = "jpeg" + std::to_string(random_());
    op.mode = std::array{WriteMode::kUpsert, WriteMode::kUpsert, WriteMode::kInsertOnly,
                         WriteMode::kUpdateOnly}[number(4)];
    return op;
  }

  /// A PutSource names a point that `model` has.
  WriteOp operation(const Model& model) {
    switch (number(16)) {
      case 0:
        if (chance(2)) return OverwritePayloads{selector(), payload()};
        return OverwritePayload{id(), payload()};
      case 1:
        return DeletePoint{id()};
      case 2:
        return DeleteSource{"u" + std::to_string(number(30))};
      case 3:
      case 4: {
        SourceRecord record;
        record.uri = "u" + std::to_string(number(30));
        const PointId owner = id();
        if (!chance(3) && model.points.contains(owner)) record.id = owner;
        if (!record.id) record.skip_reason = "corrupt";
        return PutSource{record};
      }
      case 5:
        return SetPayload{selector(), {{"n", number(10)}, {"set", number(3)}}, ""};
      case 6:
        return SetPayload{selector(), {{"x", number(5)}}, "deep"};
      case 7:
        return DeletePayloadKeys{selector(), {chance(2) ? "tag" : "n", "list"}};
      case 8:
        return chance(2) ? WriteOp(ClearPayload{selector()}) : WriteOp(DeletePoints{selector()});
      case 9:
        return UpdateVectors{id(), {named()}, chance(4) ? filter() : nullptr};
      case 10:
        return DeleteVectors{selector(), {vector_name()}};
      default:
        return upsert();
    }
  }

 private:
  std::string tag() { return std::array{"red", "green", "blue", "Grau"}[number(4)]; }

  Condition field(const char* key, FieldTest test) {
    return FieldCondition{FieldPath::parse(key).value(), std::move(test)};
  }
  Condition condition(int depth) {
    const auto any = static_cast<std::int64_t>(number(10));
    switch (number(10)) {
      case 0:
        return field("tag", MatchValue{tag()});
      case 1:
        return field("tag", MatchAny{{tag(), tag()}});
      case 2:
        return field("tag", MatchExcept{{tag()}});
      case 3: {
        NumberRange range;
        range.gte = static_cast<double>(any);
        if (chance(2)) range.lt = static_cast<double>(any + 3);
        return field("n", range);
      }
      case 4:
        return field(chance(2) ? "n" : "list", MatchValue{any});
      case 5:
        return field("free", MatchValue{static_cast<std::int64_t>(number(4))});  // no index
      case 6:
        return IsEmpty{FieldPath::parse(chance(2) ? "tag" : "deep.x").value()};
      case 7:
        return HasId{{id(), id(), id()}};
      case 8:
        return HasVector{vector_name()};
      default:
        if (depth < 2) return std::shared_ptr<const Filter>(filter(depth + 1));
        return field("deep.x", MatchValue{any});
    }
  }
  std::shared_ptr<const Filter> narrow(const Filter& filter) {
    auto narrowed = std::make_shared<Filter>(filter);
    HasId few;
    for (int i = 0; i < 6; ++i) few.ids.push_back(id());
    narrowed->must.emplace_back(std::move(few));
    return narrowed;
  }

  std::mt19937_64 random_;
  const std::uint64_t num_ids_;
};

}  // namespace sightline::pipeline
