// train/internal/evaluate.h: held-out text-to-image recall.
#pragma once

#include <filesystem>
#include <stop_token>
#include <vector>

#include "core/result.h"
#include "encoders/encoder.h"
#include "encoders/nn/torch_compat.h"
#include "encoders/tokenizer.h"
#include "image/preprocess.h"
#include "train/internal/dual_encoder.h"
#include "train/picture_store.h"
#include "train/trainer.h"

namespace sightline::train {

/// The rows of `batch`: float32 [n, dim].
torch::Tensor tensor_of(const encoders::EmbeddingBatch& batch);

/// Ranks all pictures for each text. Row i of both and of `concepts` belong together; a picture of
/// an equal concept counts as found. images, texts: float32 [n, dim]; concepts: int64 [n].
HeldOutRecall recall_of(const torch::Tensor& images, const torch::Tensor& texts,
                        const torch::Tensor& concepts);

/// By source, from the stored pictures, with the encoder as it is (its moving average: swap first).
std::vector<HeldOutRecall> evaluate_encoder(const DualEncoder& encoder, const PictureStore& store,
                                            const encoders::Tokenizer& tokenizer,
                                            const image::PreprocessSpec& spec,
                                            std::size_t max_tokens);

/// By source, as a user gets it: the model folder through encoders::load_encoder(), picture files
/// through codecs::decode() on white and the folder's preprocessing (SVG files and icons, which
/// codecs does not read, from the store).
Result<std::vector<HeldOutRecall>> evaluate_folder(const std::filesystem::path& folder,
                                                   const PictureStore& store, std::stop_token stop);

}  // namespace sightline::train
