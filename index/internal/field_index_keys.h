// index/internal/field_index_keys.h: the keys that field indexes sort by, columns of them, and the
// sets of keys that a test selects.
#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/filter.h"
#include "core/indexed_value.h"

namespace sightline::index {

/// Points on a grid: in bands of latitude from south to north, within a band by longitude.
struct GeoKey {
  static constexpr std::uint32_t kNumBands = 4096;  ///< of 4.9 km

  std::uint32_t band = 0;
  GeoPoint point;

  static std::uint32_t band_of(double lat);
  auto operator<=>(const GeoKey&) const = default;
};

/// Strings end to end.
class StringColumn {
 public:
  std::size_t size() const { return ends_.size(); }
  std::string_view operator[](std::size_t i) const {
    const std::uint64_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(begin, ends_[i] - begin);
  }
  void push_back(std::string_view text) {
    bytes_ += text;
    ends_.push_back(bytes_.size());
  }
  /// Strings [begin, end) of `other`.
  void append(const StringColumn& other, std::size_t begin, std::size_t end) {
    const std::uint64_t first = begin == 0 ? 0 : other.ends_[begin - 1];
    const std::uint64_t shift = bytes_.size() - first;  // modulo 2^64
    bytes_.append(other.bytes_, first, other.ends_[end - 1] - first);
    for (std::size_t i = begin; i < end; ++i) ends_.push_back(other.ends_[i] + shift);
  }
  /// Room for the strings of `other` and `more` of their mean length.
  void reserve(const StringColumn& other, std::size_t more) {
    const std::size_t count = std::max<std::size_t>(1, other.size());
    bytes_.reserve(other.bytes_.size() + more * (other.bytes_.size() / count));
    ends_.reserve(other.size() + more);
  }
  /// Gives back much spare memory.
  void fit() {
    if (bytes_.capacity() > bytes_.size() + bytes_.size() / 16) bytes_.shrink_to_fit();
    if (ends_.capacity() > ends_.size() + ends_.size() / 16) ends_.shrink_to_fit();
  }

 private:
  friend std::uint64_t column_bytes(const StringColumn& column);

  std::string bytes_;
  std::vector<std::uint64_t> ends_;
};

/// Memory of a column.
inline std::uint64_t column_bytes(const StringColumn& column) {
  return column.bytes_.capacity() + column.ends_.capacity() * sizeof(std::uint64_t);
}
template <typename Key>
std::uint64_t column_bytes(const std::vector<Key>& column) {
  return column.capacity() * sizeof(Key);
}

inline void reserve_column(StringColumn& column, const StringColumn& other, std::size_t more) {
  column.reserve(other, more);
}
template <typename Key>
void reserve_column(std::vector<Key>& column, const std::vector<Key>& other, std::size_t more) {
  column.reserve(other.size() + more);
}
inline void fit_column(StringColumn& column) { column.fit(); }
template <typename Key>
void fit_column(std::vector<Key>& column) {
  if (column.capacity() > column.size() + column.size() / 16) column.shrink_to_fit();
}
/// Appends elements [begin, end), at least one, of `from`.
inline void append_column(StringColumn& to, const StringColumn& from, std::size_t begin,
                          std::size_t end) {
  to.append(from, begin, end);
}
template <typename Key>
void append_column(std::vector<Key>& to, const std::vector<Key>& from, std::size_t begin,
                   std::size_t end) {
  to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(begin),
            from.begin() + static_cast<std::ptrdiff_t>(end));
}

/// Key is int64 (integers, datetimes, bools), double, Uuid, GeoKey or std::string.
template <typename Key>
struct KeyTraits {
  using View = Key;
  using Column = std::vector<Key>;
};
template <>
struct KeyTraits<std::string> {
  using View = std::string_view;
  using Column = StringColumn;
};
template <typename Key>
using KeyView = typename KeyTraits<Key>::View;
template <typename Key>
using KeyColumn = typename KeyTraits<Key>::Column;

/// A set of keys.
template <typename Key>
struct Selection {
  using View = KeyView<Key>;
  struct Interval {
    std::optional<Key> first, last;  ///< Both belong to it; absent: no end on this side.
  };

  std::vector<Interval> intervals;         ///< Ascending, disjoint.
  std::vector<Key> excluded;               ///< Of the intervals; ascending.
  std::function<bool(const View&)> check;  ///< What else must hold of a key; empty: nothing.

  bool accepts(const View& key) const {
    const auto after = std::partition_point(
        intervals.begin(), intervals.end(),
        [&](const Interval& i) { return !i.first || !(key < View(*i.first)); });
    if (after == intervals.begin()) return false;
    const auto& last = std::prev(after)->last;
    if (last && View(*last) < key) return false;
    const auto less = [](const View& a, const View& b) { return a < b; };
    if (std::binary_search(excluded.begin(), excluded.end(), key, less)) return false;
    return !check || check(key);
  }
};

/// What a test asks of the keys of one slot. A slot that none of this finds does not satisfy it.
template <typename Key>
struct KeyTest {
  /// At least one; the slot has a key for each.
  std::vector<Selection<Key>> all;
  /// Such a slot satisfies the test; otherwise it may.
  bool is_sure = true;
  /// A slot with such a key may satisfy it, too.
  Selection<Key> also_maybe;
  /// So may one with an OtherValue.
  bool others_maybe = false;
};

/// nullopt: an index of this type says nothing about the test.
template <typename Key>
std::optional<KeyTest<Key>> key_test(FieldType type, const FieldTest& test);
template <>
std::optional<KeyTest<std::string>> key_test<std::string>(FieldType, const FieldTest&);
template <>
std::optional<KeyTest<std::int64_t>> key_test<std::int64_t>(FieldType, const FieldTest&);
template <>
std::optional<KeyTest<double>> key_test<double>(FieldType, const FieldTest&);
template <>
std::optional<KeyTest<Uuid>> key_test<Uuid>(FieldType, const FieldTest&);
template <>
std::optional<KeyTest<GeoKey>> key_test<GeoKey>(FieldType, const FieldTest&);

}  // namespace sightline::index
