#include "index/internal/huge_pages.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <vector>

namespace sightline::index {
namespace {

TEST(HugePages, ArraysBeginWhereAHugePageDoes) {
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{1}, kHugePageBytes - 1, kHugePageBytes, 3 * kHugePageBytes}) {
    const auto array = huge_array<std::byte>(bytes);
    std::fill_n(array.get(), bytes, std::byte{7});  // all of it is ours
    const std::size_t alignment = bytes < kHugePageBytes ? 64 : kHugePageBytes;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(array.get()) % alignment, 0U) << bytes;
  }
}

TEST(HugePages, VectorsHoldZerosOrTheCopy) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{5}, kHugePageBytes}) {
    std::vector<std::uint32_t> zeros;
    resize_huge(zeros, size);
    EXPECT_EQ(zeros.size(), size);
    EXPECT_EQ(std::ranges::count(zeros, 0U), static_cast<std::ptrdiff_t>(size));

    std::vector<std::byte> bytes(1 + size * sizeof(std::uint32_t));  // unaligned from byte 1 on
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i % 251);
    std::vector<std::uint32_t> copy;
    copy_huge(copy, std::span(bytes).subspan(1));
    EXPECT_TRUE(std::ranges::equal(std::as_bytes(std::span(copy)), std::span(bytes).subspan(1)));
  }
}

}  // namespace
}  // namespace sightline::index
