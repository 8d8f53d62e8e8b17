// encoders/tokenizer.h: text -> token ids, as the model's folder says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace sightline::encoders {

/// Thread-safety: const methods may run on many threads at once.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  /// Ids with the begin and end tokens; `max_length` cuts so that the end token stays.
  /// Bytes that are not UTF-8 become U+FFFD.
  virtual std::vector<std::int32_t> encode(std::string_view text,
                                           std::optional<std::size_t> max_length) const = 0;
  virtual std::string decode(std::span<const std::int32_t> ids, bool skip_special) const = 0;
  virtual std::int32_t pad_id() const = 0;
  virtual std::int32_t end_id() const = 0;
  virtual std::size_t vocab_size() const = 0;
  virtual std::size_t model_max_length() const = 0;  ///< From tokenizer_config.json, else 77.
};

/// Reads tokenizer.json, or vocab.json + merges.txt (CLIP's byte-level BPE).
/// errors  kNotFound: neither form is there; kInvalidArgument: malformed or another kind of
/// tokenizer,
///         names the file and the field.
Result<std::unique_ptr<Tokenizer>> load_tokenizer(const std::filesystem::path& folder);

}  // namespace sightline::encoders
