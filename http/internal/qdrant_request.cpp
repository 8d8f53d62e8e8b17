#include "http/internal/qdrant_request.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "http/errors.h"
#include "http/json_reader.h"
#include "pipeline/data_folder.h"

namespace sightline::http {
namespace {

using namespace std::string_view_literals;

Status bad_parameter(std::string_view name, std::string_view value, std::string_view rule) {
  return invalid_argument("Deserialize error in query parameters: " + std::string(name) + ": \"" +
                          std::string(value) + "\", " + std::string(rule));
}

/// An integer of 1 or more; others than numbers fail with `rule`.
Result<void> check_positive(std::string_view name, std::string_view text, std::string_view rule) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return bad_parameter(name, text, rule);
  }
  if (value > 0) return {};
  return Status{StatusCode::kValidation, "Validation error in query parameters: [" +
                                             std::string(name) +
                                             ": value 0 invalid, must be 1 or larger]"};
}

Result<void> check_parameters(const QueryString& query, bool& wait) {
  if (const auto text = query.find("wait")) {
    if (*text != "true" && *text != "false") {
      return bad_parameter("wait", *text, "expected `true` or `false`");
    }
    wait = *text == "true";
  }
  if (const auto text = query.find("ordering")) {
    constexpr std::array kWords = {"weak"sv, "medium"sv, "strong"sv};
    if (std::ranges::find(kWords, *text) == kWords.end()) {
      return bad_parameter("ordering", *text, "expected one of `weak`, `medium`, `strong`");
    }
  }
  if (const auto text = query.find("consistency")) {
    constexpr std::array kWords = {"majority"sv, "quorum"sv, "all"sv};
    if (std::ranges::find(kWords, *text) == kWords.end()) {
      SIGHTLINE_TRY_DO(check_positive("consistency", *text,
                                      "expected an integer or one of `majority`, `quorum`, `all`"));
    }
  }
  if (const auto text = query.find("timeout")) {
    SIGHTLINE_TRY_DO(check_positive("timeout", *text, "expected an integer"));
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<pipeline::CollectionStore>> open_collection(const QdrantRequest& request,
                                                                   std::string_view name) {
  if (!request.http.principal.may(Right::kRead, name)) {
    return Status{StatusCode::kPermissionDenied,
                  "the key is not for the collection `" + std::string(name) + "`"};
  }
  auto store = request.services.folder.open_collection(name);
  // What can be no name is the name of none.
  if (!store &&
      (store.error().code == StatusCode::kNotFound || !pipeline::validate_collection_name(name))) {
    return not_found("Not found: Collection `" + std::string(name) + "` doesn't exist!");
  }
  return store;
}

Result<std::shared_ptr<pipeline::CollectionStore>> QdrantRequest::open() const {
  SIGHTLINE_TRY_DO(check_collection_name());
  return open_collection(*this, collection());
}

Result<void> QdrantRequest::check_collection_name() const {
  constexpr std::size_t kMaxBytes = 255;
  const std::string& name = collection();
  const auto broken = [&name](std::string_view rule) {
    return Status{StatusCode::kValidation,
                  "Validation error in path parameters: [collection_name: value " +
                      dump_json(Json(name)) + " invalid, " + std::string(rule) + "]"};
  };
  if (name.empty() || name.size() > kMaxBytes) return broken("must be from 1 to 255 bytes");
  const auto is_no_part = [](char c) {
    return c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  };
  if (std::ranges::any_of(name, is_no_part)) {
    return broken("must have no control characters and no \"/\"");
  }
  return {};
}

Result<Json> QdrantRequest::read_body() const { return read_json(http.body); }

void add_route(RouteTable& table, const Services& services, QdrantRoute route,
               QdrantHandler handle) {
  Route added;
  added.method = route.method;
  added.pattern = std::move(route.pattern);
  added.right = route.right;
  added.body.json = added.body.required = route.has_body;
  added.lane = route.lane;
  added.errors = ErrorStyle::kQdrant;
  added.summary = std::move(route.summary);
  added.handle = [&services, handle = std::move(handle)](Request& http) -> Result<Response> {
    QdrantRequest request{http, services};
    SIGHTLINE_TRY_DO(check_parameters(http.query, request.wait));
    return handle(request);
  };
  table.add(std::move(added));
}

}  // namespace sightline::http
