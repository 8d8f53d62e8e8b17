// eval/caption_recall.h: how well an encoder brings pictures and their captions together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/deadline.h"
#include "core/json.h"
#include "core/result.h"
#include "encoders/encoder.h"

namespace sightline::eval {

/// Embeddings of pictures and of their captions; borrows.
struct CaptionedEmbeddings {
  const encoders::EmbeddingBatch& pictures;  ///< [n, dim], rows of norm 1
  const encoders::EmbeddingBatch& captions;  ///< [m, dim], one row for each distinct caption
  /// n lists: which captions belong to the picture, 0..m-1, each once; each caption to some
  /// picture.
  std::span<const std::vector<std::uint32_t>> captions_of;
};

/// Shares of queries, 0..1.
struct RecallAtRanks {
  double at_1 = 0, at_5 = 0, at_10 = 0;
};

/// Text to image: every caption asks once, and any picture that has it is right. Image to text:
/// every picture asks once, and any caption of its own is right. A query counts if what is right is
/// among the first k. What scores alike stands in no order: such a query counts with the share of
/// the orders in which it is found, so that an encoder that tells nothing apart gains nothing.
struct CaptionRecall {
  std::size_t num_pictures = 0, num_captions = 0;
  RecallAtRanks text_to_image, image_to_text;

  /// Mean of the six: one number to compare models by.
  double mean() const;
};
/// {"pictures", "captions", "text_to_image": {"recall_at_1", "recall_at_5", "recall_at_10"},
/// "image_to_text": {...}}
Json to_json(const CaptionRecall& recall);

/// Compares every picture with every caption by inner product, on `num_threads` threads (0: one per
/// core). `progress` is called from the calling thread with the share that is done.
/// errors  kInvalidArgument: nothing to compare, or sizes that do not fit; kCancelled,
///         kDeadlineExceeded.
Result<CaptionRecall> caption_recall(const CaptionedEmbeddings& embeddings, std::size_t num_threads,
                                     const std::function<void(double)>& progress,
                                     const Deadline& deadline);

/// Chance that one of `num_right` things is among the first `k` when `num_before` wrong ones stand
/// before them and `num_beside` wrong ones are mixed with them in any order. num_right > 0.
double chance_within(std::size_t num_before, std::size_t num_beside, std::size_t num_right,
                     std::size_t k);

}  // namespace sightline::eval
