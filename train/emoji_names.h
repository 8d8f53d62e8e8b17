// train/emoji_names.h: what emoji are called (emojibase-data), found by code point or by the name
// an icon set gives them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/result.h"
#include "train/captions.h"

namespace sightline::train {

/// "1F431-FE0F" -> "1f431": lower case, without the sign for "as a picture".
std::string emoji_code(std::string_view hexcode);

/// Thread-safety: const methods may run on many threads at once.
class EmojiNames {
 public:
  /// Reads `npm`/emojibase-data/en and the older names in emoji-datasource-google.
  static Result<EmojiNames> load(const std::filesystem::path& npm);

  /// By hex code points joined by '-', any case, with or without FE0F. nullptr: unknown.
  const Words* by_code(std::string_view code) const;
  /// By a name in any of the spellings "cat-face", "cat face", "catface". nullptr: unknown.
  const Words* by_name(std::string_view name) const;

 private:
  void add_name(std::string_view name, std::size_t entry);

  std::vector<Words> entries_;
  std::unordered_map<std::string, std::size_t> codes_, names_;
};

/// Cuts run-together names ("americasglobe") at the words of a vocabulary.
class WordCutter {
 public:
  void add(std::string_view caption);
  /// The cut with the fewest words of three letters or more, or `text` itself if there is none.
  std::string cut(const std::string& text) const;

 private:
  std::unordered_map<std::string, int> words_;
};

}  // namespace sightline::train
