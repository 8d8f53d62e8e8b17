// core/bitmap.h: a compressed set of 32-bit numbers (slots), over CRoaring (arXiv 1709.07821).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
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

  void add(std::uint32_t value);
  void add_range(std::uint32_t first, std::uint64_t end);  ///< [first, end), end <= 2^32.
  void remove(std::uint32_t value);
  bool contains(std::uint32_t value) const;
  std::uint64_t count() const;
  bool empty() const;

  Bitmap& operator&=(const Bitmap& other);
  Bitmap& operator|=(const Bitmap& other);
  Bitmap& operator-=(const Bitmap& other);
  bool operator==(const Bitmap& other) const;

  std::vector<std::uint32_t> to_vector() const;  ///< Ascending.

  /// CRoaring's portable format; `deserialize` validates lengths. errors  kCorruption.
  std::string serialize() const;
  static Result<Bitmap> deserialize(std::string_view bytes);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sightline
