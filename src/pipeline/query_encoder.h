// pipeline/query_encoder.h: what queries and uploads ask of a model.
//
// Two implementations: a model used by one caller (DirectEncoder), and one that many requests share
// and whose batches they fill together (EncoderHost, encoder_host.h).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "codecs/decode.h"
#include "core/compute_pool.h"
#include "core/deadline.h"
#include "core/result.h"
#include "encoders/encoder.h"
#include "pipeline/collection_store.h"
#include "pipeline/picture.h"

namespace sightline::pipeline {

struct LoadedPictures;

/// What became of each of several pictures.
struct EncodedPictures {
  /// Row i belongs to picture i: info().dim floats of L2 norm 1, or why there are none.
  std::vector<Result<std::vector<float>>> rows;
  double decode_ms = 0;  ///< Wall time of reading, decoding and preprocessing.
  double encode_ms = 0;  ///< Wall time of the rest, waiting for a batch included.
};

/// Thread-safety: const methods may run on many threads at once, but not on a worker of the pool:
/// they wait for it.
class QueryEncoder {
 public:
  virtual ~QueryEncoder() = default;
  /// The model itself, for bulk work that makes batches of its own.
  virtual const encoders::Encoder& encoder() const = 0;
  const encoders::EncoderInfo& info() const { return encoder().info(); }

  /// Any number of texts, in order; rows of L2 norm 1.
  /// errors  kOverloaded: too much is waiting; kDeadlineExceeded, kCancelled.
  virtual Result<encoders::EmbeddingBatch> encode_texts(std::span<const std::string> texts,
                                                        Deadline deadline) const = 0;
  /// Any number of preprocessed pictures ([n, 3, H, W] by info().preprocess), in order.
  /// errors  as encode_texts().
  virtual Result<encoders::EmbeddingBatch> encode_pixels(const image::PixelBatch& pixels,
                                                         Deadline deadline) const = 0;
  /// Any number of pictures, in order; a broken one fails alone.
  /// errors  as encode_texts(), then nothing was encoded.
  Result<EncodedPictures> encode_pictures(std::span<const Picture> pictures,
                                          codecs::AlphaRule alpha, Deadline deadline) const;

 protected:
  /// Reads, decodes and preprocesses (internal/picture_loading.h).
  virtual Result<LoadedPictures> load(std::span<const Picture> pictures, codecs::AlphaRule alpha,
                                      const Deadline& deadline) const = 0;
};

/// Runs a model on the pool, one call after the other.
class DirectEncoder final : public QueryEncoder {
 public:
  /// All outlive it. `decode`: but for its alpha rule.
  DirectEncoder(const encoders::Encoder& encoder, codecs::DecodeOptions decode, ComputePool& pool)
      : encoder_(encoder), decode_(decode), pool_(pool) {}
  const encoders::Encoder& encoder() const override { return encoder_; }
  Result<encoders::EmbeddingBatch> encode_texts(std::span<const std::string> texts,
                                                Deadline deadline) const override;
  Result<encoders::EmbeddingBatch> encode_pixels(const image::PixelBatch& pixels,
                                                 Deadline deadline) const override;

 protected:
  Result<LoadedPictures> load(std::span<const Picture> pictures, codecs::AlphaRule alpha,
                              const Deadline& deadline) const override;

 private:
  const encoders::Encoder& encoder_;
  const codecs::DecodeOptions decode_;
  ComputePool& pool_;
};

/// What a collection records of the model that `encoder` is.
ModelIdentity identity_of(const encoders::EncoderInfo& encoder, codecs::AlphaRule alpha);
/// The alpha rule that `identity` records; kWhite where it records none.
codecs::AlphaRule alpha_of(const ModelIdentity& identity);

}  // namespace sightline::pipeline
