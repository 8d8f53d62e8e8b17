// http/route.h: the table of everything that the server answers.
//
// A route is found from the request line alone, so that the key and the size of the body are
// checked before a byte of it is read.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "http/access.h"
#include "http/exchange.h"

namespace sightline::http {

/// What body a route takes. A request with another content type gets 415.
struct BodyRule {
  bool json = false;  ///< application/json into Request::body
  bool form = false;  ///< multipart/form-data into Request::parts
  bool file = false;  ///< Anything else into Request::body_file
  bool required = false;
  /// bytes; 0: the server's limit for the kind (server.max_json_bytes, server.max_upload_bytes).
  std::uint64_t max_bytes = 0;

  bool any() const { return json || form || file; }
};

/// The threads that a route's handler runs on: handlers wait for the store, for an encoder's batch
/// and for the compute pool, so they are kept off the threads that move bytes.
enum class Lane {
  kInline,  ///< On the connection's own thread: answers from memory within microseconds.
  kQuery,   ///< Searches and reads.
  kWrite,   ///< Waits for the disk.
  kLong,    ///< Uploads and streams.
};

/// The shape of a failure's body.
enum class ErrorStyle {
  kQdrant,  ///< {"status": {"error": MESSAGE}, "time": SECONDS}
  kOpenAi,  ///< {"error": {"message", "type", "param", "code"}}
};

/// May be called on many threads at once.
using Handler = std::function<Result<Response>(Request& request)>;

struct Route {
  Method method = Method::kGet;
  /// Segments split by '/'; "{name}" stands for one segment: "/collections/{collection}/points".
  /// A segment called {collection} is checked against the key's collections.
  std::string pattern;
  Right right = Right::kRead;
  BodyRule body;
  Lane lane = Lane::kQuery;
  ErrorStyle errors = ErrorStyle::kOpenAi;
  std::string summary;  ///< One sentence, for /openapi.json.
  Handler handle;
};

/// Thread-safety: const methods may run on many threads at once.
class RouteTable {
 public:
  /// Two routes of the same method and shape are a mistake of ours.
  void add(Route route);

  struct Match {
    const Route* route = nullptr;  ///< Null: the path is known, but not with this method.
    std::map<std::string, std::string, std::less<>> params;
    std::vector<Method> allowed;  ///< Of the path, for 405 and OPTIONS.
  };
  /// The path is split at '/' before it is percent-decoded; a literal segment wins over a {name}.
  /// HEAD is served by GET. errors  kNotFound; kInvalidArgument: bad percent-encoding.
  Result<Match> match(Method method, std::string_view path) const;

  std::span<const Route> routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

}  // namespace sightline::http
