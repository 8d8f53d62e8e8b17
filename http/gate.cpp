#include "http/internal/gate.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "http/errors.h"
#include "http/internal/text.h"
#include "http/percent.h"

namespace sightline::http::internal {
namespace {

constexpr std::uint64_t kMaxIgnoredBody = 64 * 1024;
constexpr std::uint64_t kMaxTimeoutSeconds = 86'400;
constexpr std::string_view kAllMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// "http://host:1/path" is taken for "/path" of that host (RFC 9112, 3.2.2).
void split_target(std::string_view target, std::string& path, std::string& query,
                  std::string& host) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::size_t slash = std::min(target.find_first_of("/?"), target.size());
    host = target.substr(0, slash);
    target.remove_prefix(slash);
    if (!target.starts_with('/')) path = "/";
    break;
  }
  const std::size_t question = std::min(target.find('?'), target.size());
  path += target.substr(0, question);
  query = target.substr(std::min(question + 1, target.size()));
  query.resize(std::min(query.find('#'), query.size()));
}

std::string allow_text(const std::vector<Method>& methods) {
  std::string text;
  for (const Method method : methods) {
    text.append(text.empty() ? "" : ", ").append(method_name(method));
    if (method == Method::kGet) text.append(", HEAD");
  }
  return text + (text.empty() ? "" : ", ") + "OPTIONS";
}

bool is_ip_literal(std::string_view host) {
  if (host.starts_with('[')) return host.ends_with(']');
  return !host.empty() &&
         std::ranges::all_of(host, [](char c) { return (c >= '0' && c <= '9') || c == '.'; }) &&
         std::ranges::count(host, '.') == 3;
}

std::string_view given_key(const Headers& headers) {
  if (const auto key = headers.find("api-key")) return trim(*key);
  if (const auto text = headers.find("authorization")) {
    if (text->size() > 7 && lower(text->substr(0, 7)) == "bearer ") return trim(text->substr(7));
  }
  return {};
}

Result<std::chrono::milliseconds> parse_timeout(std::string_view text) {
  std::uint64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  if (is_number && seconds == 0) {
    return Status{StatusCode::kValidation,
                  "Validation error in query parameters: [timeout: value 0 invalid, must be 1 or "
                  "larger]"};
  }
  if (!is_number) {
    return invalid_argument("timeout is \"" + std::string(text) +
                            "\"; it must be a number of seconds, 1 or larger");
  }
  return std::chrono::seconds(std::min(seconds, kMaxTimeoutSeconds));
}

std::string takes(const BodyRule& rule) {
  std::string text;
  const auto add = [&](std::string_view type) {
    text.append(text.empty() ? "" : " or ").append(type);
  };
  if (rule.json) add("application/json");
  if (rule.form) add("multipart/form-data");
  if (rule.file) add("that of a file");
  return text;
}

}  // namespace

ErrorStyle error_style_of(std::string_view path) {
  return path == "/v1" || path.starts_with("/v1/") ? ErrorStyle::kOpenAi : ErrorStyle::kQdrant;
}

std::string media_type(std::string_view content_type) {
  return lower(trim(content_type.substr(0, content_type.find(';'))));
}

std::string host_name(std::string_view host) {
  const std::size_t bracket = host.rfind(']');
  const std::size_t colon = host.find(':', bracket == host.npos ? 0 : bracket);
  return lower(host.substr(0, colon));
}

std::string_view cookie(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers.all()) {
    if (lower(key) != "cookie") continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(';'), rest.size());
      const std::string_view pair = trim(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (pair.starts_with(name) && pair.substr(name.size()).starts_with('=')) {
        return pair.substr(name.size() + 1);
      }
    }
  }
  return {};
}

bool Gate::answers_to(std::string_view host) const {
  // A name is what DNS rebinding needs; an address cannot be pointed elsewhere.
  const std::string name = host_name(host);
  return name == "localhost" || name.ends_with(".localhost") || is_ip_literal(name) ||
         std::ranges::any_of(options_.allowed_hosts, [&](const std::string& allowed) {
           return lower(allowed) == name || lower(allowed) == lower(host);
         });
}

bool Gate::is_allowed_origin(std::string_view origin) const {
  return std::ranges::any_of(options_.cors_origins, [&](const std::string& allowed) {
    return allowed == "*" || lower(allowed) == lower(origin);
  });
}

