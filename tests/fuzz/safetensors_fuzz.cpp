// Whatever the bytes, the reader ends with tensors that lie inside the file, or with an error.
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/result.h"
#include "encoders/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sightline;
  const auto bytes = std::as_bytes(std::span(data, size));
  std::map<std::string, std::string> metadata;
  const auto tensors = encoders::parse_safetensors(bytes, &metadata);
  if (!tensors) {
    SIGHTLINE_CHECK(!tensors.error().message.empty());
    return 0;
  }
  for (const auto& [name, view] : *tensors) {
    SIGHTLINE_CHECK(view.bytes.empty() ||
                    (view.bytes.data() >= bytes.data() &&
                     view.bytes.data() + view.bytes.size() <= bytes.data() + bytes.size()));
    std::uint64_t elements = 1;
    for (const std::int64_t dimension : view.shape) {
      SIGHTLINE_CHECK(dimension >= 0);
      elements *= static_cast<std::uint64_t>(dimension);
    }
    SIGHTLINE_CHECK(elements * encoders::dtype_size(view.dtype) == view.bytes.size());
  }
  return 0;
}
