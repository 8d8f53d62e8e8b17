#include "pipeline/query_encoder.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <filesystem>
#include <utility>

#include "pipeline/internal/picture_loading.h"

namespace sightline::pipeline {
namespace {

/// Runs `task` as a wide unit and turns what it throws into a Status.
template <typename Task>
Result<encoders::EmbeddingBatch> run_wide(ComputePool& pool, Task task) {
  try {
    return pool.run_wide(Priority::kQueryEncoding, std::move(task));
  } catch (const std::exception& e) {
    return internal_error(std::string("encoding the query: ") + e.what());
  }
}

void copy_rows(const encoders::EmbeddingBatch& from, std::size_t first,
               encoders::EmbeddingBatch& to) {
  for (std::size_t i = 0; i < from.size(); ++i)
    std::ranges::copy(from.row(i), to.row(first + i).begin());
}

image::PixelBatch part_of(const image::PixelBatch& pixels, std::size_t first, std::size_t count) {
  image::PixelBatch part(count, pixels.height(), pixels.width());
  for (std::size_t i = 0; i < count; ++i)
    std::ranges::copy(pixels.row(first + i), part.row(i).begin());
  return part;
}

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

}  // namespace

Result<EncodedPictures> QueryEncoder::encode_pictures(std::span<const Picture> pictures,
                                                      codecs::AlphaRule alpha,
                                                      Deadline deadline) const {
  // So many at a time are in memory as pixels.
  constexpr std::size_t kPicturesAtOnce = 64;
  EncodedPictures encoded;
  while (!pictures.empty()) {
    const auto part = pictures.first(std::min(pictures.size(), kPicturesAtOnce));
    pictures = pictures.subspan(part.size());
    const auto start = std::chrono::steady_clock::now();
    SIGHTLINE_TRY(LoadedPictures loaded, load(part, alpha, deadline));
    encoded.decode_ms += ms_since(start);
    SIGHTLINE_TRY_DO(deadline.check("encoding pictures"));
    const auto decoded = std::chrono::steady_clock::now();
    encoders::EmbeddingBatch rows;
    if (loaded.pixels.size() > 0) {
      SIGHTLINE_TRY(rows, encode_pixels(loaded.pixels, deadline));
    }
    encoded.encode_ms += ms_since(decoded);
    std::size_t next = 0;
    for (const Result<void>& result : loaded.results) {
      if (!result) {
        encoded.rows.emplace_back(result.error());
        continue;
      }
      const auto row = std::as_const(rows).row(next++);
      encoded.rows.emplace_back(std::vector<float>(row.begin(), row.end()));
    }
  }
  return encoded;
}

Result<encoders::EmbeddingBatch> DirectEncoder::encode_texts(std::span<const std::string> texts,
                                                             Deadline deadline) const {
  const std::size_t n = texts.size(), batch = encoder_.info().max_batch;
  encoders::EmbeddingBatch all(n, encoder_.info().dim);
  for (std::size_t first = 0; first < n; first += batch) {
    SIGHTLINE_TRY(const auto rows, run_wide(pool_, [&] {
                    return encoder_.encode_texts(texts.subspan(first, std::min(batch, n - first)),
                                                 deadline);
                  }));
    copy_rows(rows, first, all);
  }
  return all;
}

Result<encoders::EmbeddingBatch> DirectEncoder::encode_pixels(const image::PixelBatch& pixels,
                                                              Deadline deadline) const {
  const std::size_t n = pixels.size(), batch = encoder_.info().max_batch;
  if (n <= batch) {
    return run_wide(pool_, [&] { return encoder_.encode_pixels(pixels, deadline); });
  }
  encoders::EmbeddingBatch all(n, encoder_.info().dim);
  for (std::size_t first = 0; first < n; first += batch) {
    const image::PixelBatch part = part_of(pixels, first, std::min(batch, n - first));
    SIGHTLINE_TRY(const auto rows,
                  run_wide(pool_, [&] { return encoder_.encode_pixels(part, deadline); }));
    copy_rows(rows, first, all);
  }
  return all;
}

Result<LoadedPictures> DirectEncoder::load(std::span<const Picture> pictures,
                                           codecs::AlphaRule alpha,
                                           const Deadline& deadline) const {
  LoadOptions options{decode_, nullptr, Priority::kQueryEncoding};
  options.decode.alpha = alpha;
  return load_pictures(pictures, encoder_.info().preprocess, options, pool_, deadline);
}

ModelIdentity identity_of(const encoders::EncoderInfo& encoder, codecs::AlphaRule alpha) {
  ModelIdentity identity;
  identity.checksum = encoder.checksum;
  identity.alpha = alpha == codecs::AlphaRule::kDrop ? "drop" : "white";
  identity.name = encoder.name;
  std::error_code ignored;
  const auto absolute = std::filesystem::absolute(encoder.path, ignored);
  identity.path_hint = (ignored ? encoder.path : absolute).string();
  identity.precision = encoders::precision_name(encoder.precision);
  return identity;
}

codecs::AlphaRule alpha_of(const ModelIdentity& identity) {
  return identity.alpha == "drop" ? codecs::AlphaRule::kDrop : codecs::AlphaRule::kWhite;
}

}  // namespace sightline::pipeline
