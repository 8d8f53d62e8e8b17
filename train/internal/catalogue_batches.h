// train/internal/catalogue_batches.h: a catalogue as batches to train on, and its embeddings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/result.h"
#include "encoders/encoder.h"
#include "encoders/tokenizer.h"
#include "train/fine_tune.h"
#include "train/internal/batch_maker.h"
#include "train/internal/catalogue_pictures.h"
#include "train/internal/dual_encoder.h"

namespace sightline::train {

/// Pictures, the captions they have, and which belong together, as MeasureFn takes them.
struct EmbeddedCatalogue {
  encoders::EmbeddingBatch pictures, captions;
  std::vector<std::vector<std::uint32_t>> captions_of;
};

/// Thread-safety: one thread. What it borrows outlives it.
class CatalogueBatches {
 public:
  /// trained     places of the usable pictures to train on, at least two
  /// batch       pairs of a batch; at most as many as there are pictures
  CatalogueBatches(const Catalogue& catalogue, const CataloguePictures& pictures,
                   std::span<const std::size_t> trained, const encoders::Tokenizer& tokenizer,
                   std::size_t max_tokens, std::size_t batch, std::uint64_t seed);

  std::size_t batch_size() const { return batch_; }
  std::uint64_t steps_per_epoch() const { return trained_.size() / batch_; }

  /// The batch of step `step` (from 0), which depends on the seed and the step alone. Every epoch
  /// has an order of its own; no picture comes twice in a batch. Pairs of equal captions have equal
  /// concepts. errors  of a picture that has to be read again.
  Result<TrainBatch> draw(std::uint64_t step) const;

  /// What `encoder` makes of the pictures `which`, unchanged, and of their captions.
  Result<EmbeddedCatalogue> embed(std::span<const std::size_t> which,
                                  const DualEncoder& encoder) const;

 private:
  struct Pair;
  /// Fills rows of `pixels` [n, 3, h, w] with the pairs' pictures, changed a little.
  Result<void> draw_pictures(std::span<const Pair> pairs, torch::Tensor& pixels) const;

  const Catalogue& catalogue_;
  const CataloguePictures& pictures_;
  const std::vector<std::size_t> trained_;
  const encoders::Tokenizer& tokenizer_;
  const std::size_t max_tokens_, batch_;
  const std::uint64_t seed_;
};

}  // namespace sightline::train
