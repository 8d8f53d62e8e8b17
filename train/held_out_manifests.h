// train/held_out_manifests.h: the sets that the model is measured on, as manifests for
// `sightline eval encoder`.
#pragma once

#include <filesystem>
#include <vector>

#include "core/result.h"
#include "train/language_texts.h"
#include "train/sources.h"
#include "train/wordnet.h"

namespace sightline::train {

/// Those of `held_out` for whose caption, or for whose last word, `net` knows a synonym that stands
/// in no title and among no words that `pictures` are trained with; it takes that one's place. Asks
/// for what a model was never told.
std::vector<HeldOutPicture> with_unseen_synonyms(const std::vector<HeldOutPicture>& held_out,
                                                 const std::vector<SourcePicture>& pictures,
                                                 const WordNet& net);

/// Writes list_held_out() of every source and of every language that it has at least 20 captions in
/// as `folder`/SOURCE.LANGUAGE.jsonl, lines {"image": path, "caption": text}, and
/// with_unseen_synonyms() of the English ones as SOURCE.synonyms.jsonl. Returns the files.
/// errors  kNotFound as list_sources(), kIoError.
Result<std::vector<std::filesystem::path>> write_held_out_manifests(
    const std::filesystem::path& data, const std::filesystem::path& folder);

}  // namespace sightline::train
