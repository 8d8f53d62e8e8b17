// eval/match_threshold.h: from where a model's scores tell right pictures from the rest.
#pragma once

#include <cstddef>

#include "core/deadline.h"
#include "core/json.h"
#include "core/result.h"
#include "eval/caption_recall.h"

namespace sightline::eval {

/// How well scores of `spreads` and more above the background name the pictures of a caption.
struct MatchQuality {
  double spreads = 0;
  double precision = 0, recall = 0, f1 = 0;  ///< Over all pairs of a caption and a picture.
  double pictures_per_query = 0;             ///< So many count as strong.
  double queries_without = 0;                ///< Share of the captions for which none does, 0..1.
};
/// {"strong_spreads", "precision", "recall", "f1", "pictures_per_query", "queries_without"}
Json to_json(const MatchQuality& quality);

struct MatchThreshold {
  MatchQuality best;  ///< Of the largest F1, in steps of 0.05 spreads.
  MatchQuality used;  ///< Of the threshold that was asked about.
};

/// Every caption is a query over all the pictures, whose scores are its background
/// (pipeline::background_of()); right are the pictures that have it. Of more than 4,000 captions
/// every n-th asks. errors  kFailedPrecondition: too few pictures for a background; kCancelled,
/// kDeadlineExceeded.
Result<MatchThreshold> fit_match_threshold(const CaptionedEmbeddings& embeddings, double used,
                                           const Deadline& deadline);

}  // namespace sightline::eval