bool Gate::check_origin(const Request& request, Headers& cors, Refusal& refusal) const {
  const ErrorStyle style = error_style_of(request.path);
  const auto origin = request.headers.find("origin");
  if (!origin) {
    // Pictures and scripts that another site's page names come without an Origin.
    const auto site = request.headers.find("sec-fetch-site");
    const bool is_foreign = site && (*site == "cross-site" || *site == "same-site") &&
                            request.headers.find("sec-fetch-mode") != "navigate";
    if (!is_foreign || keys_.has_keys() || !options_.cors_origins.empty()) return true;
    refusal.response =
        error_response(403, "pages of other sites may not use this server", style, 0);
    return false;
  }
  if (is_allowed_origin(*origin)) {
    const bool is_any =
        std::ranges::find(options_.cors_origins, "*") != options_.cors_origins.end();
    cors.add("Access-Control-Allow-Origin", is_any ? "*" : std::string(*origin));
    if (!is_any) cors.add("Vary", "Origin");
    cors.add("Access-Control-Expose-Headers", "ETag, Retry-After, X-Request-Id");
    return true;
  }
  const std::size_t scheme = origin->find("://");
  const auto host = request.headers.find("host");
  if (host && scheme != origin->npos && lower(origin->substr(scheme + 3)) == lower(*host)) {
    return true;
  }
  refusal.response = error_response(
      403,
      "origin " + std::string(*origin) + " is not allowed: server.cors_origins lists none such",
      style, 0);
  return false;
}

std::optional<Principal> Gate::find_principal(const Request& request, const Peer& peer,
                                              ErrorStyle style, Refusal& refusal) const {
  if (keys_.has_keys()) {
    if (const std::string_view key = given_key(request.headers); !key.empty()) {
      if (auto principal = keys_.find(key)) return principal;
      refusal.response = error_response(401, "Invalid API key or JWT", style, 0);
      return std::nullopt;
    }
    if (const std::string_view token = cookie(request.headers, KeyRing::kCookieName);
        !token.empty()) {
      if (auto principal = keys_.find_session(token)) return principal;
    }
  } else if (peer.is_loopback && !request.headers.find("x-forwarded-for") &&
             !request.headers.find("forwarded") &&
             answers_to(request.headers.find("host").value_or("localhost"))) {
    return Principal{"loopback", Right::kAdmin, std::nullopt};
  }
  return anonymous();
}

Principal Gate::anonymous() const {
  return {"anonymous", keys_.anonymous_read() ? Right::kRead : Right::kNone, std::nullopt};
}

bool Gate::plan_body(const RequestHead& head, Admission& admission, Refusal& refusal) const {
  const BodyRule& rule = admission.route->body;
  const ErrorStyle style = admission.route->errors;
  const std::string& type = admission.request.content_type;
  const auto refuse = [&](int status, const std::string& message) {
    refusal.response = error_response(status, message, style, 0);
    return false;
  };

  BodyPlan& plan = admission.body;
  plan.spool_folder = options_.spool_folder;
  plan.expected_bytes = head.content_length.value_or(0);
  plan.max_bytes = kMaxIgnoredBody;
  if (!head.has_body()) {
    if (!rule.required) return true;
    return rule.json ? refuse(400, "Format error in JSON body: the body is missing")
                     : refuse(400, "the body is missing");
  }
  if (rule.any()) {
    const auto coding = admission.request.headers.find("content-encoding");
    if (coding && lower(*coding) != "identity") {
      return refuse(415, "content encoding " + std::string(*coding) + " is not taken");
    }
    const bool is_form = type == "multipart/form-data";
    if (rule.json && type == "application/json") {
      plan.kind = BodyKind::kJson;
    } else if (rule.form && is_form) {
      plan.kind = BodyKind::kForm;
      plan.content_type = admission.request.headers.find("content-type").value_or("");
    } else if (rule.file && !is_form && type != "application/json") {
      plan.kind = BodyKind::kFile;
    } else {
      return refuse(415,
                    "content type \"" + type + "\" is not taken here; it must be " + takes(rule));
    }
    const std::uint64_t standard =
        plan.kind == BodyKind::kJson ? options_.max_json_bytes : options_.max_upload_bytes;
    plan.max_bytes = rule.max_bytes > 0 ? rule.max_bytes : standard;
  }
  if (plan.expected_bytes <= plan.max_bytes) return true;
  return refuse(413, "the body has " + std::to_string(plan.expected_bytes) + " bytes; at most " +
                         std::to_string(plan.max_bytes) + " are taken");
}

