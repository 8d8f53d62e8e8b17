#include "benchmarks/http/wrk.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "tests/support/temp_dir.h"

namespace sightline::benchmarks {
namespace {

/// Sends the bytes of a file as they are, and tells what the summary does not.
constexpr const char* kScript = R"(
local file = io.open("%FILE%", "rb")
local text = file:read("*a")
file:close()
request = function() return text end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format("figures %d %f %f %f\n",
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
)";

std::string output_of(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  std::string text;
  std::array<char, 4096> buffer;
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    text.append(buffer.data(), got);
  }
  ::pclose(pipe);
  return text;
}

}  // namespace

std::optional<WrkFigures> run_wrk(int port, const std::string& request, std::size_t num_connections,
                                  std::size_t seconds) {
  if (output_of("command -v wrk").empty()) return std::nullopt;
  const testing_support::TempDir temp;
  std::string script = kScript;
  script.replace(script.find("%FILE%"), 6, temp.write("request", request).string());
  const std::string output =
      output_of("wrk -t1 -c" + std::to_string(num_connections) + " -d" + std::to_string(seconds) +
                "s -s " + temp.write("script.lua", script).string() +
                " http://127.0.0.1:" + std::to_string(port) + "/ 2>&1");
  const std::size_t at = output.find("figures ");
  int num_errors = 0;
  WrkFigures figures;
  if (at == output.npos ||
      std::sscanf(output.c_str() + at, "figures %d %lf %lf %lf", &num_errors,
                  &figures.requests_per_s, &figures.p50_ms, &figures.p99_ms) != 4 ||
      num_errors > 0) {
    throw std::runtime_error("wrk failed: " + output);
  }
  return figures;
}

}  // namespace sightline::benchmarks
