#include "train/language_texts.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <set>
#include <utility>

#include "core/json.h"
#include "train/captions.h"
#include "train/emoji_names.h"
#include "train/sources.h"

namespace sightline::train {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kLongest = 120;  // bytes; beyond it are whole sentences about a stamp
/// A tag on more emoji than that ("symbol") says nothing that pictures could show.
constexpr std::size_t kMostTitles = 60;

/// "pt_BR", "zh-hant", "ca@valencia" -> "pt", "zh", "ca".
std::string language_of(const std::string& locale) {
  return locale.substr(0, locale.find_first_of("-_@."));
}

/// Texts by language and words; what they name is collected.
class Collector {
 public:
  void add(const std::string& locale, std::string_view text, const std::string& title,
           bool held_out) {
    const std::string language = language_of(locale);
    std::string words = normalise_foreign(text);
    if (language == "en" || language.empty() || words.empty() || words.size() > kLongest) return;
    // Left untranslated.
    if (words == title || normalise_title(words) == title) return;
    Entry& entry = entries_[{language, std::move(words)}];
    entry.titles.insert(title);
    entry.held_out |= held_out;
  }

  std::vector<LanguageText> take() {
    std::vector<LanguageText> out;
    for (auto& [key, entry] : entries_) {
      if (entry.titles.size() > kMostTitles) continue;
      out.push_back(
          {key.first, key.second, {entry.titles.begin(), entry.titles.end()}, entry.held_out});
    }
    return out;
  }

 private:
  struct Entry {
    std::set<std::string> titles;
    bool held_out = false;
  };
  std::map<std::pair<std::string, std::string>, Entry> entries_;
};

fs::path emojibase(const fs::path& data) { return data / "npm" / "emojibase-data"; }

/// Folders of emojibase-data that hold a language, sorted.
std::vector<std::string> emoji_locales(const fs::path& data) {
  std::vector<std::string> locales;
  std::error_code error;
  for (fs::directory_iterator it(emojibase(data), error), end; !error && it != end;
       it.increment(error)) {
    if (fs::exists(it->path() / "data.json")) locales.push_back(it->path().filename().string());
  }
  std::ranges::sort(locales);
  return locales;
}

struct EmojiLabel {
  std::string code;   ///< emoji_code()
  std::string label;  ///< As written there.
};

Result<std::vector<EmojiLabel>> list_emoji_labels(const fs::path& data,
                                                  const std::string& language) {
  const fs::path path = emojibase(data) / language / "data.json";
  if (!fs::exists(path)) {
    return not_found(path.string() + " is missing: run scripts/training-data " + data.string());
  }
  SIGHTLINE_TRY(const Json emoji, read_json_file(path));
  std::vector<EmojiLabel> out;
  try {
    for (const auto& item : emoji) {
      out.push_back({emoji_code(item.at("hexcode").get<std::string>()), item.at("label")});
    }
  } catch (const Json::exception& e) {
    return invalid_argument(path.string() + ": " + e.what());
  }
  return out;
}

Result<void> add_emoji(const fs::path& data, Collector& out) {
  std::map<std::string, std::string> titles;  // by code
  SIGHTLINE_TRY(const auto english, list_emoji_labels(data, "en"));
  for (const auto& [code, label] : english) titles[code] = normalise_title(label);
  for (const std::string& locale : emoji_locales(data)) {
    if (language_of(locale) == "en") continue;
    const fs::path folder = emojibase(data) / locale;
    SIGHTLINE_TRY(const Json emoji, read_json_file(folder / "data.json"));
    SIGHTLINE_TRY(const Json messages, read_json_file(folder / "messages.json"));
    try {
      std::map<int, std::string> subgroups;
      for (const auto& g : messages.at("subgroups")) subgroups[g.at("order")] = g.at("message");
      for (const auto& item : emoji) {
        const auto title = titles.find(emoji_code(item.at("hexcode").get<std::string>()));
        if (title == titles.end()) continue;
        out.add(locale, item.at("label").get<std::string>(), title->second, false);
        const Json tags = item.value("tags", Json::array());
        for (const auto& tag : tags) out.add(locale, tag.get<std::string>(), title->second, false);
        if (item.contains("subgroup")) {
          out.add(locale, subgroups[item["subgroup"]], title->second, false);
        }
      }
    } catch (const Json::exception& e) {
      return invalid_argument((folder / "data.json").string() + ": " + e.what());
    }
  }
  return {};
}

struct StampLine {
  std::string locale, text;
};

/// Lines "de.utf8=Ein Frosch." behind the English first line of a stamp's text.
std::vector<StampLine> stamp_lines(const SourcePicture& stamp) {
  std::vector<StampLine> lines;
  fs::path text_file = stamp.file;
  std::ifstream text(text_file.replace_extension(".txt"));
  constexpr std::string_view kMark = ".utf8=";
  for (std::string line; std::getline(text, line);) {
    const std::size_t mark = line.find(kMark);
    if (mark == std::string::npos) continue;
    lines.push_back({line.substr(0, mark), line.substr(mark + kMark.size())});
  }
  return lines;
}

Result<void> add_stamps(const fs::path& data, Collector& out) {
  SIGHTLINE_TRY(const auto stamps, list_stamps(data));
  for (const SourcePicture& stamp : stamps) {
    for (const auto& [locale, text] : stamp_lines(stamp)) {
      out.add(locale, text, stamp.words.title, stamp.held_out);
    }
  }
  return {};
}

/// The stamp's sentence in `language`; of several regions the first.
std::string stamp_caption(const SourcePicture& stamp, const std::string& language) {
  for (const auto& [locale, text] : stamp_lines(stamp)) {
    const std::string words = normalise_foreign(text);
    const bool is_translated = !words.empty() && normalise_title(words) != stamp.words.title;
    if (language_of(locale) == language && is_translated) return words;
  }
  return {};
}

}  // namespace

