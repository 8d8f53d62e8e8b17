#include "pipeline/internal/http_fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

namespace sightline::pipeline {
namespace {

struct CloseCurl {
  void operator()(CURL* curl) const { curl_easy_cleanup(curl); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::string numeric_address(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text,
              sizeof(text));
  } else if (address->sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text,
              sizeof(text));
  }
  return text;
}

/// What the callbacks of one transfer share.
struct Transfer {
  const ImageSourceOptions& options;
  const Deadline& deadline;
  std::vector<std::byte> bytes;
  std::string refused_address;
  bool too_large = false;
  std::optional<Status> unwanted;
};

curl_socket_t open_socket(void* data, curlsocktype, curl_sockaddr* address) {
  auto& transfer = *static_cast<Transfer*>(data);
  const std::string numeric = numeric_address(&address->addr);
  if (!transfer.options.may_connect || !transfer.options.may_connect(numeric)) {
    transfer.refused_address = numeric.empty() ? "not an IP address" : numeric;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::size_t take_bytes(char* data, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::size_t n = size * count;
  if (transfer.bytes.size() + n > transfer.options.max_bytes) {
    transfer.too_large = true;
    return 0;
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  transfer.bytes.insert(transfer.bytes.end(), bytes, bytes + n);
  return n;
}

int check_wanted(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(user);
  auto wanted = transfer.deadline.check("fetching a picture");
  if (wanted) return 0;
  transfer.unwanted = std::move(wanted).error();
  return 1;
}

Status failure_of(CURLcode code, CURL* curl, const Transfer& transfer, const char* detail) {
  if (transfer.unwanted) return *transfer.unwanted;
  if (transfer.too_large || code == CURLE_FILESIZE_EXCEEDED) {
    return {StatusCode::kResourceExhausted,
            "larger than " + std::to_string(transfer.options.max_bytes) + " bytes"};
  }
  if (!transfer.refused_address.empty()) {
    return {StatusCode::kPermissionDenied,
            "leads to " + transfer.refused_address + ", which is not a public address"};
  }
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return {StatusCode::kDeadlineExceeded,
              "no answer within " + std::to_string(transfer.options.http_timeout.count()) + " ms"};
    case CURLE_TOO_MANY_REDIRECTS:
      return io_error("more than " + std::to_string(transfer.options.max_redirects) + " redirects");
    case CURLE_UNSUPPORTED_PROTOCOL:
      return {StatusCode::kPermissionDenied, "leads to a scheme other than http and https"};
    case CURLE_URL_MALFORMAT:
      return invalid_argument("not a URL");
    case CURLE_HTTP_RETURNED_ERROR: {
      long status = 0;
      curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
      return io_error("the server answered " + std::to_string(status));
    }
    default:
      return io_error(*detail != '\0' ? detail : curl_easy_strerror(code));
  }
}

}  // namespace

Result<std::vector<std::byte>> fetch_http(const std::string& url, const ImageSourceOptions& options,
                                          const Deadline& deadline) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  SIGHTLINE_TRY_DO(deadline.check("fetching a picture"));
  const std::unique_ptr<CURL, CloseCurl> handle(curl_easy_init());
  if (!handle) return internal_error("libcurl cannot start");
  const std::unique_ptr<curl_slist, CloseCurl> headers(
      curl_slist_append(nullptr, "Accept: image/*,*/*;q=0.5"));
  CURL* curl = handle.get();
  Transfer transfer{options, deadline, {}, {}, false, std::nullopt};
  char detail[CURL_ERROR_SIZE] = "";
  const auto set = [&](CURLoption option, auto value) {
    return curl_easy_setopt(curl, option, value) == CURLE_OK;
  };
  const bool ready =
      set(CURLOPT_URL, url.c_str()) && set(CURLOPT_ERRORBUFFER, detail) &&
      set(CURLOPT_NOSIGNAL, 1L) && set(CURLOPT_PROTOCOLS_STR, "http,https") &&
      set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https") && set(CURLOPT_FOLLOWLOCATION, 1L) &&
      set(CURLOPT_MAXREDIRS, static_cast<long>(options.max_redirects)) &&
      // A proxy would look names up itself, and connect where we would not.
      set(CURLOPT_PROXY, "") && set(CURLOPT_NOPROXY, "*") &&
      set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED)) && set(CURLOPT_FAILONERROR, 1L) &&
      set(CURLOPT_TIMEOUT_MS, static_cast<long>(options.http_timeout.count())) &&
      set(CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(options.max_bytes)) &&
      set(CURLOPT_USERAGENT, "sightline") && set(CURLOPT_HTTPHEADER, headers.get()) &&
      set(CURLOPT_OPENSOCKETFUNCTION, open_socket) && set(CURLOPT_OPENSOCKETDATA, &transfer) &&
      set(CURLOPT_WRITEFUNCTION, take_bytes) && set(CURLOPT_WRITEDATA, &transfer) &&
      set(CURLOPT_XFERINFOFUNCTION, check_wanted) && set(CURLOPT_XFERINFODATA, &transfer) &&
      set(CURLOPT_NOPROGRESS, 0L);
  if (!ready) return internal_error("libcurl lacks an option that is needed");
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) return failure_of(code, curl, transfer, detail);
  return std::move(transfer.bytes);
}

}  // namespace sightline::pipeline
