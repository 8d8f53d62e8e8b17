#include "http/errors.h"

#include <utility>

namespace sightline::http {
namespace {

constexpr std::string_view kRetryAfterSeconds = "1";
constexpr std::string_view kOfJsonBody = " error in JSON body: ";

/// What Qdrant puts before messages of the kind.
std::string_view qdrant_prefix(int status) {
  switch (status) {
    case 400:
      return "Wrong input: ";
    case 404:
      return "Not found: ";
    default:
      return "";
  }
}

std::string_view openai_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

std::string_view openai_code(int status) {
  switch (status) {
    case 401:
      return "invalid_api_key";
    case 403:
      return "permission_denied";
    case 404:
      return "not_found";
    case 405:
      return "method_not_allowed";
    case 408:
      return "timeout";
    case 409:
      return "conflict";
    case 413:
      return "too_large";
    case 415:
      return "unsupported_media_type";
    case 422:
      return "validation_failed";
    case 429:
      return "overloaded";
    case 431:
      return "header_too_large";
    case 501:
      return "not_implemented";
    case 503:
      return "unavailable";
    case 507:
      return "insufficient_storage";
    default:
      return status >= 500 ? "internal_error" : "invalid_request";
  }
}

bool has_known_prefix(std::string_view message) {
  return message.starts_with("Format error in ") || message.starts_with("Deserialize error in ") ||
         message.starts_with("Wrong input: ") || message.starts_with("Bad request: ") ||
         message.starts_with("Not found: ");
}

/// "[limit: value ..." -> limit
Json param_of(std::string_view message) {
  const auto open = message.find('[');
  const auto colon = message.find(": value ", open == message.npos ? 0 : open);
  if (open == message.npos || colon == message.npos) return nullptr;
  return message.substr(open + 1, colon - open - 1);
}

}  // namespace

int http_status(StatusCode code) {
  switch (code) {
    case StatusCode::kInvalidArgument:
    case StatusCode::kCorruption:  // of what the client sent; stored data fails as kIoError
      return 400;
    case StatusCode::kValidation:
      return 422;
    case StatusCode::kNotFound:
      return 404;
    case StatusCode::kAlreadyExists:
    case StatusCode::kFailedPrecondition:
      return 409;
    case StatusCode::kPermissionDenied:
      return 403;
    case StatusCode::kResourceExhausted:
      return 507;
    case StatusCode::kOverloaded:
      return 429;
    case StatusCode::kDeadlineExceeded:
      return 408;
    case StatusCode::kCancelled:
      return 503;
    case StatusCode::kIoError:
    case StatusCode::kInternal:
      return 500;
    case StatusCode::kUnimplemented:
      return 501;
  }
  return 500;
}

Status format_error(std::string_view detail) {
  return invalid_argument("Format" + std::string(kOfJsonBody) + std::string(detail));
}

Status validation_error(std::string_view path, const Json& value, std::string_view rule) {
  return {StatusCode::kValidation, "Validation" + std::string(kOfJsonBody) + "[" +
                                       std::string(path) + ": value " + dump_json(value) +
                                       " invalid, " + std::string(rule) + "]"};
}

Status said_of(RequestPlace place, Status status) {
  const auto at = status.message.find(kOfJsonBody);
  const std::string_view kind = std::string_view(status.message).substr(0, at);
  if (kind != "Format" && kind != "Validation") return status;
  switch (place) {
    case RequestPlace::kJsonBody:
      break;
    case RequestPlace::kQueryParameters:
      status.message.replace(at, kOfJsonBody.size(), " error in query parameters: ");
      break;
    case RequestPlace::kForm:
      status.message.replace(at, kOfJsonBody.size(), " error in form: ");
      break;
  }
  return status;
}

Status left_out(std::string_view feature) {
  return {StatusCode::kUnimplemented, "sightline does not offer " + std::string(feature)};
}

Response error_response(const Status& status, ErrorStyle style, double seconds) {
  return error_response(http_status(status.code), status.message, style, seconds);
}

Response error_response(int http_status, std::string_view message, ErrorStyle style,
                        double seconds) {
  Response response;
  response.status = http_status;
  if (style == ErrorStyle::kQdrant) {
    std::string text(message);
    if (!has_known_prefix(message)) text.insert(0, qdrant_prefix(http_status));
    response.body = dump_json(Json{{"status", {{"error", std::move(text)}}}, {"time", seconds}});
  } else {
    response.body = dump_json(Json{{"error",
                                    {{"message", message},
                                     {"type", openai_type(http_status)},
                                     {"param", param_of(message)},
                                     {"code", openai_code(http_status)}}}});
  }
  if (http_status == 401) response.headers.add("WWW-Authenticate", "Bearer");
  if (http_status == 501) response.headers.add("x-should-retry", "false");
  if (http_status == 429) response.headers.add("Retry-After", std::string(kRetryAfterSeconds));
  return response;
}

}  // namespace sightline::http
