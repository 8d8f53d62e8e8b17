#include <string>
#include <utility>

#include "http/api_json.h"
#include "http/errors.h"
#include "http/internal/gate.h"
#include "http/json_reader.h"
#include "http/metrics.h"
#include "http/routes.h"
#include "pipeline/data_folder.h"

namespace sightline::http {
namespace {

Response text_response(std::string text) {
  Response response;
  response.content_type = "text/plain; charset=utf-8";
  response.headers.add("Cache-Control", "no-store");
  response.body = std::move(text);
  return response;
}

Response uncached_json(const Json& value) {
  Response response;
  response.headers.add("Cache-Control", "no-store");
  response.body = dump_json(value);
  return response;
}

/// Not "Secure": the server speaks plain HTTP on loopback, and a proxy may add it.
std::string session_cookie(std::string_view token, std::chrono::seconds age) {
  return std::string(KeyRing::kCookieName) + "=" + std::string(token) +
         "; Path=/; HttpOnly; SameSite=Strict; Max-Age=" + std::to_string(age.count());
}

Json describe(const Principal& principal, bool has_keys) {
  Json collections = nullptr;
  if (principal.collections) collections = *principal.collections;
  return {{"name", principal.name},
          {"right", right_name(principal.right)},
          {"collections", std::move(collections)},
          {"keys", has_keys}};
}

Result<Response> open_session(const Request& request, KeyRing& keys) {
  SIGHTLINE_TRY(const Json body, read_json(request.body));
  const auto key = body.is_object() ? body.find("key") : body.end();
  if (!body.is_object() || key == body.end() || !key->is_string()) {
    return validation_error("key", body.is_object() && key != body.end() ? *key : Json(),
                            "it must be a text");
  }
  const auto token = keys.open_session(key->get_ref<const std::string&>());
  if (!token) return error_response(401, "there is no such key", ErrorStyle::kOpenAi, 0);
  Response response = uncached_json(describe(*keys.find(key->get_ref<const std::string&>()), true));
  response.headers.add("Set-Cookie", session_cookie(*token, KeyRing::kSessionTime));
  return response;
}

/// Whether requests would find what they need.
Result<Response> readiness(const pipeline::DataFolder& folder, const Readiness& ready) {
  const auto is_ready = ready ? ready() : Result<void>();
  if (!is_ready) return error_response(503, is_ready.error().message, ErrorStyle::kQdrant, 0);
  const auto collections = folder.list_collections();
  if (!collections) {
    return error_response(503, "the data folder: " + collections.error().message,
                          ErrorStyle::kQdrant, 0);
  }
  return text_response("all shards are ready");
}

}  // namespace

void add_core_routes(RouteTable& table, const pipeline::DataFolder& folder, Metrics& metrics,
                     KeyRing& keys, Readiness ready) {
  const auto add = [&](Method method, std::string pattern, Right right, Lane lane,
                       std::string summary, Handler handle) {
    Route route;
    route.method = method;
    route.pattern = std::move(pattern);
    route.right = right;
    route.lane = lane;
    route.summary = std::move(summary);
    route.handle = std::move(handle);
    table.add(std::move(route));
  };
  const auto healthy = [](Request&) -> Result<Response> {
    return text_response("healthz check passed");
  };
  add(Method::kGet, "/healthz", Right::kNone, Lane::kInline, "Whether the server runs.", healthy);
  add(Method::kGet, "/livez", Right::kNone, Lane::kInline, "Whether the server runs.", healthy);
  add(Method::kGet, "/readyz", Right::kNone, Lane::kQuery, "Whether the server answers requests.",
      [&folder, ready = std::move(ready)](Request&) { return readiness(folder, ready); });
  add(Method::kGet, "/metrics", Right::kRead, Lane::kQuery, "Counts, as Prometheus reads them.",
      [&metrics](Request&) -> Result<Response> {
        Response response = text_response(metrics.prometheus_text());
        response.content_type = "text/plain; version=0.0.4; charset=utf-8";
        return response;
      });
  add(Method::kGet, "/metrics-summary", Right::kRead, Lane::kQuery,
      "Stages of the work with calls, mean time and share.",
      [&metrics](Request&) -> Result<Response> { return text_response(metrics.summary_text()); });

  Route login;
  login.method = Method::kPost;
  login.pattern = "/v1/session";
  login.right = Right::kNone;
  login.body = {.json = true, .required = true, .max_bytes = 16 * 1024};
  login.lane = Lane::kInline;
  login.summary = "Trades a key for a cookie.";
  login.handle = [&keys](Request& request) { return open_session(request, keys); };
  table.add(std::move(login));
  add(Method::kGet, "/v1/session", Right::kNone, Lane::kInline, "Who asks, and what it may.",
      [&keys](Request& request) -> Result<Response> {
        return uncached_json(describe(request.principal, keys.has_keys()));
      });
  add(Method::kDelete, "/v1/session", Right::kNone, Lane::kInline, "Ends the cookie's session.",
      [&keys](Request& request) -> Result<Response> {
        keys.close_session(internal::cookie(request.headers, KeyRing::kCookieName));
        Response response;
        response.status = 204;
        response.body = std::string();
        response.headers.add("Set-Cookie", session_cookie("", std::chrono::seconds(0)));
        return response;
      });
}

}  // namespace sightline::http
