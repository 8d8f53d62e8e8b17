// core/point_id.h: names a point: an unsigned integer or a UUID, as in Qdrant's API.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "core/json.h"
#include "core/result.h"

namespace sightline {

using Uuid = std::array<std::uint8_t, 16>;

/// Identifier of a point within a collection. Numbers sort before UUIDs.
/// Thread-safety: a value.
class PointId {
 public:
  PointId() = default;
  explicit PointId(std::uint64_t number) : value_(number) {}
  explicit PointId(const Uuid& uuid) : value_(uuid) {}

  /// "42" or a UUID in any form Qdrant takes (hyphenated, 32 hex digits, "urn:uuid:...").
  /// errors  kInvalidArgument names the text.
  static Result<PointId> parse(std::string_view text);
  /// A JSON unsigned integer or string.
  static Result<PointId> from_json(const Json& value);
  /// UUIDv8 (RFC 9562) from the first 16 bytes of a SHA-256 digest, version and variant bits set.
  static PointId from_digest(std::span<const std::uint8_t, 32> sha256);

  bool is_number() const { return value_.index() == 0; }
  std::uint64_t number() const { return std::get<0>(value_); }
  const Uuid& uuid() const { return std::get<1>(value_); }

  std::string to_string() const;  ///< "42" or lower-case hyphenated.
  Json to_json() const;           ///< Number or string.

  /// Order-preserving key: tag 0 + 8 bytes big-endian, or tag 1 + 16 bytes.
  std::string encode() const;
  /// errors  kCorruption: wrong tag or length.
  static Result<PointId> decode(std::string_view key);

  auto operator<=>(const PointId&) const = default;

 private:
  std::variant<std::uint64_t, Uuid> value_ = std::uint64_t{0};
};

}  // namespace sightline

template <>
struct std::hash<sightline::PointId> {
  std::size_t operator()(const sightline::PointId& id) const noexcept;
};
