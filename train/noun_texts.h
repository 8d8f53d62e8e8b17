// train/noun_texts.h: English words that no caption holds, by WordNet, for the languages' stage:
// what is trained on is called otherwise, or is a kind of something; and the nouns that people use.
#pragma once

#include <string_view>
#include <vector>

#include "train/language_texts.h"
#include "train/sources.h"
#include "train/wordnet.h"

namespace sightline::train {

/// Whether a synonym stays out of training: half of them, by hash, measure unseen words.
bool is_held_out_synonym(std::string_view synonym);

/// English texts ("en"), sorted: synonyms of trained titles and of their last words, which mean
/// that title; hypernyms of both, which mean all titles below them; common nouns, which mean
/// themselves, so that the student answers to words without pictures as its teacher does. Left out
/// are trained titles and words, held-out titles, and held-out synonyms.
std::vector<LanguageText> list_noun_texts(const std::vector<SourcePicture>& pictures,
                                          const WordNet& net);

/// WordNet below `data` (what scripts/training-data made). errors  those of WordNet::read().
Result<WordNet> read_wordnet(const std::filesystem::path& data);

}  // namespace sightline::train
