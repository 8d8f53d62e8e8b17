#include "train/sources.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <sstream>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "core/json.h"
#include "train/emoji_names.h"
#include "train/internal/svg_metadata.h"

namespace sightline::train {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kStampsHeldOut = 5, kOpenclipartHeldOut = 10;
constexpr std::string_view kStampsFolder =
    "debian/tuxpaint-stamps-default/usr/share/tuxpaint/stamps";

Result<void> check_there(const std::vector<fs::path>& folders, const fs::path& data) {
  for (const auto& folder : folders) {
    if (fs::exists(folder)) continue;
    return not_found(folder.string() + " is missing: run scripts/training-data " + data.string());
  }
  return {};
}

struct IconSet {
  std::string_view name;
  bool emoji;
};
constexpr std::array<IconSet, 16> kIconSets{{{"noto", true},
                                             {"noto-v1", true},
                                             {"openmoji", true},
                                             {"fluent-emoji", true},
                                             {"fluent-emoji-flat", true},
                                             {"emojione", true},
                                             {"emojione-v1", true},
                                             {"fxemoji", true},
                                             {"twemoji", true},
                                             {"streamline-emojis", true},
                                             {"fluent-emoji-high-contrast", true},
                                             {"game-icons", false},
                                             {"icon-park", false},
                                             {"healthicons", false},
                                             {"meteocons", false},
                                             {"flat-color-icons", false}}};
constexpr std::array<std::string_view, 4> kVendors{"google", "twitter", "apple", "facebook"};

Result<std::string> read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return io_error("cannot read " + path.string());
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

/// Files below `folder` with one of the extensions, sorted.
std::vector<fs::path> files_below(const fs::path& folder, std::set<std::string> extensions) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    if (it->is_regular_file(error) && extensions.contains(it->path().extension().string())) {
      files.push_back(it->path());
    }
  }
  std::ranges::sort(files);
  return files;
}

void add_word(Words& words, std::string word) {
  static const std::unordered_set<std::string> kMeaningless{"hash", "clip art", "clipart", "svg"};
  if (word.size() < 2 || word.size() > 40 || word == words.title) return;
  if (kMeaningless.contains(word) || (word[0] >= '0' && word[0] <= '9')) return;
  if (std::ranges::find(words.words, word) == words.words.end()) {
    words.words.push_back(std::move(word));
  }
}

/// Names of the folders between `root` and `file`.
void add_folders(Words& words, const fs::path& file, const fs::path& root) {
  for (const auto& part : fs::relative(file.parent_path(), root)) {
    std::string word = normalise_caption(part.string());
    if (word != "unsorted" && word != "special") add_word(words, std::move(word));
  }
}

/// "frog 1" -> "frog", "church two" -> "church": numbers at the end tell copies apart.
std::string without_trailing_number(std::string text) {
  const std::size_t end = text.find_last_not_of("0123456789 ");
  if (end != std::string::npos && end + 1 < text.size()) text.resize(end + 1);
  for (const std::string_view number : {" one", " two", " three", " four", " five"}) {
    if (text.ends_with(number)) text.resize(text.size() - number.size());
  }
  return text;
}

void add_stamps(const fs::path& root, std::vector<SourcePicture>& out) {
  for (const auto& file : files_below(root, {".png", ".svg"})) {
    const std::string stem = file.stem().string();
    if (stem.ends_with("_mirror") || stem.ends_with("_flip")) continue;
    SourcePicture picture{.source = "stamps", .name = fs::relative(file, root).string()};
    fs::path text_file = file;
    if (std::ifstream text(text_file.replace_extension(".txt")); text) {
      std::string line;
      std::getline(text, line);
      picture.words.title = normalise_title(line);
    }
    const std::string from_name = without_trailing_number(normalise_caption(stem));
    if (picture.words.title.empty()) picture.words.title = from_name;
    if (picture.words.title.empty()) continue;
    fs::path flags_file = file;
    if (std::ifstream flags(flags_file.replace_extension(".dat")); flags) {
      for (std::string line; std::getline(flags, line);) {
        if (line.starts_with("nomirror")) picture.may_mirror = false;
      }
    }
    add_word(picture.words, from_name);
    add_folders(picture.words, file, root);
    picture.held_out = is_held_out_title(picture.words.title, kStampsHeldOut);
    picture.file = file;
    out.push_back(std::move(picture));
  }
}

/// "barattolo_di_pillole_arc_01" by "architetto francesco" -> "barattolo di pillole": openclipart's
/// file names end in the (cut) name of the author and a number.
std::string title_from_file_name(const std::string& stem, const std::string& creator) {
  std::istringstream in(without_trailing_number(normalise_caption(stem)));
  std::vector<std::string> parts;
  for (std::string part; in >> part;) {
    // "star 45pt14step": what holds a digit is a number of the series.
    if (parts.empty() || part.find_first_of("0123456789") == std::string::npos) {
      parts.push_back(part);
    }
  }
  const std::string author = ' ' + normalise_caption(creator);
  while (parts.size() > 1 && author.find(' ' + parts.back()) != std::string::npos) parts.pop_back();
  std::string title;
  for (const auto& part : parts) title += (title.empty() ? "" : " ") + part;
  return without_trailing_number(title);
}

