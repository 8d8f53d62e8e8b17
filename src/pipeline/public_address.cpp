#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "pipeline/image_source.h"

namespace sightline::pipeline {
namespace {

using Address4 = std::array<std::uint8_t, 4>;
using Address6 = std::array<std::uint8_t, 16>;

template <std::size_t kSize>
struct Network {
  std::array<std::uint8_t, kSize> address;
  int bits;
  bool holds(std::span<const std::uint8_t, kSize> other) const {
    for (int bit = 0; bit < bits; bit += 8) {
      const auto i = static_cast<std::size_t>(bit / 8);
      const int rest = std::min(8, bits - bit);
      const auto mask = static_cast<std::uint8_t>(0xFF << (8 - rest));
      if ((address[i] & mask) != (other[i] & mask)) return false;
    }
    return true;
  }
};

// IANA's registries of special-purpose addresses: what is not globally reachable.
constexpr Network<4> kSpecial4[] = {
    {{0, 0, 0, 0}, 8},      {{10, 0, 0, 0}, 8},     {{100, 64, 0, 0}, 10}, {{127, 0, 0, 0}, 8},
    {{169, 254, 0, 0}, 16}, {{172, 16, 0, 0}, 12},  {{192, 0, 0, 0}, 24},  {{192, 0, 2, 0}, 24},
    {{192, 88, 99, 0}, 24}, {{192, 168, 0, 0}, 16}, {{198, 18, 0, 0}, 15}, {{198, 51, 100, 0}, 24},
    {{203, 0, 113, 0}, 24}, {{224, 0, 0, 0}, 4},    {{240, 0, 0, 0}, 4},
};
constexpr Network<16> kMapped{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, 96};  // ::ffff:0:0/96
constexpr Network<16> kNat64{{0, 0x64, 0xFF, 0x9B}, 96};                        // 64:ff9b::/96
constexpr Network<16> k6to4{{0x20, 0x02}, 16};                                  // 2002::/16
constexpr Network<16> kGlobalUnicast{{0x20}, 3};                                // 2000::/3
constexpr Network<16> kSpecial6[] = {
    {{0x20, 0x01, 0x00}, 23},        // 2001::/23: Teredo, ORCHID, ...
    {{0x20, 0x01, 0x0D, 0xB8}, 32},  // 2001:db8::/32: documentation
    {{0x3F, 0xFF, 0x00}, 20},        // 3fff::/20: documentation
};

bool is_public(std::span<const std::uint8_t, 4> address) {
  return std::ranges::none_of(kSpecial4,
                              [&](const auto& network) { return network.holds(address); });
}

bool is_public(std::span<const std::uint8_t, 16> address) {
  if (kMapped.holds(address) || kNat64.holds(address)) return is_public(address.subspan<12, 4>());
  if (k6to4.holds(address)) return is_public(address.subspan<2, 4>());
  return kGlobalUnicast.holds(address) && std::ranges::none_of(kSpecial6, [&](const auto& network) {
           return network.holds(address);
         });
}

}  // namespace

bool is_public_address(std::string_view address) {
  const std::string text(address);
  if (text.find('\0') != text.npos) return false;
  Address4 v4{};
  if (inet_pton(AF_INET, text.c_str(), v4.data()) == 1)
    return is_public(std::span<const std::uint8_t, 4>(v4));
  Address6 v6{};
  if (inet_pton(AF_INET6, text.c_str(), v6.data()) == 1)
    return is_public(std::span<const std::uint8_t, 16>(v6));
  return false;
}

}  // namespace sightline::pipeline
