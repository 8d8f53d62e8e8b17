// http/access.h: what a request may do.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sightline::http {

/// Each holds those before it.
enum class Right {
  kNone,   ///< Needs no key.
  kRead,   ///< Search, get, list.
  kWrite,  ///< Points and payloads.
  kAdmin,  ///< Collections, jobs, paths of the server, keys.
};

/// Who asks.
struct Principal {
  std::string name;  ///< Of the key; "loopback", "anonymous".
  Right right = Right::kNone;
  /// Collections that the right is for; nullopt: all of them.
  std::optional<std::vector<std::string>> collections;

  bool may(Right wanted) const { return wanted <= right; }
  /// Also whether `collection` is among those the key is for.
  bool may(Right wanted, std::string_view collection) const;
};

}  // namespace sightline::http
