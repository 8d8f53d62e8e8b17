#include "http/qdrant_operations.h"

#include <array>
#include <utility>

#include "http/errors.h"

namespace sightline::http {
namespace {

using namespace std::string_view_literals;
using pipeline::PayloadSelector;
using pipeline::VectorSelector;
using pipeline::WriteOp;

constexpr std::string_view kPayloadSelectors =
    "true, false, a list of keys, {include} or {exclude}";

Result<std::vector<std::string>> read_strings(const BodyNode& list) {
  std::vector<std::string> strings;
  SIGHTLINE_TRY_DO(list.for_each([&strings](const BodyNode& element, std::size_t) -> Result<void> {
    SIGHTLINE_TRY(strings.emplace_back(), element.as_string());
    return {};
  }));
  return strings;
}

Result<std::vector<FieldPath>> read_field_paths(const BodyNode& list) {
  std::vector<FieldPath> paths;
  SIGHTLINE_TRY_DO(list.for_each([&paths](const BodyNode& element, std::size_t) -> Result<void> {
    SIGHTLINE_TRY(paths.emplace_back(), read_field_path(element));
    return {};
  }));
  return paths;
}

Result<Json> read_payload(const BodyNode& body) {
  SIGHTLINE_TRY(const BodyNode payload, body.require("payload"));
  SIGHTLINE_TRY_DO(payload.check_object());
  if (const auto reserved = payload.find(kReservedKey)) return reserved->invalid(kReservedRule);
  return payload.json();
}

/// read_selector() of an operation with other members beside the selector. There Qdrant reads a
/// `filter` beside `points` before it passes over it, so it has to be one.
Result<pipeline::PointSelector> read_member_selector(const BodyNode& body, bool must_exist) {
  SIGHTLINE_TRY(auto selector, read_selector(body, must_exist));
  if (selector.filter == nullptr) {
    const auto unused = find_filter(body);
    if (!unused && unused.error().code != StatusCode::kUnimplemented) return unused.error();
  }
  return selector;
}

Result<WriteOp> read_set_payload(const BodyNode& body, bool overwrite) {
  SIGHTLINE_TRY(Json payload, read_payload(body));
  SIGHTLINE_TRY(auto points, read_member_selector(body, true));
  std::string key;
  if (const auto member = body.find("key")) {
    SIGHTLINE_TRY(const FieldPath path, read_field_path(*member));
    key = path.text();
    const std::string_view first = std::string_view(key).substr(0, key.find_first_of(".["));
    if (first == kReservedKey) return member->invalid(kReservedRule);
  }
  // Overwriting at a key is setting there, as in Qdrant.
  if (overwrite && key.empty()) {
    return WriteOp(pipeline::OverwritePayloads{std::move(points), std::move(payload)});
  }
  return WriteOp(pipeline::SetPayload{std::move(points), std::move(payload), std::move(key)});
}

Result<WriteOp> read_delete_payload(const BodyNode& body) {
  SIGHTLINE_TRY(const BodyNode keys, body.require("keys"));
  SIGHTLINE_TRY_DO(read_field_paths(keys));
  pipeline::DeletePayloadKeys op;
  SIGHTLINE_TRY(op.keys, read_strings(keys));
  SIGHTLINE_TRY(op.points, read_member_selector(body, true));
  return WriteOp(std::move(op));
}

Result<WriteOp> read_delete_vectors(const BodyNode& body) {
  const auto other_name = body.find("vectors");  // which Qdrant takes too
  SIGHTLINE_TRY(const BodyNode names, other_name ? *other_name : body.require("vector"));
  pipeline::DeleteVectors op;
  SIGHTLINE_TRY(op.names, read_strings(names));
  if (op.names.empty()) return names.invalid("must have at least 1 items");
  SIGHTLINE_TRY(op.points, read_member_selector(body, false));
  return WriteOp(std::move(op));
}

}  // namespace

Result<std::shared_ptr<const Filter>> read_filter(const BodyNode& filter) {
  auto parsed = parse_filter(filter.json());
  if (parsed) return std::make_shared<const Filter>(*std::move(parsed));
  if (parsed.error().code == StatusCode::kUnimplemented) return parsed.error();
  if (parsed.error().code == StatusCode::kValidation) return filter.broken(parsed.error().message);
  return filter.malformed(parsed.error().message);
}

Result<std::shared_ptr<const Filter>> find_filter(const BodyNode& body) {
  const auto filter = body.find("filter");
  if (!filter) return std::shared_ptr<const Filter>();
  return read_filter(*filter);
}

Result<PointId> read_point_id(const BodyNode& id) {
  if (!id.json().is_string() && !id.json().is_number_integer()) {
    return id.wrong_type("a point id: an unsigned integer or a UUID");
  }
  auto parsed = PointId::from_json(id.json());
  if (!parsed || (id.json().is_string() && parsed->is_number())) {
    return id.malformed("value " + dump_json(id.json()) +
                        " is not a valid point ID, valid values are either an unsigned integer or "
                        "a UUID");
  }
  return parsed;
}

Result<std::vector<PointId>> read_point_ids(const BodyNode& list) {
  std::vector<PointId> ids;
  SIGHTLINE_TRY_DO(list.for_each([&ids](const BodyNode& element, std::size_t) -> Result<void> {
    SIGHTLINE_TRY(ids.emplace_back(), read_point_id(element));
    return {};
  }));
  return ids;
}

Result<FieldPath> read_field_path(const BodyNode& path) {
  SIGHTLINE_TRY(const std::string text, path.as_string());
  auto parsed = FieldPath::parse(text);
  if (!parsed) return path.malformed(parsed.error().message);
  return parsed;
}

Result<PayloadSelector> read_with_payload(const std::optional<BodyNode>& member, bool absent) {
  PayloadSelector selector;
  selector.kind = absent ? PayloadSelector::Kind::kAll : PayloadSelector::Kind::kNone;
  if (!member) return selector;
  if (member->json().is_boolean()) {
    selector.kind =
        member->json().get<bool>() ? PayloadSelector::Kind::kAll : PayloadSelector::Kind::kNone;
    return selector;
  }
  if (member->json().is_array()) {
    selector.kind = PayloadSelector::Kind::kInclude;
    SIGHTLINE_TRY(selector.paths, read_field_paths(*member));
    return selector;
  }
  if (!member->json().is_object()) return member->wrong_type(kPayloadSelectors);
  for (const auto& [key, value] : member->json().items()) {
    if (key == "include" || key == "exclude") continue;
    return member->malformed("unknown field `" + key + "`, expected `include` or `exclude`");
  }
  if (member->find("include") && member->find("exclude")) {
    return member->malformed("has both `include` and `exclude`");
  }
  for (const auto& [key, kind] : {std::pair("include"sv, PayloadSelector::Kind::kInclude),
                                  std::pair("exclude"sv, PayloadSelector::Kind::kExclude)}) {
    if (const auto list = member->find(key)) {
      selector.kind = kind;
      SIGHTLINE_TRY(selector.paths, read_field_paths(*list));
      return selector;
    }
  }
  return member->wrong_type(kPayloadSelectors);
}

Result<VectorSelector> read_with_vector(const BodyNode& body) {
  VectorSelector selector;
  auto member = body.find("with_vector");
  if (!member) member = body.find("with_vectors");
  if (!member) return selector;
  if (member->json().is_boolean()) {
    if (member->json().get<bool>()) selector.kind = VectorSelector::Kind::kAll;
    return selector;
  }
  if (!member->json().is_array()) return member->wrong_type("true, false or a list of names");
  selector.kind = VectorSelector::Kind::kNames;
  SIGHTLINE_TRY(selector.names, read_strings(*member));
  return selector;
}

Result<OrderBy> read_order_by(const BodyNode& order_by) {
  OrderBy order;
  if (order_by.json().is_string()) {
    SIGHTLINE_TRY(order.key, read_field_path(order_by));
    return order;
  }
  SIGHTLINE_TRY(const BodyNode key, order_by.require("key"));
  SIGHTLINE_TRY(order.key, read_field_path(key));
  if (const auto direction = order_by.find("direction")) {
    constexpr std::array kWords = {"asc"sv, "desc"sv};
    SIGHTLINE_TRY(const std::size_t word, direction->as_word(kWords));
    order.descending = word == 1;
  }
  if (const auto start = order_by.find("start_from")) {
    const bool is_huge =
        start->json().is_number_unsigned() && start->json().get<std::uint64_t>() >> 63 != 0;
    if (start->json().is_number_integer() && !is_huge) {
      order.start_from = IndexedValue(start->json().get<std::int64_t>());
    } else if (start->json().is_number()) {
      order.start_from = IndexedValue(start->json().get<double>());
    } else if (start->json().is_string() &&
               parse_datetime(start->json().get_ref<const std::string&>())) {
      order.start_from = IndexedValue(start->json().get<std::string>());
    } else {
      return start->wrong_type("a number or a date");
    }
  }
  return order;
}

Result<void> refuse_shard_key(const BodyNode& body) {
  if (body.find("shard_key")) return left_out("`shard_key` (custom sharding)");
  return {};
}

Result<pipeline::PointSelector> read_selector(const BodyNode& body, bool must_exist) {
  SIGHTLINE_TRY_DO(refuse_shard_key(body));
  pipeline::PointSelector selector;
  SIGHTLINE_TRY_DO(body.check_object());
  if (const auto points = body.find("points")) {
    SIGHTLINE_TRY(selector.ids, read_point_ids(*points));
    selector.must_exist = must_exist;
    return selector;  // ids win over a filter, as in Qdrant
  }
  SIGHTLINE_TRY(selector.filter, find_filter(body));
  if (selector.filter == nullptr) return body.malformed("missing field `points` or `filter`");
  return selector;
}

Result<WriteOp> read_write_op(std::string_view name, const BodyNode& body) {
  SIGHTLINE_TRY_DO(body.check_object());
  if (name == "set_payload") return read_set_payload(body, false);
  if (name == "overwrite_payload") return read_set_payload(body, true);
  if (name == "delete_payload") return read_delete_payload(body);
  if (name == "delete_vectors") return read_delete_vectors(body);
  if (name == "delete") {
    SIGHTLINE_TRY(auto points, read_selector(body, false));
    return WriteOp(pipeline::DeletePoints{std::move(points)});
  }
  if (name == "clear_payload") {
    SIGHTLINE_TRY(auto points, read_selector(body, true));
    return WriteOp(pipeline::ClearPayload{std::move(points)});
  }
  return body.malformed("unknown variant `" + std::string(name) +
                        "`, expected one of `upsert`, `delete`, `set_payload`, "
                        "`overwrite_payload`, `delete_payload`, `clear_payload`, "
                        "`update_vectors`, `delete_vectors`");
}

}  // namespace sightline::http
