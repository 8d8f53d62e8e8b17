#include "train/held_out_manifests.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <unordered_set>

#include "core/json.h"
#include "train/noun_texts.h"

namespace sightline::train {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kFewest = 20;
/// Synonyms of more words are not looked for in captions.
constexpr std::size_t kLongestPhrase = 4;

/// All sequences of words that captions are made of.
class Phrases {
 public:
  void add(const std::string& caption) {
    std::istringstream in(caption);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(word);
    for (std::size_t first = 0; first < words.size(); ++first) {
      std::string phrase;
      for (std::size_t i = first; i < std::min(words.size(), first + kLongestPhrase); ++i) {
        phrase += (i > first ? " " : "") + words[i];
        phrases_.insert(phrase);
      }
    }
  }
  bool contains(const std::string& phrase) const { return phrases_.contains(phrase); }

 private:
  std::unordered_set<std::string> phrases_;
};

Phrases trained_phrases(const std::vector<SourcePicture>& pictures, const WordNet& net) {
  Phrases phrases;
  for (const LanguageText& text : list_noun_texts(pictures, net)) phrases.add(text.text);
  for (const SourcePicture& picture : pictures) {
    if (picture.held_out || is_measured_only(picture.source)) continue;
    phrases.add(picture.words.title);
    for (const std::string& word : picture.words.words) phrases.add(word);
  }
  return phrases;
}

/// The first synonym of `noun` that nobody was told; empty without one.
std::string unseen_synonym(const std::string& noun, const WordNet& net, const Phrases& seen) {
  for (const std::string& synonym : net.synonyms(noun)) {
    std::string words = normalise_caption(synonym);
    const auto spaces = static_cast<std::size_t>(std::ranges::count(words, ' '));
    if (words != noun && spaces < kLongestPhrase && !seen.contains(words)) return words;
  }
  return {};
}

/// Writes nothing for a handful of pictures.
Result<void> write_manifest(const std::vector<HeldOutPicture>& pictures, const fs::path& file,
                            std::vector<fs::path>& written) {
  if (pictures.size() < kFewest) return {};
  std::ofstream out(file, std::ios::binary);
  for (const auto& [image, caption] : pictures) {
    out << OrderedJson{{"image", image.string()}, {"caption", caption}}.dump() << '\n';
  }
  out.close();
  if (!out) return io_error("cannot write " + file.string());
  written.push_back(file);
  return {};
}

}  // namespace

std::vector<HeldOutPicture> with_unseen_synonyms(const std::vector<HeldOutPicture>& held_out,
                                                 const std::vector<SourcePicture>& pictures,
                                                 const WordNet& net) {
  const Phrases seen = trained_phrases(pictures, net);
  std::vector<HeldOutPicture> renamed;
  for (const auto& [image, caption] : held_out) {
    std::string other = unseen_synonym(caption, net, seen);
    const std::size_t last = caption.rfind(' ');
    if (other.empty() && last != std::string::npos) {
      const std::string head = unseen_synonym(caption.substr(last + 1), net, seen);
      if (!head.empty()) other = caption.substr(0, last + 1) + head;
    }
    if (!other.empty()) renamed.push_back({image, std::move(other)});
  }
  return renamed;
}

Result<std::vector<fs::path>> write_held_out_manifests(const fs::path& data,
                                                       const fs::path& folder) {
  SIGHTLINE_TRY(const auto pictures, list_sources(data));
  SIGHTLINE_TRY(const auto texts, list_language_texts(data));
  SIGHTLINE_TRY(const auto net, read_wordnet(data));
  std::set<std::string> languages{"en"};
  for (const LanguageText& text : texts) languages.insert(text.language);
  std::error_code error;
  fs::create_directories(folder, error);
  std::vector<fs::path> files;
  for (const std::string source : {"emoji-apple", "emoji-facebook", "openclipart", "stamps"}) {
    for (const std::string& language : languages) {
      if (source.starts_with("emoji-") && !has_emoji_labels(data, language)) continue;
      if (source == "openclipart" && language != "en") continue;
      SIGHTLINE_TRY(const auto held_out, list_held_out(pictures, data, source, language));
      SIGHTLINE_TRY_DO(
          write_manifest(held_out, folder / (source + '.' + language + ".jsonl"), files));
      if (language != "en") continue;
      SIGHTLINE_TRY_DO(write_manifest(with_unseen_synonyms(held_out, pictures, net),
                                      folder / (source + ".synonyms.jsonl"), files));
    }
  }
  return files;
}

}  // namespace sightline::train
