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

/// The licence stands before the data, on lines that begin with a space.
bool is_entry(const std::string& line) { return !line.empty() && line.front() != ' '; }

}  // namespace

Result<WordNet> WordNet::read(const fs::path& folder) {
  // data.noun: offset, file, type, number of words (hexadecimal), then each with its sense's
  // number.
  SIGHTLINE_TRY(auto data, open(folder / "data.noun"));
  std::unordered_map<std::string, std::vector<std::string>> senses;  // by offset
  for (std::string line; std::getline(data, line);) {
    if (!is_entry(line)) continue;
    std::istringstream in(line);
    std::string offset, skipped, word;
    unsigned count = 0;
    in >> offset >> skipped >> skipped >> std::hex >> count;
    std::vector<std::string> words;
    while (words.size() < count && in >> word >> skipped) words.push_back(plain(word));
    if (words.empty() || words.size() < count) {
      return Status{StatusCode::kCorruption, (folder / "data.noun").string() + ": cannot read \"" +
                                                 line.substr(0, 60) + '"'};
    }
    if (words.size() > 1) senses.emplace(std::move(offset), std::move(words));
  }
  // index.noun: lemma, "n", number of senses, number of pointers, their symbols, two counts, then
  // the offsets, the most frequent sense first.
  SIGHTLINE_TRY(auto index, open(folder / "index.noun"));
  WordNet net;
  for (std::string line; std::getline(index, line);) {
    if (!is_entry(line)) continue;
    std::istringstream in(line);
    std::string lemma, skipped, offset;
    std::size_t num_pointers = 0;
    in >> lemma >> skipped >> skipped >> num_pointers;
    for (std::size_t i = 0; i < num_pointers + 2; ++i) in >> skipped;
    if (!(in >> offset)) {
      return Status{StatusCode::kCorruption, (folder / "index.noun").string() + ": cannot read \"" +
                                                 line.substr(0, 60) + '"'};
    }
    const auto sense = senses.find(offset);
    if (sense == senses.end()) continue;
    std::string noun = plain(std::move(lemma));
    std::vector<std::string> others = sense->second;
    std::erase(others, noun);
    if (!others.empty()) net.synonyms_.emplace(std::move(noun), std::move(others));
  }
  return net;
}

const std::vector<std::string>& WordNet::synonyms(const std::string& noun) const {
  static const std::vector<std::string> kNone;
  const auto found = synonyms_.find(noun);
  return found == synonyms_.end() ? kNone : found->second;
}

}  // namespace sightline::train
