#include "train/noun_texts.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>

#include "train/captions.h"

namespace sightline::train {
namespace {

/// A word for more titles than that says nothing that pictures could show.
constexpr std::size_t kMostTitles = 60;
constexpr std::size_t kLevels = 3;  // of hypernyms
constexpr std::uint64_t kOneSynonymIn = 2;

class NounTexts {
 public:
  NounTexts(const std::vector<SourcePicture>& pictures, const WordNet& net) : net_(net) {
    for (const SourcePicture& picture : pictures) {
      known_.insert(picture.words.title);
      if (picture.held_out || is_measured_only(picture.source)) continue;
      titles_.insert(picture.words.title);
      known_.insert(picture.words.words.begin(), picture.words.words.end());
    }
  }

  std::vector<LanguageText> list() {
    for (const std::string& title : titles_) {
      if (add_relations(title, "", title)) continue;
      const std::size_t gap = title.rfind(' ');
      if (gap != std::string::npos) {
        add_relations(title.substr(gap + 1), title.substr(0, gap + 1), title);
      }
    }
    for (const std::string& noun : net_.common_nouns()) {
      std::string text = normalise_caption(noun);
      if (is_new(text) && !relations_.contains(text) && !synonyms_.contains(text)) {
        relations_[text].insert(text);
      }
    }
    std::vector<LanguageText> out;
    for (auto& [text, titles] : relations_) {
      if (titles.size() > kMostTitles) continue;
      out.push_back({"en", text, {titles.begin(), titles.end()}, false});
    }
    return out;
  }

 private:
  bool is_new(const std::string& text) const { return !text.empty() && !known_.contains(text); }

  /// `noun` stands at the end of `title`, behind `before`. False if WordNet does not know it.
  bool add_relations(const std::string& noun, const std::string& before, const std::string& title) {
    const auto above = net_.hypernyms(noun, kLevels);
    for (const std::string& word : net_.synonyms(noun)) {
      const std::string synonym = normalise_caption(word);
      synonyms_.insert(synonym);
      if (is_held_out_synonym(synonym)) continue;
      if (std::string text = before + synonym; is_new(text)) relations_[text].insert(title);
    }
    for (const std::string& word : above) {
      std::string text = normalise_caption(word);
      if (is_new(text) && !is_held_out_synonym(text)) relations_[text].insert(title);
    }
    return !above.empty();
  }

  const WordNet& net_;
  std::unordered_set<std::string> known_;  // trained texts, and titles that are held out
  std::set<std::string> titles_;           // trained
  std::unordered_set<std::string> synonyms_;
  std::map<std::string, std::set<std::string>> relations_;  // titles by text
};

}  // namespace

bool is_held_out_synonym(std::string_view synonym) {
  return is_held_out_title(synonym, kOneSynonymIn);
}

std::vector<LanguageText> list_noun_texts(const std::vector<SourcePicture>& pictures,
                                          const WordNet& net) {
  return NounTexts(pictures, net).list();
}

Result<WordNet> read_wordnet(const std::filesystem::path& data) {
  return WordNet::read(data / "debian/wordnet-base/usr/share/wordnet");
}

}  // namespace sightline::train
