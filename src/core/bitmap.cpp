#include "core/bitmap.h"

#include <roaring/roaring.h>

#include <algorithm>
#include <new>

namespace sightline {
namespace {

struct Free {
  void operator()(roaring_bitmap_t* bitmap) const { roaring_bitmap_free(bitmap); }
};
using Handle = std::unique_ptr<roaring_bitmap_t, Free>;

Handle owned(roaring_bitmap_t* bitmap) {
  if (bitmap == nullptr) throw std::bad_alloc();
  return Handle(bitmap);
}

/// What CRoaring's safe reader leaves unchecked: ascending values, true cardinalities and no empty
/// containers. (Its own roaring_bitmap_internal_validate came with version 1.3.)
bool is_well_formed(const roaring_bitmap_t* bitmap) {
  struct Walk {
    std::uint64_t count = 0;
    std::int64_t last = -1;
    std::uint32_t num_containers = 0;
  } walk;
  const bool ascending = roaring_iterate(
      bitmap,
      [](std::uint32_t value, void* opaque) {
        Walk& w = *static_cast<Walk*>(opaque);
        if (std::int64_t{value} <= w.last) return false;
        w.num_containers += w.last < 0 || (w.last >> 16) != (value >> 16) ? 1 : 0;
        w.last = value;
        ++w.count;
        return true;
      },
      &walk);
  if (!ascending || walk.count != roaring_bitmap_get_cardinality(bitmap)) return false;
  roaring_statistics_t statistics;
  roaring_bitmap_statistics(bitmap, &statistics);
  return statistics.n_containers == walk.num_containers;
}

}  // namespace

struct Bitmap::Impl {
  Handle roaring = owned(roaring_bitmap_create());
};

Bitmap::Bitmap() : impl_(std::make_unique<Impl>()) {}
Bitmap::~Bitmap() = default;

Bitmap::Bitmap(const Bitmap& other) : Bitmap() {
  impl_->roaring = owned(roaring_bitmap_copy(other.impl_->roaring.get()));
}

Bitmap& Bitmap::operator=(const Bitmap& other) {
  if (this != &other) *this = Bitmap(other);
  return *this;
}

// A moved-from Bitmap holds the other's set, so that every Bitmap can always be used.
Bitmap::Bitmap(Bitmap&& other) noexcept : Bitmap() { std::swap(impl_, other.impl_); }

Bitmap& Bitmap::operator=(Bitmap&& other) noexcept {
  std::swap(impl_, other.impl_);
  return *this;
}

Bitmap Bitmap::from_sorted(std::span<const std::uint32_t> values) {
  Bitmap bitmap;
  if (!values.empty()) {
    bitmap.impl_->roaring = owned(roaring_bitmap_of_ptr(values.size(), values.data()));
  }
  return bitmap;
}

void Bitmap::add(std::uint32_t value) { roaring_bitmap_add(impl_->roaring.get(), value); }

void Bitmap::add_range(std::uint32_t first, std::uint64_t end) {
  end = std::min(end, std::uint64_t{1} << 32);
  if (first < end) roaring_bitmap_add_range(impl_->roaring.get(), first, end);
}

void Bitmap::remove(std::uint32_t value) { roaring_bitmap_remove(impl_->roaring.get(), value); }

bool Bitmap::contains(std::uint32_t value) const {
  return roaring_bitmap_contains(impl_->roaring.get(), value);
}

std::uint64_t Bitmap::count() const { return roaring_bitmap_get_cardinality(impl_->roaring.get()); }

std::uint64_t Bitmap::and_count(const Bitmap& other) const {
  return roaring_bitmap_and_cardinality(impl_->roaring.get(), other.impl_->roaring.get());
}

bool Bitmap::empty() const { return roaring_bitmap_is_empty(impl_->roaring.get()); }

Bitmap& Bitmap::operator&=(const Bitmap& other) {
  if (this != &other) roaring_bitmap_and_inplace(impl_->roaring.get(), other.impl_->roaring.get());
  return *this;
}

Bitmap& Bitmap::operator|=(const Bitmap& other) {
  if (this != &other) roaring_bitmap_or_inplace(impl_->roaring.get(), other.impl_->roaring.get());
  return *this;
}

Bitmap& Bitmap::operator-=(const Bitmap& other) {
  if (this == &other) return *this = Bitmap();
  roaring_bitmap_andnot_inplace(impl_->roaring.get(), other.impl_->roaring.get());
  return *this;
}

bool Bitmap::operator==(const Bitmap& other) const {
  return roaring_bitmap_equals(impl_->roaring.get(), other.impl_->roaring.get());
}

std::vector<std::uint32_t> Bitmap::to_vector() const {
  std::vector<std::uint32_t> values(count());
  if (!values.empty()) roaring_bitmap_to_uint32_array(impl_->roaring.get(), values.data());
  return values;
}

bool Bitmap::iterate(bool (*visit)(std::uint32_t value, void* context), void* context) const {
  return roaring_iterate(impl_->roaring.get(), visit, context);
}

void Bitmap::optimize() {
  roaring_bitmap_run_optimize(impl_->roaring.get());
  roaring_bitmap_shrink_to_fit(impl_->roaring.get());
}

std::uint64_t Bitmap::memory_bytes() const {
  // A container costs its header, its three table entries and the allocator's headers beside its
  // values, which lie in memory as they are written.
  constexpr std::uint64_t kFixed = sizeof(Bitmap) + sizeof(Impl) + sizeof(roaring_bitmap_t) + 48;
  constexpr std::uint64_t kPerContainer = 56;
  const auto containers = static_cast<std::uint64_t>(impl_->roaring->high_low_container.size);
  return kFixed + containers * kPerContainer +
         roaring_bitmap_portable_size_in_bytes(impl_->roaring.get());
}

std::string Bitmap::serialize() const {
  std::string bytes(roaring_bitmap_portable_size_in_bytes(impl_->roaring.get()), '\0');
  roaring_bitmap_portable_serialize(impl_->roaring.get(), bytes.data());
  return bytes;
}

Result<Bitmap> Bitmap::deserialize(std::string_view bytes) {
  const std::size_t size = roaring_bitmap_portable_deserialize_size(bytes.data(), bytes.size());
  if (size == 0 || size != bytes.size()) {
    return corruption("bitmap: " + std::to_string(bytes.size()) +
                      " bytes do not hold exactly one roaring bitmap");
  }
  Handle roaring(roaring_bitmap_portable_deserialize_safe(bytes.data(), bytes.size()));
  if (!roaring || !is_well_formed(roaring.get())) {
    return corruption("bitmap: the containers of " + std::to_string(bytes.size()) +
                      " bytes are not a valid roaring bitmap");
  }
  Bitmap bitmap;
  bitmap.impl_->roaring = std::move(roaring);
  return bitmap;
}

}  // namespace sightline
