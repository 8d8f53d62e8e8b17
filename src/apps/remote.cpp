#include "apps/remote.h"

#include <curl/curl.h>

#include <cstdlib>
#include <mutex>
#include <utility>

#include "apps/command.h"

namespace sightline::apps {
namespace {

constexpr long kConnectSeconds = 10;
/// A server that says nothing for so long is gone; the longest search is called off before.
constexpr long kSilentSeconds = 300;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::size_t append_to(char* bytes, std::size_t size, std::size_t count, void* target) {
  static_cast<std::string*>(target)->append(bytes, size * count);
  return size * count;
}

StatusCode code_of(long status) {
  switch (status) {
    case 401:
    case 403:
      return StatusCode::kPermissionDenied;
    case 404:
      return StatusCode::kNotFound;
    case 408:
      return StatusCode::kDeadlineExceeded;
    case 409:
      return StatusCode::kFailedPrecondition;
    case 429:
      return StatusCode::kOverloaded;
    case 501:
      return StatusCode::kUnimplemented;
    default:
      return status >= 500 ? StatusCode::kInternal : StatusCode::kInvalidArgument;
  }
}

/// What a failed answer says, whichever of the two error shapes it has.
std::string message_of(const std::string& body, long status) {
  if (const auto json = parse_json(body, "answer"); json && json->is_object()) {
    const Json error = json->value("error", Json());
    if (error.is_object() && error.contains("message") && error["message"].is_string()) {
      return error["message"].get<std::string>();
    }
    const Json state = json->value("status", Json());
    if (state.is_object() && state.contains("error") && state["error"].is_string()) {
      return state["error"].get<std::string>();
    }
  }
  return "HTTP status " + std::to_string(status);
}

bool is_loopback(std::string_view url) {
  const auto host = url.substr(url.find("://") + 3);
  return host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]");
}

}  // namespace

/// A curl handle, which keeps its connection open between calls.
class RemoteServer::Connection {
 public:
  Connection(CURL* handle, const std::string& key) : handle_(handle) {
    if (key.empty()) return;
    headers_ = curl_slist_append(headers_, ("api-key: " + key).c_str());
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    curl_slist_free_all(headers_);
    curl_easy_cleanup(handle_);
  }

  /// `body`: JSON, or null; with `files` it is the part "request" of a form.
  Result<std::string> call(const char* method, const std::string& url, const std::string* body,
                           const std::vector<FilePart>* files) {
    curl_easy_reset(handle_);
    std::string answer;
    curl_easy_setopt(handle_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle_, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl_easy_setopt(handle_, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle_, CURLOPT_LOW_SPEED_TIME, kSilentSeconds);
    curl_easy_setopt(handle_, CURLOPT_WRITEFUNCTION, append_to);
    curl_easy_setopt(handle_, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(handle_, CURLOPT_CUSTOMREQUEST, method);
    if (is_loopback(url)) curl_easy_setopt(handle_, CURLOPT_PROXY, "");

    curl_slist* headers = nullptr;
    for (const curl_slist* header = headers_; header != nullptr; header = header->next) {
      headers = curl_slist_append(headers, header->data);
    }
    if (body != nullptr && files == nullptr) {
      headers = curl_slist_append(headers, "Content-Type: application/json");
      curl_easy_setopt(handle_, CURLOPT_POSTFIELDS, body->data());
      curl_easy_setopt(handle_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body->size()));
    }
    curl_mime* mime = files != nullptr ? make_form(*body, *files) : nullptr;
    if (mime != nullptr) curl_easy_setopt(handle_, CURLOPT_MIMEPOST, mime);
    curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, headers);
    const CURLcode done = curl_easy_perform(handle_);
    curl_mime_free(mime);
    curl_slist_free_all(headers);
    if (done != CURLE_OK) return io_error(curl_easy_strerror(done));
    long status = 0;
    curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status > 299) return Status{code_of(status), message_of(answer, status)};
    return answer;
  }

 private:
  curl_mime* make_form(const std::string& body, const std::vector<FilePart>& files) {
    curl_mime* mime = curl_mime_init(handle_);
    curl_mimepart* request = curl_mime_addpart(mime);
    curl_mime_name(request, "request");
    curl_mime_data(request, body.data(), body.size());
    for (const FilePart& file : files) {
      curl_mimepart* part = curl_mime_addpart(mime);
      curl_mime_name(part, file.name.c_str());
      curl_mime_filedata(part, file.file.c_str());
      curl_mime_type(part, "application/octet-stream");
    }
    return mime;
  }

  CURL* handle_;
  curl_slist* headers_ = nullptr;
};

