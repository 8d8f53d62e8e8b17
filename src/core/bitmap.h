// core/bitmap.h: a compressed set of 32-bit numbers (slots), over CRoaring (arXiv 1709.07821).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/result.h"

namespace sightline {

/// A set of u32. CRoaring's copy-on-write stays off: its counters are not atomic.
/// Thread-safety: const methods may run on many threads at once.
class Bitmap {
 public:
  Bitmap();
  ~Bitmap();
  Bitmap(const Bitmap& other);
  Bitmap& operator=(const Bitmap& other);
  Bitmap(Bitmap&&) noexcept;
  Bitmap& operator=(Bitmap&&) noexcept;

  /// From strictly ascending values; quicker than adding them one by one.
  static Bitmap from_sorted(std::span<const std::uint32_t> values);

  void add(std::uint32_t value);
  void add_range(std::uint32_t first, std::uint64_t end);  ///< [first, end), end <= 2^32.
  void remove(std::uint32_t value);
  bool contains(std::uint32_t value) const;
  std::uint64_t count() const;
  std::uint64_t and_count(const Bitmap& other) const;  ///< Size of the intersection.
  bool empty() const;

  Bitmap& operator&=(const Bitmap& other);
  Bitmap& operator|=(const Bitmap& other);
  Bitmap& operator-=(const Bitmap& other);
  bool operator==(const Bitmap& other) const;

  /// Calls `visit` with every value, ascending; a visit that returns false ends it. False if ended.
  template <typename Visit>
  bool for_each(Visit&& visit) const {
    using Callable = std::remove_reference_t<Visit>;
    return iterate(
        [](std::uint32_t value, void* callable) -> bool {
          auto& call = *static_cast<Callable*>(callable);
          if constexpr (std::is_void_v<std::invoke_result_t<Callable&, std::uint32_t>>) {
            call(value);
            return true;
          } else {
            return call(value);
          }
        },
        const_cast<void*>(static_cast<const void*>(&visit)));
  }
  std::vector<std::uint32_t> to_vector() const;  ///< Ascending.

  void optimize();                     ///< Gives back spare memory and stores runs as runs.
  std::uint64_t memory_bytes() const;  ///< Nearly: the allocator's own share is a guess.

  /// CRoaring's portable format; `deserialize` validates lengths. errors  kCorruption.
  std::string serialize() const;
  static Result<Bitmap> deserialize(std::string_view bytes);

 private:
  bool iterate(bool (*visit)(std::uint32_t value, void* context), void* context) const;

  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sightline