std::string normalise_foreign(std::string_view text) {
  std::string spaced;
  for (std::size_t i = 0; i < text.size();) {
    // U+3000..U+303F, U+FF00..U+FF0F, U+FF1A..U+FF20: ideographic space, brackets, full-width
    // signs.
    const auto at = [&](std::size_t k) {
      return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u;
    };
    const bool is_cjk = at(0) == 0xe3 && at(1) == 0x80;
    const bool is_wide =
        at(0) == 0xef && at(1) == 0xbc && (at(2) < 0x90 || at(2) >= 0x9a) && at(2) <= 0xa0;
    if (is_cjk || is_wide) {
      spaced += ' ';
      i += 3;
    } else {
      spaced += text[i++];
    }
  }
  return normalise_caption(spaced);
}

Result<std::vector<LanguageText>> list_language_texts(const fs::path& data) {
  Collector out;
  SIGHTLINE_TRY_DO(add_emoji(data, out));
  SIGHTLINE_TRY_DO(add_stamps(data, out));
  return out.take();
}

Result<std::vector<HeldOutPicture>> list_held_out(const std::vector<SourcePicture>& pictures,
                                                  const fs::path& data, const std::string& source,
                                                  const std::string& language) {
  std::map<std::string, std::string> labels;  // by code
  const bool is_emoji = source.starts_with("emoji-");
  if (is_emoji && language != "en") {
    if (!fs::exists(emojibase(data) / language)) return std::vector<HeldOutPicture>();
    SIGHTLINE_TRY(const auto list, list_emoji_labels(data, language));
    for (const auto& [code, label] : list) labels[code] = normalise_foreign(label);
  }
  std::vector<HeldOutPicture> out;
  for (const SourcePicture& picture : pictures) {
    if (picture.source != source || !picture.held_out || picture.file.extension() != ".png")
      continue;
    std::string caption = picture.words.title;
    if (language != "en") {
      caption = is_emoji ? labels[emoji_code(picture.file.stem().string())]
                         : stamp_caption(picture, language);
    }
    if (!caption.empty()) out.push_back({picture.file, std::move(caption)});
  }
  return out;
}

bool has_emoji_labels(const fs::path& data, const std::string& language) {
  return fs::exists(emojibase(data) / language / "data.json");
}

}  // namespace sightline::train
