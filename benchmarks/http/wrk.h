// benchmarks/http/wrk.h: figures of wrk, a load generator in C, beside our own.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace sightline::benchmarks {

struct WrkFigures {
  double requests_per_s = 0;
  double p50_ms = 0, p99_ms = 0;
};

/// Runs wrk for `seconds` on `num_connections`, all of which send `request` (whole, header
/// included). nullopt: there is no wrk. Throws if it fails or any answer is not 200.
std::optional<WrkFigures> run_wrk(int port, const std::string& request, std::size_t num_connections,
                                  std::size_t seconds);

}  // namespace sightline::benchmarks
