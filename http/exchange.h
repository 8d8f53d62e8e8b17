// http/exchange.h: what a route is given and what it gives back.
//
// Speaks std and core types alone: Boost.Beast stays in the files that move bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/deadline.h"
#include "core/result.h"
#include "http/access.h"

namespace sightline::http {

enum class Method { kGet, kHead, kPost, kPut, kPatch, kDelete, kOptions };
std::string_view method_name(Method method);  ///< "GET", ...

/// Header fields in the order they came; names are compared without regard to case.
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;
  void add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  /// Replaces all fields of the name.
  void set(std::string_view name, std::string value);
  /// The first of the name.
  std::optional<std::string_view> find(std::string_view name) const;
  const std::vector<Field>& all() const { return fields_; }

 private:
  std::vector<Field> fields_;
};

/// "a=1&b=x%20y" decoded, in order.
class QueryString {
 public:
  using Pair = std::pair<std::string, std::string>;
  QueryString() = default;
  explicit QueryString(std::vector<Pair> pairs) : pairs_(std::move(pairs)) {}
  std::optional<std::string_view> find(std::string_view name) const;  ///< The first of the name.
  const std::vector<Pair>& all() const { return pairs_; }

 private:
  std::vector<Pair> pairs_;
};

/// One part of a multipart/form-data body.
struct FormPart {
  std::string name;
  std::string file_name;     ///< As the client said it: never a path of ours. Empty: a plain field.
  std::string content_type;  ///< Lower case, without parameters; may be empty.
  std::string value;         ///< Of a plain field (limit: 1 MiB each).
  std::filesystem::path file;  ///< Of a file part: its bytes, removed with the request.
  std::uint64_t size = 0;      ///< bytes
};

/// Thread-safety: belongs to one thread at a time.
struct Request {
  Method method = Method::kGet;
  std::string target;  ///< As it came, for logs.
  std::string path;    ///< Undecoded, without the query.
  /// What the pattern's {names} stand for, percent-decoded.
  std::map<std::string, std::string, std::less<>> params;
  QueryString query;
  Headers headers;
  std::string content_type;  ///< Lower case, without parameters.

  // One of the three, as the route's BodyRule allows and the content type says.
  std::string body;                 ///< JSON text.
  std::vector<FormPart> parts;      ///< multipart/form-data
  std::filesystem::path body_file;  ///< Anything else: spooled to disk, removed with the request.

  Principal principal;                    ///< Who asks; the route's right has been checked.
  std::string remote;                     ///< Address of the client.
  std::string id;                         ///< Of the request, for logs; X-Request-Id of the answer.
  Deadline deadline = Deadline::never();  ///< `timeout`, the client's going, shutdown.

  const std::string& param(std::string_view name) const { return params.find(name)->second; }
};

/// A file sent with its ETag, in ranges if the client asks so.
struct FileBody {
  std::filesystem::path path;
};

/// Where a streamed answer goes. write() waits while the client is slow.
class BodySink {
 public:
  virtual ~BodySink() = default;
  /// errors  kCancelled: the client is gone or the server stops.
  virtual Result<void> write(std::string_view bytes) = 0;
};
/// Runs on the route's lane after the header is sent; a failure cuts the connection.
using StreamBody = std::function<Result<void>(BodySink& sink)>;

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  Headers headers;  ///< Beside content type, length and what the server itself adds.
  std::variant<std::string, FileBody, StreamBody> body;
  /// Quoted; a request whose If-None-Match names it gets 304. Files without one get size and mtime.
  std::string etag;
  /// Stages of the work ("encode", "search") for /metrics-summary.
  std::map<std::string, double> timings_ms;
};

}  // namespace sightline::http
