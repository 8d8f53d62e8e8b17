#include "train/emoji_names.h"

#include <algorithm>
#include <limits>

#include "core/json.h"

namespace sightline::train {
namespace {

std::string squash(std::string_view name) {
  std::string out = normalise_caption(name);
  std::erase(out, ' ');
  std::erase(out, '\'');
  return out;
}

void add_word(std::vector<std::string>& words, std::string word, const std::string& title) {
  if (word.empty() || word == title || std::ranges::find(words, word) != words.end()) return;
  words.push_back(std::move(word));
}

}  // namespace

std::string emoji_code(std::string_view hexcode) {
  std::string out;
  for (std::size_t i = 0; i < hexcode.size();) {
    const std::size_t end = std::min(hexcode.find('-', i), hexcode.size());
    std::string part(hexcode.substr(i, end - i));
    std::ranges::transform(part, part.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    if (part != "fe0f") out += (out.empty() ? "" : "-") + part;
    i = end + 1;
  }
  return out;
}

Result<EmojiNames> EmojiNames::load(const std::filesystem::path& npm) {
  const auto english = npm / "emojibase-data" / "en";
  SIGHTLINE_TRY(const Json data, read_json_file(english / "data.json"));
  SIGHTLINE_TRY(const Json messages, read_json_file(english / "messages.json"));
  SIGHTLINE_TRY(const Json older, read_json_file(npm / "emoji-datasource-google" / "emoji.json"));
  try {
    std::unordered_map<int, std::string> groups, subgroups;
    for (const auto& g : messages.at("groups")) groups[g.at("order")] = g.at("message");
    for (const auto& g : messages.at("subgroups")) subgroups[g.at("order")] = g.at("message");
    EmojiNames names;
    for (const auto& item : data) {
      Words words{normalise_title(item.at("label").get<std::string>()), {}};
      const Json tags = item.value("tags", Json::array());
      for (const auto& tag : tags) {
        add_word(words.words, normalise_caption(tag.get<std::string>()), words.title);
      }
      if (item.contains("subgroup")) {
        add_word(words.words, normalise_caption(subgroups[item["subgroup"]]), words.title);
      }
      if (item.contains("group")) {
        add_word(words.words, normalise_caption(groups[item["group"]]), words.title);
      }
      const std::size_t entry = names.entries_.size();
      names.codes_.emplace(emoji_code(item.at("hexcode").get<std::string>()), entry);
      names.add_name(words.title, entry);
      names.entries_.push_back(std::move(words));
    }
    for (const auto& item : older) {
      const auto found = names.codes_.find(emoji_code(item.at("unified").get<std::string>()));
      if (found == names.codes_.end()) continue;
      names.add_name(item.at("name").is_string() ? item["name"].get<std::string>() : "",
                     found->second);
      for (const auto& short_name : item.at("short_names")) {
        names.add_name(short_name.get<std::string>(), found->second);
      }
    }
    return names;
  } catch (const Json::exception& e) {
    return invalid_argument("emoji names in " + npm.string() + ": " + e.what());
  }
}

void EmojiNames::add_name(std::string_view name, std::size_t entry) {
  std::string key = squash(name);
  if (!key.empty()) names_.emplace(std::move(key), entry);
}

const Words* EmojiNames::by_code(std::string_view code) const {
  const auto found = codes_.find(emoji_code(code));
  return found == codes_.end() ? nullptr : &entries_[found->second];
}

const Words* EmojiNames::by_name(std::string_view name) const {
  const auto found = names_.find(squash(name));
  return found == names_.end() ? nullptr : &entries_[found->second];
}

void WordCutter::add(std::string_view caption) {
  for (std::size_t i = 0; i < caption.size();) {
    const std::size_t end = std::min(caption.find(' ', i), caption.size());
    if (end - i >= 3 || caption.substr(i, end - i) == "of") {
      ++words_[std::string(caption.substr(i, end - i))];
    }
    i = end + 1;
  }
}

std::string WordCutter::cut(const std::string& text) const {
  constexpr int kNever = std::numeric_limits<int>::max() / 2;
  std::vector<int> cost(text.size() + 1, kNever);
  std::vector<std::size_t> from(text.size() + 1, 0);
  cost[0] = 0;
  for (std::size_t end = 1; end <= text.size(); ++end) {
    for (std::size_t begin = 0; begin < end; ++begin) {
      if (cost[begin] + 1 >= cost[end]) continue;
      const auto found = words_.find(text.substr(begin, end - begin));
      if (found == words_.end() || found->second < 2) continue;
      cost[end] = cost[begin] + 1;
      from[end] = begin;
    }
  }
  if (cost.back() >= kNever) return text;
  std::string out;
  for (std::size_t end = text.size(); end > 0; end = from[end]) {
    out = text.substr(from[end], end - from[end]) + (out.empty() ? "" : " " + out);
  }
  return out;
}

}  // namespace sightline::train
