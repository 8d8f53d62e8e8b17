// pipeline/internal/hosted_encoder.h: one loaded model of an EncoderHost.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <string>

#include "codecs/decode_budget.h"
#include "pipeline/encoder_host.h"
#include "pipeline/internal/batch_queue.h"
#include "pipeline/internal/text_cache.h"
#include "pipeline/query_encoder.h"

namespace sightline::pipeline {

/// What the models of a host share.
struct HostParts {
  HostParts(EncoderHostOptions o, ComputePool& p)
      : options(std::move(o)), pool(p), cache(options.cached_texts), budget(options.decode_bytes) {}
  const EncoderHostOptions options;
  ComputePool& pool;
  TextCache cache;
  codecs::DecodeBudget budget;
};

/// Thread-safety: as QueryEncoder says.
class HostedEncoder final : public QueryEncoder {
 public:
  HostedEncoder(std::unique_ptr<encoders::Encoder> encoder, HostParts& parts);

  const encoders::Encoder& encoder() const override { return *encoder_; }
  Result<encoders::EmbeddingBatch> encode_texts(std::span<const std::string> texts,
                                                Deadline deadline) const override;
  Result<encoders::EmbeddingBatch> encode_pixels(const image::PixelBatch& pixels,
                                                 Deadline deadline) const override;

  void add_to(EncoderHostStatistics& statistics) const;

 protected:
  Result<LoadedPictures> load(std::span<const Picture> pictures, codecs::AlphaRule alpha,
                              const Deadline& deadline) const override;

 private:
  const std::unique_ptr<encoders::Encoder> encoder_;
  HostParts& parts_;
  mutable std::atomic<std::uint64_t> hits_{0}, misses_{0};
  mutable BatchQueue texts_, pictures_;
};

}  // namespace sightline::pipeline
