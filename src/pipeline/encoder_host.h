// pipeline/encoder_host.h: the models of a service: loaded once, their batches filled by all
// requests together.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "codecs/decode.h"
#include "core/compute_pool.h"
#include "core/result.h"
#include "encoders/encoder.h"
#include "pipeline/collection_store.h"
#include "pipeline/query_encoder.h"

namespace sightline::codecs {
class DecodeBudget;
}

namespace sightline::pipeline {

struct EncoderHostOptions {
  /// The model where none is named: a Hugging Face folder, or "embedded".
  std::string default_model = "embedded";
  /// Folders below which requests may name models.
  std::vector<std::filesystem::path> roots;
  encoders::Precision precision = encoders::Precision::kFloat32;
  encoders::Device device = encoders::Device::kAuto;
  /// The alpha rule is that of new collections.
  codecs::DecodeOptions decode;
  std::uint64_t decode_bytes = std::uint64_t{1} << 30;  ///< All decodes in flight together.
  std::size_t batch_size = 64;                          ///< Most texts or pictures of a batch.
  /// While batches follow each other, one that is not full begins no earlier than its oldest
  /// request has waited so long. A request that finds nothing running never waits.
  std::chrono::milliseconds batch_wait{2};
  std::size_t max_waiting = 4096;     ///< Texts or pictures per model; more are refused.
  std::size_t cached_texts = 10'000;  ///< Embeddings of query texts that are kept; 0: none.
};

/// For /metrics; all but the two gauges count from the start.
struct EncoderHostStatistics {
  std::uint64_t cache_hits = 0, cache_misses = 0;  ///< Texts.
  std::uint64_t cache_entries = 0;                 ///< Now.
  std::uint64_t text_batches = 0, texts = 0;       ///< Forward passes, and what was in them.
  std::uint64_t picture_batches = 0, pictures = 0;
  std::uint64_t waiting = 0;  ///< Texts and pictures waiting for a batch now.
  std::uint64_t refused = 0;  ///< Requests answered kOverloaded.
  double encode_seconds = 0;  ///< Wall time of forward passes.
  std::uint64_t models_loaded = 0;

  double mean_text_batch() const {
    return text_batches == 0 ? 0 : static_cast<double>(texts) / static_cast<double>(text_batches);
  }
  double mean_picture_batch() const {
    return picture_batches == 0
               ? 0
               : static_cast<double>(pictures) / static_cast<double>(picture_batches);
  }
};

/// A model that requests may name.
struct ModelListing {
  std::string name;  ///< What find() takes.
  std::filesystem::path path;
  bool is_default = false;
  bool loaded = false;
  // Of loaded ones:
  std::string checksum, architecture, precision, device;
  std::size_t dim = 0, image_size = 0, max_tokens = 0;
  std::uint64_t num_parameters = 0;
};

/// A model of the host; stays loaded as long as the host is there, which outlives it.
using HostedModel = std::shared_ptr<const QueryEncoder>;

/// Thread-safety: all methods may run on many threads at once, but not on a worker of the pool.
class EncoderHost {
 public:
  /// `pool` outlives the host.
  EncoderHost(EncoderHostOptions options, ComputePool& pool);
  ~EncoderHost();
  EncoderHost(const EncoderHost&) = delete;
  EncoderHost& operator=(const EncoderHost&) = delete;

  /// The model that a request names: "embedded", the default's name or folder, a folder below a
  /// root (absolute, or relative to a root); empty: the default. Loaded on first use; callers that
  /// come meanwhile wait for the same loading.
  /// errors  kNotFound names the models there are; those of encoders::load_encoder(), which are
  ///         not remembered.
  Result<HostedModel> find(std::string_view name);
  /// Where the model that find(name) gives lies; it is not loaded.
  /// errors  kPermissionDenied: a path outside of the roots; kNotFound: as find().
  Result<std::filesystem::path> locate(std::string_view name) const;
  /// The model that made vectors: known by its checksum, looked for at its recorded path, among
  /// the roots and as the default.
  /// errors  kFailedPrecondition: vectors from outside (no checksum), or what is found has another
  ///         checksum; the message names both.
  Result<HostedModel> find(const ModelIdentity& identity);
  /// The model of a collection's vector name. errors  also kInvalidArgument: no such vector name.
  Result<HostedModel> find(const CollectionInfo& collection, std::string_view vector_name);

  /// The default first, then by name. Looks into the roots.
  std::vector<ModelListing> list() const;
  EncoderHostStatistics statistics() const;
  const EncoderHostOptions& options() const;
  codecs::DecodeBudget& decode_budget() const;  ///< Of all decodes of the service.

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace sightline::pipeline
