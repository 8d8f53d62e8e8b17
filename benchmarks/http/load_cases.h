// benchmarks/http/load_cases.h: what is asked, over HTTP and directly.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "benchmarks/http/load_service.h"
#include "core/json.h"

namespace sightline::benchmarks {

/// One kind of call. Calls are numbered; the number says what is asked, and two calls of a number
/// ask the same.
struct LoadCase {
  std::string name;
  /// The whole request, header included.
  std::function<std::string(std::size_t call)> request;
  /// The same call on src/pipeline. May run on many threads at once; throws what fails. Returns ids
  /// as Answer does.
  std::function<std::string(std::size_t call)> direct;
  /// The ids of the hits in a parsed answer, to be compared with those of the direct call.
  std::function<std::string(const Json& answer)> ids_of;
  /// Before each round, not timed; may be empty.
  std::function<void()> before_round = {};
  std::size_t max_round_calls = std::numeric_limits<std::size_t>::max();
  /// What HTTP may add to the median on one connection, in ms.
  std::optional<double> max_added_ms = {};
};

/// All cases. `service` outlives them.
std::vector<LoadCase> load_cases(LoadService& service);

/// A request without a body, for what the transport alone takes.
std::string get_request(const std::string& target);

}  // namespace sightline::benchmarks
