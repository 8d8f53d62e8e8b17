#include <algorithm>
#include <limits>
#include <unordered_set>
#include <utility>

#include "http/errors.h"
#include "http/internal/qdrant_request.h"
#include "http/internal/vector_rules.h"
#include "http/qdrant_answer.h"
#include "http/qdrant_operations.h"
#include "http/qdrant_routes.h"

namespace sightline::http {
namespace {

using pipeline::OrderValue;
using pipeline::PayloadSelector;
using pipeline::StoredPoint;
using pipeline::VectorSelector;

/// The member `limit`, 1 or more; more than there can be points are all of them.
Result<std::size_t> read_limit(const BodyNode& body) {
  constexpr std::uint64_t kMostPoints = std::numeric_limits<std::uint32_t>::max();
  const auto member = body.find("limit");
  if (!member) return 10;
  SIGHTLINE_TRY(const std::uint64_t limit, member->as_uint(1));
  return std::min(limit, kMostPoints);
}

/// The vectors that the body asks for, which the collection has.
Result<VectorSelector> read_selected_vectors(const BodyNode& body,
                                             const pipeline::CollectionStore& store) {
  SIGHTLINE_TRY(auto vectors, read_with_vector(body));
  if (vectors.names.empty()) return vectors;
  SIGHTLINE_TRY(const auto config, store.config());
  SIGHTLINE_TRY_DO(check_selected(*config, vectors));
  return vectors;
}

Result<Response> get_point(const QdrantRequest& request) {
  SIGHTLINE_TRY(const auto store, request.open());
  const std::string& text = request.http.param("id");
  const auto id = PointId::parse(text);
  if (!id) return invalid_argument("Wrong input: Can not recognize \"" + text + "\" as point id");
  SIGHTLINE_TRY(const auto points, store->get({&*id, 1}, {true, true}));
  if (!points.front()) {
    return not_found("Not found: Point with id " + text + " does not exists!");
  }
  AnswerWriter writer;
  writer.record(*points.front(), {PayloadSelector::Kind::kAll, {}},
                {VectorSelector::Kind::kAll, {}});
  return std::move(writer).finish(request.started);
}

Result<Response> get_points(const QdrantRequest& request) {
  SIGHTLINE_TRY(const auto store, request.open());
  SIGHTLINE_TRY(const Json json, request.read_body());
  const BodyNode body(json);
  SIGHTLINE_TRY_DO(refuse_shard_key(body));
  SIGHTLINE_TRY(const BodyNode list, body.require("ids"));
  SIGHTLINE_TRY(auto ids, read_point_ids(list));
  std::unordered_set<PointId> seen;  // an id that comes again is answered once
  std::erase_if(ids, [&seen](PointId id) { return !seen.insert(id).second; });
  SIGHTLINE_TRY(const auto payload, read_with_payload(body.find("with_payload"), true));
  SIGHTLINE_TRY(const auto vectors, read_selected_vectors(body, *store));
  SIGHTLINE_TRY(auto points, store->get(ids, get_options(payload, vectors)));
  std::erase_if(points, [](const auto& point) { return !point; });
  AnswerWriter writer;
  writer.list(points, [&](const auto& point) { writer.record(*point, payload, vectors); });
  return std::move(writer).finish(request.started);
}

/// Points in order of a payload field.
Result<Response> scroll_ordered(const QdrantRequest& request, const BodyNode& body,
                                const pipeline::CollectionStore& store,
                                const PayloadSelector& payload, const VectorSelector& vectors) {
  if (body.find("offset")) {
    return invalid_argument(
        "Wrong input: Cannot use an `offset` when using `order_by`. The alternative for paging is "
        "to use `order_by.start_from` and a filter to exclude the IDs that you've already seen "
        "for the `order_by.start_from` value");
  }
  SIGHTLINE_TRY(const OrderBy order, read_order_by(*body.find("order_by")));
  pipeline::OrderedScroll scroll;
  scroll.key = order.key.text();
  scroll.descending = order.descending;
  if (order.start_from) {
    if (const auto* text = std::get_if<std::string>(&*order.start_from)) {
      scroll.start_from = OrderValue(*parse_datetime(*text));
    } else if (const auto* integer = std::get_if<std::int64_t>(&*order.start_from)) {
      scroll.start_from = OrderValue(*integer);
    } else {
      scroll.start_from = OrderValue(std::get<double>(*order.start_from));
    }
  }
  SIGHTLINE_TRY(scroll.limit, read_limit(body));
  scroll.options = get_options(payload, vectors);
  SIGHTLINE_TRY(scroll.filter, find_filter(body));
  SIGHTLINE_TRY(const auto points, store.scroll_ordered(scroll, request.http.deadline));
  AnswerWriter writer;
  writer.raw(R"({"points":)").list(points, [&](const pipeline::OrderedPoint& point) {
    writer.record(point.point, payload, vectors, &point.value);
  });
  writer.raw(R"(,"next_page_offset":null})");
  return std::move(writer).finish(request.started);
}

Result<Response> scroll_points(const QdrantRequest& request) {
  SIGHTLINE_TRY(const auto store, request.open());
  SIGHTLINE_TRY(const Json json, request.read_body());
  const BodyNode body(json);
  SIGHTLINE_TRY_DO(body.check_object());
  SIGHTLINE_TRY_DO(refuse_shard_key(body));
  SIGHTLINE_TRY(const auto payload, read_with_payload(body.find("with_payload"), true));
  SIGHTLINE_TRY(const auto vectors, read_selected_vectors(body, *store));
  if (body.find("order_by")) return scroll_ordered(request, body, *store, payload, vectors);

  SIGHTLINE_TRY(const std::size_t limit, read_limit(body));
  std::optional<PointId> from;
  if (const auto offset = body.find("offset")) {
    SIGHTLINE_TRY(from, read_point_id(*offset));
  }
  SIGHTLINE_TRY(auto filter, find_filter(body));
  // One more than asked for tells where the next page begins.
  SIGHTLINE_TRY(auto points,
                store->scroll(from, limit + 1, get_options(payload, vectors), std::move(filter)));
  std::optional<PointId> next;
  if (points.size() > limit) {
    next = points.back().id;
    points.pop_back();
  }
  AnswerWriter writer;
  writer.raw(R"({"points":)").list(points, [&](const StoredPoint& point) {
    writer.record(point, payload, vectors);
  });
  writer.raw(R"(,"next_page_offset":)");
  if (next) {
    writer.id(*next);
  } else {
    writer.raw("null");
  }
  writer.raw("}");
  return std::move(writer).finish(request.started);
}

Result<Response> count_points(const QdrantRequest& request) {
  SIGHTLINE_TRY(const auto store, request.open());
  SIGHTLINE_TRY(const Json json, request.read_body());
  const BodyNode body(json);
  SIGHTLINE_TRY_DO(body.check_object());
  SIGHTLINE_TRY_DO(refuse_shard_key(body));
  if (const auto exact = body.find("exact")) SIGHTLINE_TRY_DO(exact->as_bool());
  SIGHTLINE_TRY(auto filter, find_filter(body));
  SIGHTLINE_TRY(const std::uint64_t count, store->count(std::move(filter)));
  return qdrant_answer({{"count", count}}, request.started);
}

Result<Response> facet_points(const QdrantRequest& request) {
  SIGHTLINE_TRY(const auto store, request.open());
  SIGHTLINE_TRY(const Json json, request.read_body());
  const BodyNode body(json);
  SIGHTLINE_TRY_DO(refuse_shard_key(body));
  SIGHTLINE_TRY(const BodyNode key, body.require("key"));
  SIGHTLINE_TRY(const FieldPath path, read_field_path(key));
  if (const auto exact = body.find("exact")) SIGHTLINE_TRY_DO(exact->as_bool());
  pipeline::FacetRequest facet;
  facet.key = path.text();
  SIGHTLINE_TRY(facet.limit, read_limit(body));
  SIGHTLINE_TRY(facet.filter, find_filter(body));
  SIGHTLINE_TRY(const auto hits, store->facet(facet, request.http.deadline));
  Json list = Json::array();
  for (const pipeline::FacetHit& hit : hits) {
    Json value;
    std::visit([&value](const auto& one) { value = one; }, hit.value);
    list.push_back({{"value", std::move(value)}, {"count", hit.count}});
  }
  return qdrant_answer({{"hits", std::move(list)}}, request.started);
}

}  // namespace

void add_qdrant_read_routes(RouteTable& table, const Services& services) {
  const auto add = [&](Method method, std::string pattern, std::string summary,
                       QdrantHandler handle) {
    add_route(table, services,
              {method, "/collections/{collection}" + pattern, Right::kRead, Lane::kQuery,
               std::move(summary), method == Method::kPost},
              std::move(handle));
  };
  add(Method::kGet, "/points/{id}", "One point.", get_point);
  add(Method::kPost, "/points", "Points by their ids.", get_points);
  add(Method::kPost, "/points/scroll", "Points page by page.", scroll_points);
  add(Method::kPost, "/points/count", "Counts points.", count_points);
  add(Method::kPost, "/facet", "Counts the values of a payload field.", facet_points);
}

}  // namespace sightline::http
