#include "core/checksum.h"

#include <gtest/gtest.h>

#include <random>

namespace sightline {
namespace {

// Digests of the `xxhsum` program: printf abc | xxhsum -H3, -H2.
TEST(Checksum64, EqualsXxhsum) {
  EXPECT_EQ(checksum64(""), 0x2d06800538d394c2U);
  EXPECT_EQ(checksum64("abc"), 0x78af5f94892f3950U);
}

TEST(Checksum128, EqualsXxhsum) {
  Checksum128 sum;
  EXPECT_EQ(sum.hex(), "99aa06d3014798d86001c324468d497f");
  sum.update("abc");
  EXPECT_EQ(sum.hex(), "06b05ab6733a618578af5f94892f3950");
}

TEST(Checksum128, PiecesDoNotMatter) {
  std::mt19937 random(3);
  std::string bytes(10'000, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  Checksum128 whole;
  whole.update(bytes);
  Checksum128 pieces;
  for (std::size_t at = 0, size = 0; at < bytes.size(); at += size) {
    size = random() % 700;
    pieces.update(std::string_view(bytes).substr(at, size));
    pieces.update(std::string_view());
  }
  EXPECT_EQ(pieces.hex(), whole.hex());
  bytes[5'000] = static_cast<char>(bytes[5'000] ^ 1);
  Checksum128 other;
  other.update(bytes);
  EXPECT_NE(other.hex(), whole.hex());
}

TEST(ToHex, WritesTwoLowerCaseDigitsPerByte) {
  const std::uint8_t bytes[] = {0x00, 0x0f, 0xa5, 0xff};
  EXPECT_EQ(to_hex(bytes), "000fa5ff");
  EXPECT_EQ(to_hex({}), "");
}

}  // namespace
}  // namespace sightline
