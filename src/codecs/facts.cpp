#include "codecs/facts.h"

#include <openssl/evp.h>

#include <cstdio>

#include "core/checksum.h"

namespace sightline::codecs {

Sha256 sha256(std::span<const std::byte> bytes) {
  Sha256 digest{};
  unsigned size = 0;
  // Fails only if OpenSSL was built without SHA-256.
  SIGHTLINE_CHECK(
      EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1 &&
      size == digest.size());
  return digest;
}

Sha256 sha256(std::string_view text) { return sha256(std::as_bytes(std::span(text))); }

Json picture_facts(std::span<const std::byte> bytes, const ImageHeader& header,
                   image::ImageView pixels, const Sha256& content_hash, image::ImageView small) {
  Json facts = read_metadata(bytes);
  facts["width"] = pixels.width;
  facts["height"] = pixels.height;
  facts["format"] = format_name(header.format);
  facts["bytes"] = bytes.size();
  facts["content_hash"] = "sha256:" + to_hex(content_hash);
  char hash[17];
  std::snprintf(
      hash, sizeof hash, "%016llx",
      static_cast<unsigned long long>(perceptual_hash(small.data == nullptr ? pixels : small)));
  facts["perceptual_hash"] = hash;
  return facts;
}

}  // namespace sightline::codecs
