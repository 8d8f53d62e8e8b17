// core/internal/token_reader.h: the words of a text, one at a time, without copying the text.
#pragma once

#include <string>
#include <string_view>

namespace sightline::internal {

/// Words as text_tokens() gives them. Thread-safety: a value; `text` outlives it.
class TokenReader {
 public:
  explicit TokenReader(std::string_view text) : rest_(text) {}
  /// Puts the next word into `token`; false after the last one.
  bool next(std::string& token);

 private:
  std::string_view rest_;
};

}  // namespace sightline::internal
