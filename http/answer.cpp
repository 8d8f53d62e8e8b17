#include "http/internal/answer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <ctime>
#include <optional>
#include <utility>

#include "http/errors.h"
#include "http/internal/text.h"

namespace sightline::http::internal {
namespace {

constexpr std::uint64_t kNoLength = UINT64_MAX;

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Range Not Satisfiable";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 507:
      return "Insufficient Storage";
    default:
      return "Status";
  }
}

/// Values of headers come from payloads and clients now and then: a line end would start another.
std::string one_line(std::string_view text) {
  std::string out(text);
  std::erase_if(out, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
  return out;
}

/// Weak comparison, as If-None-Match asks for.
bool names_etag(std::string_view list, std::string_view etag) {
  const auto strong = [](std::string_view tag) {
    return tag.starts_with("W/") ? tag.substr(2) : tag;
  };
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(','), list.size());
    const std::string_view item = trim(list.substr(0, end));
    if (item == "*" || strong(item) == strong(etag)) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

struct ByteRange {
  std::uint64_t first = 0, last = 0;  // inclusive
};

/// Numbers of any length: files have fewer bytes than 64 bits can count.
std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range && end == text.data() + text.size()) {
    return UINT64_MAX;
  }
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

enum class RangeKind { kWhole, kPart, kImpossible };

/// "bytes=0-99", "bytes=100-", "bytes=-5"; several ranges get the whole file, as is allowed.
RangeKind parse_range(std::string_view text, std::uint64_t size, ByteRange& range) {
  constexpr std::string_view kUnit = "bytes=";
  const std::size_t dash = text.find('-');
  if (lower(text.substr(0, kUnit.size())) != kUnit || dash == text.npos ||
      text.find(',') != text.npos) {
    return RangeKind::kWhole;
  }
  const std::string_view from = trim(text.substr(kUnit.size(), dash - kUnit.size()));
  const std::string_view to = trim(text.substr(dash + 1));
  const auto first = parse_number(from), last = parse_number(to);
  if ((!from.empty() && !first) || (!to.empty() && !last) || (from.empty() && to.empty())) {
    return RangeKind::kWhole;
  }
  if (from.empty()) {
    if (*last == 0 || size == 0) return RangeKind::kImpossible;
    range = {size - std::min(*last, size), size - 1};
    return RangeKind::kPart;
  }
  if (last && *last < *first) return RangeKind::kWhole;
  if (*first >= size) return RangeKind::kImpossible;
  range = {*first, std::min(last.value_or(size - 1), size - 1)};
  return RangeKind::kPart;
}

const std::string& date_now() {
  thread_local std::time_t at = 0;
  thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != at) {
    at = now;
    text = http_date(now);
  }
  return text;
}

/// Puts the head together from what has been decided.
class HeadWriter {
 public:
  HeadWriter(const Response& response, const AnswerContext& context)
      : response_(response), context_(context) {}

  std::string write(const Answer& answer, std::uint64_t length) const {
    std::string head;
    head.reserve(256);
    head.append(context_.version == 10 ? "HTTP/1.0 " : "HTTP/1.1 ")
        .append(std::to_string(answer.status))
        .append(" ")
        .append(reason(answer.status))
        .append("\r\n");
    const auto add = [&](std::string_view name, std::string_view value) {
      head.append(name).append(": ").append(value).append("\r\n");
    };
    add("Date", date_now());
    const bool has_content = answer.status != 204 && answer.status != 304;
    if (has_content && !response_.content_type.empty()) {
      add("Content-Type", one_line(response_.content_type));
    }
    if (length != kNoLength && answer.status != 204) add("Content-Length", std::to_string(length));
    if (answer.chunked) add("Transfer-Encoding", "chunked");
    for (const auto& [name, value] : response_.headers.all()) add(one_line(name), one_line(value));
    if (context_.more != nullptr) {
      for (const auto& [name, value] : context_.more->all()) add(name, one_line(value));
    }
    if (!response_.etag.empty()) add("ETag", one_line(response_.etag));
    if (!response_.headers.find("x-content-type-options")) add("X-Content-Type-Options", "nosniff");
    if (!context_.id.empty()) add("X-Request-Id", context_.id);
    if (!answer.keep_alive) {
      add("Connection", "close");
    } else if (context_.version == 10) {
      add("Connection", "keep-alive");
    }
    return head + "\r\n";
  }

