// http/internal/gate.h: everything that is decided from a request's header, before a byte of its
// body is read: route, who asks, whether a foreign page does, what body is taken.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "http/internal/body_receiver.h"
#include "http/internal/request_reader.h"
#include "http/keys.h"
#include "http/route.h"
#include "http/server.h"

namespace sightline::http::internal {

/// The request may go on.
struct Admission {
  const Route* route = nullptr;
  Request request;
  BodyPlan body;
  /// Of `timeout` or the server's own; zero: none.
  std::chrono::milliseconds timeout{0};
};

/// The request ends here, with this answer.
struct Refusal {
  Response response;
  const Route* route = nullptr;  ///< If that far; for the metrics.
};

struct Verdict {
  std::variant<Admission, Refusal> outcome;
  Headers cors;  ///< For the answer, whatever it is.
};

struct Peer {
  std::string address;
  bool is_loopback = false;
};

/// Thread-safety: const methods may run on many threads at once.
class Gate {
 public:
  /// All are borrowed.
  Gate(const ServerOptions& options, const RouteTable& routes, KeyRing& keys)
      : options_(options), routes_(routes), keys_(keys) {}

  /// Takes the head's headers over into the request.
  Verdict judge(RequestHead head, const Peer& peer) const;

 private:
  Result<Admission> admit(Request request, const RequestHead& head, const Peer& peer,
                          Refusal& refusal) const;
  bool answers_to(std::string_view host) const;
  bool is_allowed_origin(std::string_view origin) const;
  Principal anonymous() const;
  /// nullopt: the key is wrong, and `refusal` says so in `style`.
  std::optional<Principal> find_principal(const Request& request, const Peer& peer,
                                          ErrorStyle style, Refusal& refusal) const;
  bool check_origin(const Request& request, Headers& cors, Refusal& refusal) const;
  bool plan_body(const RequestHead& head, Admission& admission, Refusal& refusal) const;

  const ServerOptions& options_;
  const RouteTable& routes_;
  KeyRing& keys_;
};

/// Of what no route was found for: Qdrant's paths are all but /v1.
ErrorStyle error_style_of(std::string_view path);
/// "application/json" of "Application/JSON; charset=utf-8".
std::string media_type(std::string_view content_type);
/// "localhost" of "localhost:6333", "[::1]" of "[::1]:6333"; lower case.
std::string host_name(std::string_view host);
/// The value of the cookie, or empty.
std::string_view cookie(const Headers& headers, std::string_view name);

}  // namespace sightline::http::internal
