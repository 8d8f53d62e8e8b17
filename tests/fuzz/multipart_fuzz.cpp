// Whatever the bytes and however they are cut, a form is read the same or refused the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "http/multipart.h"

namespace {

using namespace sightline;

std::string read(std::string_view bytes, std::size_t step) {
  std::string out;
  http::MultipartParser parser("X",
                               {[&](http::PartHead head) -> Result<void> {
                                  out += "<" + head.name + "|" + head.file_name + "|" +
                                         head.content_type + ">";
                                  return {};
                                },
                                [&](std::string_view piece) -> Result<void> {
                                  SIGHTLINE_CHECK(!piece.empty());
                                  out += piece;
                                  return {};
                                },
                                [&]() -> Result<void> {
                                  out += "</>";
                                  return {};
                                }},
                               {.max_parts = 20, .max_header_bytes = 200});
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    if (const auto fed = parser.feed(bytes.substr(at, step)); !fed) return "failed";
  }
  return parser.finish() ? out : "unfinished";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)http::multipart_boundary(text);
  (void)http::parse_part_head(text);
  const std::string whole = read(text, text.size() + 1);
  // A limit on a head may be met before its end is seen, or not: either way it is refused in the
  // end.
  if (whole == "failed" || whole == "unfinished") return 0;
  SIGHTLINE_CHECK(read(text, 1) == whole);
  SIGHTLINE_CHECK(read(text, 5) == whole);
  return 0;
}