Result<Admission> Gate::admit(Request request, const RequestHead& head, const Peer& peer,
                              Refusal& refusal) const {
  // Whoever returns a Status here gets it as the answer; whoever has filled `refusal`, that.
  const Status refused{StatusCode::kCancelled, ""};
  const ErrorStyle style = error_style_of(request.path);
  auto found = routes_.match(request.method, request.path);
  const Route* route = found ? found->route : nullptr;
  const bool is_free = route != nullptr && route->right == Right::kNone;
  auto principal = find_principal(request, peer, route != nullptr ? route->errors : style, refusal);
  if (!principal && !is_free) return refused;
  // What needs no key is answered whatever key is sent.
  request.principal = principal ? *std::move(principal) : anonymous();

  if (!head.method) {
    refusal.response =
        error_response(501, "method " + head.method_text + " is not known", style, 0);
    return refused;
  }
  SIGHTLINE_TRY(RouteTable::Match match, std::move(found));
  if (match.route == nullptr) {
    if (request.method == Method::kOptions) {
      refusal.response.status = 204;
    } else {
      refusal.response = error_response(
          405, "method " + head.method_text + " is not allowed for " + request.path, style, 0);
    }
    refusal.response.headers.add("Allow", allow_text(match.allowed));
    return refused;
  }
  refusal.route = match.route;
  request.params = std::move(match.params);

  const Right right = match.route->right;
  const auto collection = request.params.find("collection");
  const bool may = collection == request.params.end()
                       ? request.principal.may(right)
                       : right == Right::kNone || request.principal.may(right, collection->second);
  if (!may) {
    const bool is_known = request.principal.right != Right::kNone;
    std::string message =
        is_known ? "Forbidden: key \"" + request.principal.name + "\" does not allow this"
                 : "Must provide an API key or an Authorization bearer token";
    if (!keys_.has_keys()) {
      message =
          "this server has no keys: it answers requests of its own machine alone, by the "
          "names localhost or 127.0.0.1 (server.keys_file, server.allowed_hosts)";
    }
    refusal.response =
        error_response(is_known || !keys_.has_keys() ? 403 : 401, message, match.route->errors, 0);
    return refused;
  }

  Admission admission;
  admission.route = match.route;
  admission.request = std::move(request);
  if (match.route->lane == Lane::kQuery) admission.timeout = options_.query_timeout;
  if (const auto timeout = admission.request.query.find("timeout")) {
    SIGHTLINE_TRY(admission.timeout, parse_timeout(*timeout));
  }
  if (!plan_body(head, admission, refusal)) return refused;
  return admission;
}

Verdict Gate::judge(RequestHead head, const Peer& peer) const {
  Verdict verdict;
  Refusal refusal;
  const auto refuse = [&](Response response) {
    refusal.response = std::move(response);
    verdict.outcome = std::move(refusal);
    return std::move(verdict);
  };

  Request request;
  std::string query, host;
  split_target(head.target, request.path, query, host);
  const ErrorStyle style = error_style_of(request.path);
  request.method = head.method.value_or(Method::kGet);
  request.headers = std::move(head.headers);
  if (!host.empty()) request.headers.set("Host", host);
  request.content_type = media_type(request.headers.find("content-type").value_or(""));
  request.remote = peer.address;
  if (head.version >= 11 && !request.headers.find("host")) {
    return refuse(error_response(400, "the header names no host", style, 0));
  }
  if (!check_origin(request, verdict.cors, refusal)) {
    verdict.outcome = std::move(refusal);
    return verdict;
  }
  if (request.method == Method::kOptions && head.method &&
      request.headers.find("access-control-request-method")) {
    Response response;
    response.status = 204;
    verdict.cors.add("Access-Control-Allow-Methods", std::string(kAllMethods));
    verdict.cors.add("Access-Control-Allow-Headers",
                     std::string(request.headers.find("access-control-request-headers")
                                     .value_or("api-key, authorization, content-type")));
    verdict.cors.add("Access-Control-Max-Age", "600");
    return refuse(std::move(response));
  }
  if (head.target == "*" && request.method == Method::kOptions) {
    Response response;
    response.status = 204;
    response.headers.add("Allow", std::string(kAllMethods));
    return refuse(std::move(response));
  }
  if (!request.path.starts_with('/')) {
    return refuse(error_response(400, "a request names a path", style, 0));
  }
  auto pairs = parse_query(query);
  if (!pairs) return refuse(error_response(pairs.error(), style, 0));
  request.query = *std::move(pairs);
  request.target = std::move(head.target);

  auto admission = admit(std::move(request), head, peer, refusal);
  if (admission) {
    verdict.outcome = *std::move(admission);
  } else if (admission.error().code == StatusCode::kCancelled) {
    verdict.outcome = std::move(refusal);
  } else {
    refusal.response = error_response(admission.error(),
                                      refusal.route != nullptr ? refusal.route->errors : style, 0);
    verdict.outcome = std::move(refusal);
  }
  return verdict;
}

}  // namespace sightline::http::internal
