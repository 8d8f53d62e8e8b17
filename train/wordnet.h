// train/wordnet.h: English nouns by WordNet 3.0, in the files of Debian's wordnet-base
// (https://wordnet.princeton.edu/documentation/wndb5wn).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/result.h"

namespace sightline::train {

/// Nouns ("fire engine": words separated by single spaces, lower case) with their most frequent
/// sense. Thread-safety: const methods from any thread.
class WordNet {
 public:
  /// folder  holds index.noun and data.noun. errors  kNotFound: names the missing file;
  /// kCorruption.
  static Result<WordNet> read(const std::filesystem::path& folder);

  /// The other words for `noun` in its most frequent sense, in WordNet's order; none if it is not
  /// there.
  std::vector<std::string> synonyms(const std::string& noun) const;

  /// The words for what `noun` is a kind of, up to `levels` steps up, the nearest first: a kangaroo
  /// is a marsupial, a pouched mammal, a mammal.
  std::vector<std::string> hypernyms(const std::string& noun, std::size_t levels) const;

  /// Nouns that occur in WordNet's sense-tagged texts: those that people use. Sorted.
  const std::vector<std::string>& common_nouns() const { return common_nouns_; }

 private:
  struct Synset {
    std::vector<std::string> words;
    std::vector<std::uint32_t> above;  ///< Offsets of its hypernyms.
  };
  std::unordered_map<std::uint32_t, Synset> synsets_;           // by offset in data.noun
  std::unordered_map<std::string, std::uint32_t> first_sense_;  // offset by noun
  std::vector<std::string> common_nouns_;
};

}  // namespace sightline::train