/// "Clipart by Nicu Buculei - arrow 9" -> "arrow": one author's prefix on hundreds of files.
std::string title_of_work(const std::string& title) {
  std::string out = normalise_title(title);
  constexpr std::string_view kPrefix = "clipart by nicu buculei ";
  if (out.starts_with(kPrefix)) out.erase(0, kPrefix.size());
  return without_trailing_number(out);
}

bool is_usable_title(const std::string& title) {
  static const std::unordered_set<std::string> kMeaningless{
      "untitled", "drawing",      "image",          "picture", "clipart", "clip art",
      "test",     "new document", "new document 1", "svg",     "icon",    "unknown",
      "no title", "title",        "layer 1",        "dessin"};
  return title.size() >= 3 && title.size() <= 60 && !kMeaningless.contains(title) &&
         title.find_first_not_of("0123456789 ") != std::string::npos;
}

/// A title that so many files share is that of a collection, not of a picture.
constexpr int kCollectionTitle = 12;

Result<void> list_openclipart(const fs::path& png_root, const fs::path& svg_root,
                              std::vector<SourcePicture>& out) {
  const std::size_t first = out.size();
  std::vector<std::string> names;
  std::unordered_map<std::string, int> title_counts;
  for (const auto& file : files_below(png_root, {".png"})) {
    SourcePicture picture{.source = "openclipart", .name = fs::relative(file, png_root).string()};
    fs::path svg = svg_root / picture.name;
    SvgMetadata metadata;
    if (const auto text = read_text(svg.replace_extension(".svg"))) {
      metadata = parse_svg_metadata(*text);
    }
    picture.words.title = title_of_work(metadata.title);
    const std::string from_name = title_from_file_name(file.stem().string(), metadata.creator);
    for (const auto& keyword : metadata.keywords) {
      add_word(picture.words, normalise_caption(keyword));
    }
    add_folders(picture.words, file, png_root);
    picture.file = file;
    ++title_counts[picture.words.title];
    names.push_back(from_name);
    out.push_back(std::move(picture));
  }
  for (std::size_t i = first; i < out.size(); ++i) {
    Words& words = out[i].words;
    const std::string& name = names[i - first];
    if (is_usable_title(words.title) && title_counts[words.title] < kCollectionTitle) {
      out[i].held_out = is_held_out_title(words.title, kOpenclipartHeldOut);
    } else {
      words.title = name;
    }
    add_word(words, name);
  }
  std::erase_if(out, [](const SourcePicture& picture) {
    return picture.source == "openclipart" && !is_usable_title(picture.words.title);
  });
  return {};
}

Result<void> list_vendor_emoji(const fs::path& npm, std::string_view vendor,
                               const EmojiNames& names, std::vector<SourcePicture>& out) {
  const std::string key(vendor);
  const fs::path folder = npm / ("emoji-datasource-" + key);
  SIGHTLINE_TRY(const Json emoji, read_json_file(folder / "emoji.json"));
  try {
    for (const auto& item : emoji) {
      if (!item.value("has_img_" + key, false)) continue;
      SourcePicture picture{.source = "emoji-" + key, .name = item.at("image")};
      const Words* words = names.by_code(item.at("unified").get<std::string>());
      if (words != nullptr) {
        picture.words = *words;
      } else {
        picture.words.title = normalise_title(item.at("name").get<std::string>());
        add_word(picture.words, normalise_caption(item.at("category").get<std::string>()));
      }
      picture.held_out = is_measured_only(picture.source);
      picture.file = folder / "img" / key / "64" / picture.name;
      out.push_back(std::move(picture));
    }
  } catch (const Json::exception& e) {
    return invalid_argument((folder / "emoji.json").string() + ": " + e.what());
  }
  return {};
}

/// Left and right, letters and flags change their meaning in a mirror.
bool may_mirror(const std::string& title) {
  static const std::unordered_set<std::string> kSided{
      "left",   "right", "leftwards", "rightwards", "arrow",  "flag",     "letter",  "button",
      "keycap", "clock", "sign",      "symbol",     "number", "question", "forward", "back"};
  std::istringstream in(title);
  for (std::string word; in >> word;) {
    if (word.size() == 1 || kSided.contains(word)) return false;
  }
  return true;
}

bool is_skin_tone(const std::string& name, const Json& icons) {
  if (name.find("skin-tone") != std::string::npos) return true;
  // Fluent: "artist", "artist-dark", "artist-medium-dark".
  for (const std::string_view tone :
       {"-medium-light", "-medium-dark", "-medium", "-light", "-dark"}) {
    if (!name.ends_with(tone)) continue;
    return icons.contains(name.substr(0, name.size() - tone.size()));
  }
  return false;
}

