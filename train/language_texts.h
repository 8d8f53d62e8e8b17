// train/language_texts.h: what the pictures' concepts are called in other languages: the labels and
// tags of emojibase-data, and the sentences beside Tux Paint's stamps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "train/sources.h"

namespace sightline::train {

/// A text and the English titles (normalise_title()) of what it names: one for a label, all emoji
/// that have it for a tag.
struct LanguageText {
  std::string language;  ///< ISO 639: "de", "zh"; regional variants are joined.
  std::string text;      ///< normalise_foreign()
  std::vector<std::string> titles;
  bool held_out = false;  ///< Of a stamp that is never trained on.
};

/// normalise_caption(), with the punctuation of Chinese and Japanese as spaces too.
std::string normalise_foreign(std::string_view text);

/// Every text in languages other than English below `data` (what scripts/training-data made),
/// sorted by language and text. errors  kNotFound: `data` lacks a package, names it.
Result<std::vector<LanguageText>> list_language_texts(const std::filesystem::path& data);

/// A picture that nothing is trained on, and what it is called.
struct HeldOutPicture {
  std::filesystem::path image;
  std::string caption;
};

/// Those of `pictures` (list_sources() of `data`) that `source` ("emoji-apple", "emoji-facebook",
/// "stamps", "openclipart") holds out, with captions in `language` ("en", "de", ...): the titles
/// that the trainer uses, labels of emojibase-data, or the stamps' own sentences. Pictures without
/// one are left out, and drawings (SVG), which codecs does not read.
/// errors  kNotFound: `data` lacks a package.
Result<std::vector<HeldOutPicture>> list_held_out(const std::vector<SourcePicture>& pictures,
                                                  const std::filesystem::path& data,
                                                  const std::string& source,
                                                  const std::string& language);

/// Whether emojibase-data has labels in `language`.
bool has_emoji_labels(const std::filesystem::path& data, const std::string& language);

}  // namespace sightline::train
