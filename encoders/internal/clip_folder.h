// encoders/internal/clip_folder.h: everything a CLIP model's folder holds, read and checked.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "core/json.h"
#include "core/result.h"
#include "encoders/clip_config.h"
#include "encoders/internal/clip_tokenizer.h"
#include "encoders/model_settings.h"
#include "encoders/safetensors.h"
#include "image/preprocess.h"

namespace sightline::encoders {

/// Thread-safety: a value.
struct ClipFolder {
  std::filesystem::path path;  ///< absolute
  ClipConfig config;
  ClipTokenizerSpec tokenizer;
  image::PreprocessSpec preprocess;
  Checkpoint checkpoint;
  ModelSettings settings;
};

/// config.json of `folder`. errors  kNotFound, kInvalidArgument: names the file and the key.
Result<ClipConfig> read_clip_config(const std::filesystem::path& folder);

/// errors  kNotFound: a file is missing; kCorruption: damaged weights; kInvalidArgument: files that
///         contradict each other (picture size, size of the vocabulary), each named.
Result<ClipFolder> read_clip_folder(const std::filesystem::path& folder);

/// EncoderInfo::checksum: XXH3-128 over names, shapes and float32 values of the weights (whatever
/// type and shards they are stored in), and over what config, tokenizer and preprocessing mean.
/// Taken from the cache while no file changed.
/// errors  kUnimplemented: weights of a type that holds no floats.
Result<std::string> model_checksum(const ClipFolder& folder);

}  // namespace sightline::encoders
