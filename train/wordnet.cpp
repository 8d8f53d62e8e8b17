#include "train/wordnet.h"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <sstream>

namespace sightline::train {
namespace fs = std::filesystem;
namespace {

/// "Fire_engine" -> "fire engine".
std::string plain(std::string word) {
  for (char& c : word) {
    c = c == '_' ? ' ' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return word;
}

Result<std::ifstream> open(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return not_found(path.string() + " is missing: run scripts/training-data");
  return in;
}

Status unreadable(const fs::path& file, const std::string& line) {
  return {StatusCode::kCorruption, file.string() + ": cannot read \"" + line.substr(0, 60) + '"'};
}

/// The licence stands before the data, on lines that begin with a space.
bool is_entry(const std::string& line) { return !line.empty() && line.front() != ' '; }

}  // namespace

Result<WordNet> WordNet::read(const fs::path& folder) {
  WordNet net;
  SIGHTLINE_TRY(auto data, open(folder / "data.noun"));
  for (std::string line; std::getline(data, line);) {
    if (!is_entry(line)) continue;
    // Offset, file, type, number of words (hexadecimal), each with its sense's number; number of
    // pointers, each a symbol, an offset, a part of speech, and which words it is between.
    std::istringstream in(line);
    std::string skipped, word, symbol, part;
    std::uint32_t offset = 0;
    std::size_t num_words = 0, num_pointers = 0;
    in >> offset >> skipped >> skipped >> std::hex >> num_words >> std::dec;
    Synset synset;
    while (synset.words.size() < num_words && in >> word >> skipped) {
      synset.words.push_back(plain(word));
    }
    in >> num_pointers;
    std::uint32_t target = 0;
    for (std::size_t i = 0; i < num_pointers && in >> symbol >> target >> part >> skipped; ++i) {
      if (symbol == "@" || symbol == "@i") synset.above.push_back(target);
    }
    if (!in || synset.words.empty()) return unreadable(folder / "data.noun", line);
    net.synsets_.emplace(offset, std::move(synset));
  }
  SIGHTLINE_TRY(auto index, open(folder / "index.noun"));
  for (std::string line; std::getline(index, line);) {
    if (!is_entry(line)) continue;
    // Lemma, "n", number of senses, number of pointers, their symbols, number of senses again, how
    // many of them occur in tagged texts, then the offsets, the most frequent sense first.
    std::istringstream in(line);
    std::string lemma, skipped;
    std::size_t num_pointers = 0, num_tagged = 0;
    std::uint32_t offset = 0;
    in >> lemma >> skipped >> skipped >> num_pointers;
    for (std::size_t i = 0; i < num_pointers + 1; ++i) in >> skipped;
    if (!(in >> num_tagged >> offset)) return unreadable(folder / "index.noun", line);
    std::string noun = plain(std::move(lemma));
    if (num_tagged > 0) net.common_nouns_.push_back(noun);
    net.first_sense_.emplace(std::move(noun), offset);
  }
  std::ranges::sort(net.common_nouns_);
  return net;
}

std::vector<std::string> WordNet::synonyms(const std::string& noun) const {
  const auto sense = first_sense_.find(noun);
  if (sense == first_sense_.end()) return {};
  const auto synset = synsets_.find(sense->second);
  if (synset == synsets_.end()) return {};
  std::vector<std::string> others = synset->second.words;
  std::erase(others, noun);
  return others;
}

std::vector<std::string> WordNet::hypernyms(const std::string& noun, std::size_t levels) const {
  std::vector<std::string> words;
  const auto sense = first_sense_.find(noun);
  if (sense == first_sense_.end()) return words;
  std::vector<std::uint32_t> level{sense->second};
  for (std::size_t i = 0; i <= levels && !level.empty(); ++i) {
    std::vector<std::uint32_t> above;
    for (const std::uint32_t offset : level) {
      const auto synset = synsets_.find(offset);
      if (synset == synsets_.end()) continue;
      const Synset& of = synset->second;
      if (i > 0) words.insert(words.end(), of.words.begin(), of.words.end());
      above.insert(above.end(), of.above.begin(), of.above.end());
    }
    level = std::move(above);
  }
  return words;
}

}  // namespace sightline::train
