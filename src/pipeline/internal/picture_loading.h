// pipeline/internal/picture_loading.h: given pictures -> what an image tower eats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "codecs/decode.h"
#include "codecs/decode_budget.h"
#include "core/compute_pool.h"
#include "core/deadline.h"
#include "core/result.h"
#include "image/preprocess.h"
#include "pipeline/picture.h"

namespace sightline::pipeline {

/// What messages begin with: the picture's name, or its file's.
std::string shown_name(const Picture& picture);

/// The bytes of a picture's file: of its own, or read into `storage`.
/// errors  those of codecs::read_file(); kInvalidArgument: empty.
Result<std::span<const std::byte>> bytes_of(const Picture& picture, std::vector<std::byte>& storage,
                                            std::uint64_t max_bytes = std::uint64_t{1} << 30);

struct LoadOptions {
  codecs::DecodeOptions decode;
  codecs::DecodeBudget* budget = nullptr;  ///< Null: unbounded.
  Priority priority = Priority::kQueryEncoding;
};

struct LoadedPictures {
  image::PixelBatch pixels;           ///< Of those that could be loaded, in order.
  std::vector<Result<void>> results;  ///< One per picture; the failures name theirs.
};

/// Reads, decodes and preprocesses pictures on the pool; not to be called from its workers.
LoadedPictures load_pictures(std::span<const Picture> pictures, const image::PreprocessSpec& spec,
                             const LoadOptions& options, ComputePool& pool,
                             const Deadline& deadline);

}  // namespace sightline::pipeline
