// http/keys.h: keys, what they allow, and the sessions that the page trades them for.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/mutex.h"
#include "core/result.h"
#include "http/access.h"

namespace sightline::http {

using KeyDigest = std::array<std::uint8_t, 32>;  ///< SHA-256

/// One key, as its digest. Keys themselves are not kept.
struct Key {
  KeyDigest digest{};
  Principal principal;
};

struct KeyOptions {
  std::string api_key;            ///< Right kAdmin; empty: none.
  std::string read_only_api_key;  ///< Right kRead; empty: none.
  std::filesystem::path file;     ///< More keys; empty: none.
  bool anonymous_read = false;    ///< Requests without a key may read.
};

/// Reads a file of keys:
///   [[key]]
///   name = "gallery"              # for logs
///   key = "..."                   # or sha256 = "64 hex digits"
///   right = "read"                # "read", "write", "admin"
///   collections = ["photos"]      # left out: all
/// errors  kNotFound, kIoError; kInvalidArgument: names file, key and rule. Keys have at least 8
///         characters.
Result<std::vector<Key>> read_keys_file(const std::filesystem::path& file);

/// Thread-safety: all methods may be called from any thread.
class KeyRing {
 public:
  /// errors  those of read_keys_file(); kInvalidArgument: a key of `options` is too short.
  static Result<std::unique_ptr<KeyRing>> load(KeyOptions options);

  /// Reads the file again; sessions of keys that are gone end. On failure all stays as it was.
  Result<void> reload();

  bool has_keys() const;
  bool anonymous_read() const { return options_.anonymous_read; }

  /// Compares with every key in constant time. nullopt: no such key.
  std::optional<Principal> find(std::string_view key) const;

  /// A session's token (64 hex digits) for a key, good for `kSessionTime` from its last use.
  /// nullopt: no such key.
  std::optional<std::string> open_session(std::string_view key);
  std::optional<Principal> find_session(std::string_view token);
  void close_session(std::string_view token);

  static constexpr std::chrono::hours kSessionTime{24 * 30};
  static constexpr std::size_t kMaxSessions = 10'000;  ///< The one unused for longest makes way.
  static constexpr std::string_view kCookieName = "sightline_session";

 private:
  struct Session {
    KeyDigest key{};
    std::chrono::steady_clock::time_point last_use;
  };

  explicit KeyRing(KeyOptions options) : options_(std::move(options)) {}
  Result<std::vector<Key>> read() const;
  const Key* find_digest(const KeyDigest& digest) const REQUIRES(mutex_);

  const KeyOptions options_;
  mutable Mutex mutex_;
  std::vector<Key> keys_ GUARDED_BY(mutex_);
  std::map<KeyDigest, Session> sessions_ GUARDED_BY(mutex_);  // by digest of the token
};

}  // namespace sightline::http
