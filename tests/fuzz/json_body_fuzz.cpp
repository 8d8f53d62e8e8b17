// The quick reader of bodies and the one of core agree about every text.
#include <cstddef>
#include <cstdint>
#include <string>

#include "http/json_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sightline;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto quick = http::read_json(text);
  const auto slow = parse_json(text, "body", http::kMaxJsonDepth);
  SIGHTLINE_CHECK(quick.has_value() == slow.has_value());
  if (quick) {
    SIGHTLINE_CHECK(dump_json(*quick) == dump_json(*slow));
  } else {
    SIGHTLINE_CHECK(quick.error().message.starts_with("Format error in JSON body: "));
  }
  return 0;
}