RemoteServer::RemoteServer(std::string url, std::unique_ptr<Connection> connection)
    : url_(std::move(url)), connection_(std::move(connection)) {}
RemoteServer::RemoteServer(RemoteServer&&) noexcept = default;
RemoteServer& RemoteServer::operator=(RemoteServer&&) noexcept = default;
RemoteServer::~RemoteServer() = default;

Result<std::optional<RemoteServer>> RemoteServer::chosen(const RemoteFlags& flags) {
  std::string url = flags.server.empty() ? variable("SIGHTLINE_SERVER") : flags.server;
  const std::string key = flags.key.empty() ? variable("SIGHTLINE_KEY") : flags.key;
  if (url.empty()) {
    if (!flags.key.empty()) return invalid_argument("--key goes with --server");
    return std::optional<RemoteServer>();
  }
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return invalid_argument("the server is \"" + url +
                            "\"; it must be a URL like http://127.0.0.1:6333");
  }
  if (key.find_first_of("\r\n") != key.npos) {
    return invalid_argument("the key must be one line");
  }
  while (url.ends_with('/')) url.pop_back();
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  CURL* handle = curl_easy_init();
  if (handle == nullptr) return internal_error("libcurl gives no handle");
  return std::optional(RemoteServer(std::move(url), std::make_unique<Connection>(handle, key)));
}

Result<std::string> RemoteServer::call(const char* method, std::string_view path,
                                       const std::string* body,
                                       const std::vector<FilePart>* files) {
  const std::string url = url_ + std::string(path);
  auto answer = connection_->call(method, url, body, files);
  if (!answer) return std::move(answer).error().with_context(url_);
  return answer;
}

Result<Json> RemoteServer::call_json(const char* method, std::string_view path, const Json* body,
                                     const std::vector<FilePart>* files) {
  const std::string text = body == nullptr ? "" : dump_json(*body);
  SIGHTLINE_TRY(const std::string answer,
                call(method, path, body == nullptr ? nullptr : &text, files));
  return parse_json(answer, url_ + std::string(path));
}

Result<Json> RemoteServer::get(std::string_view path) {
  return call_json("GET", path, nullptr, nullptr);
}

Result<std::string> RemoteServer::download(std::string_view path) {
  return call("GET", path, nullptr, nullptr);
}

Result<Json> RemoteServer::post(std::string_view path, const Json& body) {
  return call_json("POST", path, &body, nullptr);
}

Result<Json> RemoteServer::remove(std::string_view path) {
  return call_json("DELETE", path, nullptr, nullptr);
}

Result<Json> RemoteServer::post_form(std::string_view path, const Json& request,
                                     const std::vector<FilePart>& files) {
  return call_json("POST", path, &request, &files);
}

void add_remote_flags(CLI::App& command, RemoteFlags& flags) {
  add_text(command, "--server", flags.server,
           "Do it on this server (sightline serve); also $SIGHTLINE_SERVER.")
      ->type_name("URL");
  add_text(command, "--key", flags.key, "Key for the server; also $SIGHTLINE_KEY.")
      ->type_name("KEY");
}

std::string encode_segment(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') ||
                          std::string_view("-._~").find(c) != std::string_view::npos;
    if (is_plain) {
      encoded += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return encoded;
}

}  // namespace sightline::apps
