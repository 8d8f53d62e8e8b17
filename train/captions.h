// train/captions.h: words about a picture, and the captions made of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "train/random.h"

namespace sightline::train {

/// Lower case, separators and punctuation to single spaces, apostrophes and non-ASCII letters kept:
/// "Pop_Can (2).", -> "pop can 2".
std::string normalise_caption(std::string_view text);

/// normalise_caption() without a leading article: "A frog." -> "frog". Titles that are equal in
/// this form count as one caption: for the split, for true pairs in a batch, and for recall.
std::string normalise_title(std::string_view text);

/// A number that depends on the text alone (FNV-1a), the same on every machine: decides which
/// titles are held out.
std::uint64_t title_hash(std::string_view title);

/// Whether one title in `one_in` is held out, and this is it.
bool is_held_out_title(std::string_view title, std::uint64_t one_in);

/// What is known of a picture in words. `words` are tags, categories and folder names.
struct Words {
  std::string title;
  std::vector<std::string> words;
};

/// How often each form of caption is drawn; the rest of 1 is words alone.
struct CaptionMix {
  double title = 0.55;           ///< The title alone.
  double title_and_words = 0.2;  ///< The title and up to three words.
  double prompt = 0.3;     ///< Share of titles that get a prefix ("a ", "a picture of a ", ...).
  double full_stop = 0.2;  ///< Share of captions that end like a sentence.
};

/// Draws one caption. A picture without words gets its title.
std::string draw_caption(const Words& words, const CaptionMix& mix, Random& random);

}  // namespace sightline::train