 private:
  const Response& response_;
  const AnswerContext& context_;
};

/// "Mon, 30 Nov 2026 12:00:00 GMT"; the older forms count as none.
std::optional<std::int64_t> parse_http_date(std::string_view text) {
  std::tm utc{};
  const std::string date(text);
  const char* end = ::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  if (end == nullptr || *end != '\0') return std::nullopt;
  return ::timegm(&utc);
}

bool is_unchanged(const Response& response, const AnswerContext& context,
                  std::string_view last_modified) {
  if (context.headers == nullptr || response.status != 200 ||
      !(context.is_get || context.is_head)) {
    return false;
  }
  if (const auto tags = context.headers->find("if-none-match")) {
    return !response.etag.empty() && names_etag(*tags, response.etag);
  }
  const auto since = context.headers->find("if-modified-since");
  if (!since || last_modified.empty()) return false;
  const auto asked = parse_http_date(*since), is = parse_http_date(last_modified);
  return asked && is && *is <= *asked;
}

/// Opens the file and settles what of it is sent. False: there is no such file.
bool open_file(const std::filesystem::path& path, Response& response, const AnswerContext& context,
               Answer& answer) {
  answer.file = FileHandle(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!answer.file || ::fstat(answer.file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return false;
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (response.etag.empty()) {
    response.etag = "\"" + std::to_string(size) + "-" + std::to_string(status.st_mtim.tv_sec) +
                    "." + std::to_string(status.st_mtim.tv_nsec) + "\"";
  }
  const std::string modified = http_date(status.st_mtim.tv_sec);
  response.headers.add("Last-Modified", modified);
  response.headers.add("Accept-Ranges", "bytes");
  answer.size = size;
  if (is_unchanged(response, context, modified)) {
    answer.status = 304;
    return true;
  }
  const auto wanted = context.headers != nullptr && context.is_get && response.status == 200
                          ? context.headers->find("range")
                          : std::nullopt;
  if (!wanted) return true;
  const auto condition = context.headers->find("if-range");
  if (condition && *condition != response.etag && *condition != modified) return true;
  ByteRange range;
  switch (parse_range(*wanted, size, range)) {
    case RangeKind::kWhole:
      break;
    case RangeKind::kImpossible:
      answer.status = 416;
      answer.size = 0;
      response.headers.add("Content-Range", "bytes */" + std::to_string(size));
      break;
    case RangeKind::kPart:
      answer.status = 206;
      answer.offset = range.first;
      answer.size = range.last - range.first + 1;
      response.headers.add("Content-Range", "bytes " + std::to_string(range.first) + "-" +
                                                std::to_string(range.last) + "/" +
                                                std::to_string(size));
      break;
  }
  return true;
}

}  // namespace

FileHandle::FileHandle(FileHandle&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}
FileHandle& FileHandle::operator=(FileHandle&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}
FileHandle::~FileHandle() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string http_date(std::int64_t unix_seconds) {
  const auto time = static_cast<std::time_t>(unix_seconds);
  std::tm utc{};
  gmtime_r(&time, &utc);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return {text, size};
}

Answer make_answer(Response response, const AnswerContext& context) {
  Answer answer;
  answer.status = response.status;
  answer.keep_alive = context.keep_alive;
  std::uint64_t length = kNoLength;
  if (const auto* file = std::get_if<FileBody>(&response.body)) {
    if (!open_file(file->path, response, context, answer)) {
      return make_answer(error_response(404, "there is no such file", ErrorStyle::kOpenAi, 0),
                         context);
    }
    length = answer.size;
  } else if (auto* text = std::get_if<std::string>(&response.body)) {
    if (is_unchanged(response, context, "")) {
      answer.status = 304;
    } else {
      answer.text = std::move(*text);
    }
    length = answer.text.size();
  } else if (!context.is_head) {
    answer.stream = std::get<StreamBody>(std::move(response.body));
    answer.chunked = context.version >= 11;
    if (!answer.chunked) answer.keep_alive = false;
  }
  if (answer.status == 304) length = kNoLength;
  answer.head = HeadWriter(response, context).write(answer, length);
  if (context.is_head || answer.status == 304 || answer.status == 204) {
    answer.text.clear();
    answer.file = {};
  }
  return answer;
}

}  // namespace sightline::http::internal
