#include "http/keys.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "core/checksum.h"
#include "settings/toml_file.h"

namespace sightline::http {
namespace {

constexpr std::size_t kMinKeyLength = 8;
constexpr std::size_t kMaxKeyLength = 1024;

KeyDigest digest_of(std::string_view text) {
  KeyDigest digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

std::optional<KeyDigest> parse_digest(std::string_view hex) {
  KeyDigest digest;
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < hex.size(); ++i) {
    const char c = hex[i];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    digest[i / 2] = static_cast<std::uint8_t>(i % 2 == 0 ? digit << 4 : digest[i / 2] | digit);
  }
  return digest;
}

Result<void> check_length(std::string_view key, std::string_view what) {
  if (key.size() >= kMinKeyLength && key.size() <= kMaxKeyLength) return {};
  return invalid_argument(std::string(what) + " has " + std::to_string(key.size()) +
                          " characters; a key has " + std::to_string(kMinKeyLength) + ".." +
                          std::to_string(kMaxKeyLength));
}

Result<Right> parse_right(const Json& value) {
  for (const auto& [name, right] : {std::pair<std::string_view, Right>{"read", Right::kRead},
                                    {"write", Right::kWrite},
                                    {"admin", Right::kAdmin}}) {
    if (value == name) return right;
  }
  return invalid_argument("right is " + dump_json(value) + "; it must be read, write or admin");
}

Result<Key> parse_key(const Json& entry) {
  if (!entry.is_object()) return invalid_argument("it must be a table");
  Key key;
  bool has_key = false, has_right = false;
  for (const auto& [name, value] : entry.items()) {
    if (name == "right") {
      SIGHTLINE_TRY(key.principal.right, parse_right(value));
      has_right = true;
    } else if (name == "collections") {
      if (!value.is_array() ||
          !std::ranges::all_of(value, [](const Json& v) { return v.is_string(); })) {
        return invalid_argument("collections must be a list of names");
      }
      key.principal.collections = value.get<std::vector<std::string>>();
    } else if (name == "name" || name == "key" || name == "sha256") {
      if (!value.is_string()) return invalid_argument(name + " must be a text");
      const auto& text = value.get_ref<const std::string&>();
      if (name == "name") {
        key.principal.name = text;
        continue;
      }
      if (has_key) return invalid_argument("it has both key and sha256");
      has_key = true;
      if (name == "key") {
        SIGHTLINE_TRY_DO(check_length(text, "key"));
        key.digest = digest_of(text);
      } else if (const auto digest = parse_digest(text)) {
        key.digest = *digest;
      } else {
        return invalid_argument("sha256 must be 64 hex digits");
      }
    } else {
      return invalid_argument("unknown entry \"" + name +
                              "\"; there are name, key, sha256, right and collections");
    }
  }
  if (!has_key) return invalid_argument("it has neither key nor sha256");
  if (!has_right) return invalid_argument("it has no right (read, write or admin)");
  return key;
}

}  // namespace

Result<std::vector<Key>> read_keys_file(const std::filesystem::path& file) {
  SIGHTLINE_TRY(const auto entries, settings::read_toml_file(file));
  std::vector<Key> keys;
  for (const settings::TomlEntry& entry : entries) {
    if (entry.key != "key" || !entry.value.is_array()) {
      return invalid_argument(file.string() + ":" + std::to_string(entry.line) +
                              ": unknown entry \"" + entry.key + "\"; keys are [[key]] tables");
    }
    for (const Json& table : entry.value) {
      auto key = parse_key(table);
      const std::string number = "key " + std::to_string(keys.size() + 1);
      if (!key) return std::move(key).error().with_context(file.string() + ": " + number);
      if (key->principal.name.empty()) key->principal.name = number;
      keys.push_back(*std::move(key));
    }
  }
  return keys;
}

Result<std::unique_ptr<KeyRing>> KeyRing::load(KeyOptions options) {
  std::unique_ptr<KeyRing> ring(new KeyRing(std::move(options)));
  SIGHTLINE_TRY_DO(ring->reload());
  return ring;
}

Result<std::vector<Key>> KeyRing::read() const {
  std::vector<Key> keys;
  if (!options_.api_key.empty()) {
    SIGHTLINE_TRY_DO(check_length(options_.api_key, "server.api_key"));
    keys.push_back({digest_of(options_.api_key), {"api_key", Right::kAdmin, std::nullopt}});
  }
  if (!options_.read_only_api_key.empty()) {
    SIGHTLINE_TRY_DO(check_length(options_.read_only_api_key, "server.read_only_api_key"));
    keys.push_back(
        {digest_of(options_.read_only_api_key), {"read_only_api_key", Right::kRead, std::nullopt}});
  }
  if (!options_.file.empty()) {
    SIGHTLINE_TRY(auto more, read_keys_file(options_.file));
    std::ranges::move(more, std::back_inserter(keys));
  }
  return keys;
}

Result<void> KeyRing::reload() {
  SIGHTLINE_TRY(auto keys, read());
  MutexLock lock(mutex_);
  keys_ = std::move(keys);
  for (auto it = sessions_.begin(); it != sessions_.end();) {
    it = find_digest(it->second.key) == nullptr ? sessions_.erase(it) : std::next(it);
  }
  return {};
}

bool KeyRing::has_keys() const {
  MutexLock lock(mutex_);
  return !keys_.empty() || !options_.file.empty();
}

const Key* KeyRing::find_digest(const KeyDigest& digest) const {
  // All are compared whole, so that the time says nothing about which was nearly right.
  const Key* found = nullptr;
  for (const Key& key : keys_) {
    if (CRYPTO_memcmp(key.digest.data(), digest.data(), digest.size()) == 0) found = &key;
  }
  return found;
}

std::optional<Principal> KeyRing::find(std::string_view key) const {
  const KeyDigest digest = digest_of(key.substr(0, kMaxKeyLength + 1));
  MutexLock lock(mutex_);
  const Key* found = find_digest(digest);
  return found == nullptr ? std::nullopt : std::optional(found->principal);
}

std::optional<std::string> KeyRing::open_session(std::string_view key) {
  const KeyDigest digest = digest_of(key.substr(0, kMaxKeyLength + 1));
  std::array<std::uint8_t, 32> random;
  if (RAND_bytes(random.data(), random.size()) != 1) return std::nullopt;
  const std::string token = to_hex(random);
  MutexLock lock(mutex_);
  if (find_digest(digest) == nullptr) return std::nullopt;
  if (sessions_.size() >= kMaxSessions) {
    sessions_.erase(std::ranges::min_element(
        sessions_, {}, [](const auto& session) { return session.second.last_use; }));
  }
  sessions_[digest_of(token)] = {digest, std::chrono::steady_clock::now()};
  return token;
}

std::optional<Principal> KeyRing::find_session(std::string_view token) {
  const KeyDigest digest = digest_of(token.substr(0, kMaxKeyLength));
  const auto now = std::chrono::steady_clock::now();
  MutexLock lock(mutex_);
  const auto session = sessions_.find(digest);
  if (session == sessions_.end()) return std::nullopt;
  const Key* key = find_digest(session->second.key);
  if (key == nullptr || now - session->second.last_use > kSessionTime) {
    sessions_.erase(session);
    return std::nullopt;
  }
  session->second.last_use = now;
  return key->principal;
}

void KeyRing::close_session(std::string_view token) {
  const KeyDigest digest = digest_of(token.substr(0, kMaxKeyLength));
  MutexLock lock(mutex_);
  sessions_.erase(digest);
}

}  // namespace sightline::http
