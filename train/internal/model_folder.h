// train/internal/model_folder.h: writes what was trained as a Hugging Face folder.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/result.h"
#include "encoders/nn/clip_model.h"
#include "encoders/safetensors.h"
#include "image/preprocess.h"
#include "train/trainer.h"

namespace sightline::train {

/// What pictures go through before the tower, in training and in search: bicubic to a square of
/// `image_size` (nothing is cropped away: a long picture is squeezed), CLIP's mean and deviation.
image::PreprocessSpec trained_preprocessing(std::size_t image_size);

/// config.json, preprocessor_config.json, model.safetensors (fp16) and the tokenizer's files from
/// `tokenizer_folder`. Other files of the folder stay, but for the threshold of its former weights
/// (encoders::ModelSettings).
Result<void> write_model_folder(const encoders::nn::ClipModel& model,
                                const std::filesystem::path& tokenizer_folder,
                                const std::filesystem::path& folder);

/// A copy of the model in `from`, which a later stage begins with. `to` is there whole or not at
/// all. errors  kNotFound: `from` holds no weights; kIoError.
Result<void> keep_model_folder(const std::filesystem::path& from, const std::filesystem::path& to);

/// Of all weights' bytes, for the identity of a run that begins with them.
std::string checksum_of(const encoders::Checkpoint& weights);

/// The type to write weights in that were stored as check_model() says: half precision stays what
/// it is, everything else is float32.
encoders::DType stored_dtype(const std::string& stored);

/// `base` with other weights: the configuration, preprocessing, tokenizer and licence of the folder
/// as they are, and one model.safetensors with the weights of `model` as `dtype`. `marker` is
/// written first, as `marker_name`. Every file is written beside its place and renamed, so that
/// nothing is written through a link.
Result<void> write_changed_model(const encoders::nn::ClipModel& model,
                                 const std::filesystem::path& base, encoders::DType dtype,
                                 const Json& marker, const std::string& marker_name,
                                 const std::filesystem::path& folder);

/// Replaces what stands between the lines "<!-- MARK -->" and "<!-- /MARK -->" of `card` by a
/// table. A card without them, or none, is left alone.
Result<void> write_recall_table(const std::filesystem::path& card, const std::string& mark,
                                const TrainReport& report);

}  // namespace sightline::train
