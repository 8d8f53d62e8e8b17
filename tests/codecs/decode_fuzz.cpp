// libFuzzer target: any bytes through header, decoder and metadata.
// Start it with the pictures at hand: decode_fuzz -rss_limit_mb=4096 CORPUS tests/data/images
#include <cstddef>
#include <cstdint>
#include <span>

#include "codecs/facts.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sightline::codecs;
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  const auto header = parse_header(bytes);
  DecodeOptions options;
  options.max_pixels = 4'000'000;
  const auto picture = decode(bytes, options);
  if (picture && (!header || picture->rgb.size() != picture->width * picture->height * 3)) {
    __builtin_trap();
  }
  (void)read_metadata(bytes);
  return 0;
}
