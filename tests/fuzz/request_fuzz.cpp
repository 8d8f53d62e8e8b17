// Whatever the bytes and however they are cut, a request is read the same, its target splits into
// path and query or is refused, and a route is found or not.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/internal/request_reader.h"
#include "http/percent.h"
#include "http/route.h"

namespace {

using namespace sightline;
using http::internal::RequestReader;

struct Outcome {
  RequestReader::State state;
  int failure = 0;
  std::string target, body;
  std::size_t num_headers = 0;
  bool operator==(const Outcome&) const = default;
};

Outcome read(std::string_view bytes, std::size_t step) {
  RequestReader reader;
  Outcome outcome;
  std::string pending;
  bool is_accepted = false;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    pending += bytes.substr(at, step);
    for (;;) {
      if (reader.state() == RequestReader::State::kBody && !is_accepted) {
        is_accepted = true;
        reader.accept_body([&](std::string_view piece) -> Result<void> {
          outcome.body += piece;
          return {};
        });
      }
      const std::size_t taken = reader.read(pending);
      SIGHTLINE_CHECK(taken <= pending.size());
      pending.erase(0, taken);
      if (taken == 0 || pending.empty()) break;
    }
  }
  outcome.state = reader.state();
  outcome.failure =
      reader.state() == RequestReader::State::kFailed ? reader.failure().http_status : 0;
  outcome.target = reader.head().target;
  if (reader.state() != RequestReader::State::kHead) {
    outcome.num_headers = reader.head().headers.all().size();
  }
  return outcome;
}

const http::RouteTable& routes() {
  static const http::RouteTable table = [] {
    http::RouteTable made;
    for (const char* pattern : {"/", "/a/{x}", "/a/b", "/{x}/b", "/a/{x}/{y}"}) {
      http::Route route;
      route.pattern = pattern;
      made.add(std::move(route));
    }
    return made;
  }();
  return table;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Outcome whole = read(text, text.size() + 1);
  if (whole.state != RequestReader::State::kFailed) {
    SIGHTLINE_CHECK(read(text, 1) == whole);
    SIGHTLINE_CHECK(read(text, 7) == whole);
  }
  if (const auto query = http::parse_query(text)) {
    std::string again;
    for (const auto& [name, value] : query->all()) {
      again += (again.empty() ? "" : "&") + http::percent_encode(name) + "=" +
               http::percent_encode(value);
    }
    const auto second = http::parse_query(again);
    SIGHTLINE_CHECK(second && second->all() == query->all());
  }
  (void)routes().match(http::Method::kGet, text);
  (void)routes().match(http::Method::kGet, whole.target);
  return 0;
}