/// The icon's name without what only tells its style.
std::string plain_icon_name(std::string name) {
  for (const std::string_view style : {"-24px", "-negative", "-outline", "-fill", "-low"}) {
    if (name.ends_with(style) && name.size() > style.size() + 1) {
      name.resize(name.size() - style.size());
    }
  }
  return without_trailing_number(normalise_caption(name));
}

std::string svg_document(const Json& icon, const Json& set) {
  const auto number = [&](const char* key, double otherwise) {
    return icon.value(key, set.value(key, otherwise));
  };
  std::ostringstream out;
  const double width = number("width", 16), height = number("height", 16);
  out << "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" "
      << "width=\"" << width << "\" height=\"" << height << "\" color=\"#000\" viewBox=\""
      << number("left", 0) << ' ' << number("top", 0) << ' ' << width << ' ' << height << "\">"
      << icon.at("body").get_ref<const std::string&>() << "</svg>";
  return std::move(out).str();
}

Result<void> list_icons(const fs::path& npm, const IconSet& set, const EmojiNames& names,
                        WordCutter& cutter, std::vector<SourcePicture>& out) {
  const fs::path folder = npm / "@iconify-json" / set.name;
  SIGHTLINE_TRY(const Json icons, read_json_file(folder / "icons.json"));
  Json metadata = Json::object();
  if (auto read = read_json_file(folder / "metadata.json")) metadata = std::move(*read);
  try {
    std::unordered_map<std::string, std::vector<std::string>> categories;
    const Json by_category = metadata.value("categories", Json::object());
    for (const auto& [category, members] : by_category.items()) {
      for (const auto& member : members) {
        categories[member.get<std::string>()].push_back(normalise_caption(category));
      }
    }
    for (const auto& [name, icon] : icons.at("icons").items()) {
      if (icon.value("hidden", false) || name.ends_with("-24px")) continue;
      if (is_skin_tone(name, icons["icons"])) continue;
      SourcePicture picture{.source = std::string(set.name), .name = name};
      const std::string plain = plain_icon_name(name);
      const Words* words = set.emoji ? names.by_name(name) : nullptr;
      if (words == nullptr && set.emoji) words = names.by_name(plain);
      if (words == nullptr && set.emoji && plain.starts_with("flag for ")) {
        words = names.by_name("flag " + plain.substr(9));
      }
      if (words != nullptr) {
        picture.words = *words;
      } else {
        picture.words.title = set.name == "fxemoji" ? cutter.cut(plain) : plain;
      }
      if (picture.words.title.size() < 2) continue;
      if (set.name != "fxemoji") {
        cutter.add(picture.words.title);
        add_word(picture.words, plain);
      }
      for (const auto& category : categories[name]) add_word(picture.words, category);
      picture.svg = svg_document(icon, icons);
      picture.one_colour = picture.svg.find("currentColor") != std::string::npos;
      out.push_back(std::move(picture));
    }
  } catch (const Json::exception& e) {
    return invalid_argument((folder / "icons.json").string() + ": " + e.what());
  }
  return {};
}

}  // namespace

bool is_measured_only(const std::string& source) {
  return source == "emoji-apple" || source == "emoji-facebook";
}

Result<std::vector<SourcePicture>> list_stamps(const fs::path& data) {
  const fs::path folder = data / kStampsFolder;
  SIGHTLINE_TRY_DO(check_there({folder}, data));
  std::vector<SourcePicture> stamps;
  add_stamps(folder, stamps);
  return stamps;
}

Result<std::vector<SourcePicture>> list_sources(const fs::path& data) {
  const fs::path npm = data / "npm", stamps = data / kStampsFolder;
  const fs::path png = data / "debian/openclipart-png/usr/share/openclipart/png";
  const fs::path svg = data / "debian/openclipart-svg/usr/share/openclipart/svg";
  SIGHTLINE_TRY_DO(check_there({stamps, png, svg, npm / "emojibase-data"}, data));
  SIGHTLINE_TRY(const EmojiNames names, EmojiNames::load(npm));
  std::vector<SourcePicture> pictures;
  add_stamps(stamps, pictures);
  SIGHTLINE_TRY_DO(list_openclipart(png, svg, pictures));
  for (const auto vendor : kVendors) {
    SIGHTLINE_TRY_DO(list_vendor_emoji(npm, vendor, names, pictures));
  }
  WordCutter cutter;
  for (const auto& picture : pictures) cutter.add(picture.words.title);
  // fxemoji's names are cut by the words of all other sets: it comes last.
  for (const bool run_together : {false, true}) {
    for (const auto& set : kIconSets) {
      if ((set.name == "fxemoji") != run_together) continue;
      SIGHTLINE_TRY_DO(list_icons(npm, set, names, cutter, pictures));
    }
  }
  for (auto& picture : pictures) picture.may_mirror &= may_mirror(picture.words.title);
  return pictures;
}

}  // namespace sightline::train
