#include "core/checksum.h"

#include <xxhash.h>

namespace sightline {

std::uint64_t checksum64(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::uint64_t checksum64(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

struct Checksum128::State {
  XXH3_state_t xxh;
};

Checksum128::Checksum128() : state_(std::make_unique<State>()) { XXH3_128bits_reset(&state_->xxh); }

Checksum128::~Checksum128() = default;

void Checksum128::update(std::span<const std::byte> bytes) {
  // xxhash before 0.8.2 forms a pointer from a null one for an empty piece.
  if (!bytes.empty()) XXH3_128bits_update(&state_->xxh, bytes.data(), bytes.size());
}

void Checksum128::update(std::string_view bytes) {
  update(std::as_bytes(std::span(bytes.data(), bytes.size())));
}

std::string Checksum128::hex() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state_->xxh));
  return to_hex(canonical.digest);
}

std::string to_hex(std::span<const std::uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

}  // namespace sightline
