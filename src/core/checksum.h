// core/checksum.h: XXH3 checksums (https://xxhash.com), for corruption, not for secrets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace sightline {

/// XXH3 64 bits of `bytes`, seed 0.
std::uint64_t checksum64(std::span<const std::byte> bytes);
std::uint64_t checksum64(std::string_view bytes);

/// XXH3 128 bits over a stream of pieces. Thread-safety: one thread.
class Checksum128 {
 public:
  Checksum128();
  ~Checksum128();
  Checksum128(const Checksum128&) = delete;
  Checksum128& operator=(const Checksum128&) = delete;

  void update(std::span<const std::byte> bytes);
  void update(std::string_view bytes);
  /// 32 lower-case hex digits of the canonical (big-endian) form.
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Lower-case hex digits of `bytes`.
std::string to_hex(std::span<const std::uint8_t> bytes);

}  // namespace sightline
