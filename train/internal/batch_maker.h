// train/internal/batch_maker.h: draws what one step trains on.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "encoders/nn/torch_compat.h"
#include "encoders/tokenizer.h"
#include "image/preprocess.h"
#include "train/picture_store.h"
#include "train/train_config.h"

namespace sightline::train {

/// Texts of about one length: padding all captions of a batch to its longest would triple the cost.
struct TextGroup {
  torch::Tensor ids;  ///< int64 [n, t]
};

struct TrainBatch {
  torch::Tensor pixels;          ///< float32 [n, 3, size, size]
  torch::Tensor kept;            ///< int64 [n, k] or undefined: DualEncoder::images()
  std::vector<TextGroup> texts;  ///< One after the other: row i belongs to picture i.
  torch::Tensor concepts;        ///< int64 [n]
};

/// Thread-safety: one thread. What it borrows outlives it.
class BatchMaker {
 public:
  BatchMaker(std::span<const StoredPicture> pictures, const TrainConfig& config,
             const encoders::Tokenizer& tokenizer, const image::PreprocessSpec& spec);

  std::size_t num_trained() const { return trained_.size(); }  ///< Pictures that can be drawn.
  std::size_t num_concepts() const { return num_concepts_; }   ///< Distinct titles among them.

  /// All randomness comes from `random`, which moves on by one draw.
  TrainBatch draw(const TrainPhase& phase, double strength, Random& random) const;

 private:
  std::span<const StoredPicture> pictures_;
  const TrainConfig& config_;
  const encoders::Tokenizer& tokenizer_;
  const image::PreprocessSpec& spec_;
  std::vector<std::size_t> trained_;
  std::vector<double> cumulative_;
  std::size_t num_concepts_ = 0;
};

/// Ids of `texts`, padded with the end token to the longest: int64 [n, t].
torch::Tensor text_ids(std::span<const std::vector<std::int32_t>> texts, std::int32_t pad);

}  // namespace sightline::train
