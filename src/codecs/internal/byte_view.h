// codecs/internal/byte_view.h: reads numbers from untrusted bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace sightline::codecs {

/// Borrowed bytes. Reading behind the end gives 0; whoever must know asks has() first.
class ByteView {
 public:
  ByteView() = default;
  explicit ByteView(std::span<const std::byte> bytes)
      : data_(static_cast<const std::uint8_t*>(static_cast<const void*>(bytes.data()))),
        size_(bytes.size()) {}

  const std::uint8_t* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool has(std::uint64_t at, std::uint64_t count) const {
    return at <= size_ && count <= size_ - at;
  }
  /// At most `count` bytes from `at` on.
  ByteView part(std::uint64_t at, std::uint64_t count = UINT64_MAX) const {
    ByteView view;
    if (at >= size_) return view;
    view.data_ = data_ + at;
    view.size_ = static_cast<std::size_t>(std::min<std::uint64_t>(count, size_ - at));
    return view;
  }
  bool starts_with(std::string_view text, std::uint64_t at = 0) const {
    if (!has(at, text.size())) return false;
    return std::equal(text.begin(), text.end(), data_ + at,
                      [](char c, std::uint8_t b) { return static_cast<std::uint8_t>(c) == b; });
  }

  std::uint8_t u8(std::uint64_t at) const { return has(at, 1) ? data_[at] : std::uint8_t{0}; }
  std::uint64_t big(std::uint64_t at, int count) const {
    std::uint64_t value = 0;
    for (int i = 0; i < count; ++i) value = value << 8 | u8(at + static_cast<std::uint64_t>(i));
    return value;
  }
  std::uint64_t little(std::uint64_t at, int count) const {
    std::uint64_t value = 0;
    for (int i = count - 1; i >= 0; --i) {
      value = value << 8 | u8(at + static_cast<std::uint64_t>(i));
    }
    return value;
  }
  std::uint32_t be16(std::uint64_t at) const { return static_cast<std::uint32_t>(big(at, 2)); }
  std::uint32_t be32(std::uint64_t at) const { return static_cast<std::uint32_t>(big(at, 4)); }
  std::uint32_t le16(std::uint64_t at) const { return static_cast<std::uint32_t>(little(at, 2)); }
  std::uint32_t le24(std::uint64_t at) const { return static_cast<std::uint32_t>(little(at, 3)); }
  std::uint32_t le32(std::uint64_t at) const { return static_cast<std::uint32_t>(little(at, 4)); }

 private:
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace sightline::codecs
