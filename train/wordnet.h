// train/wordnet.h: synonyms of English nouns by WordNet 3.0, in the files of Debian's wordnet-base
// (https://wordnet.princeton.edu/documentation/wndb5wn).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/result.h"

namespace sightline::train {

/// Nouns with their most frequent sense. Thread-safety: const methods from any thread.
class WordNet {
 public:
  /// folder  holds index.noun and data.noun. errors  kNotFound: names the missing file;
  /// kCorruption.
  static Result<WordNet> read(const std::filesystem::path& folder);

  /// The other words for `noun` ("fire engine"; words are separated by single spaces, lower case)
  /// in its most frequent sense, in WordNet's order; none if it is not there.
  const std::vector<std::string>& synonyms(const std::string& noun) const;

 private:
  std::unordered_map<std::string, std::vector<std::string>> synonyms_;
};

}  // namespace sightline::train
