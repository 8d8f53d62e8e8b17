// encoders/encoder.h: turns pictures and texts into embeddings that share one space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/deadline.h"
#include "core/json.h"
#include "core/result.h"
#include "image/preprocess.h"

namespace sightline::encoders {

/// float32 [n, dim], row-major.
class EmbeddingBatch {
 public:
  EmbeddingBatch() = default;
  EmbeddingBatch(std::size_t n, std::size_t dim) : n_(n), dim_(dim), values_(n * dim) {}
  std::size_t size() const { return n_; }
  std::size_t dim() const { return dim_; }
  std::span<float> row(std::size_t i) { return {values_.data() + i * dim_, dim_}; }
  std::span<const float> row(std::size_t i) const { return {values_.data() + i * dim_, dim_}; }
  std::span<const float> values() const { return values_; }
  std::span<float> values() { return values_; }

 private:
  std::size_t n_ = 0, dim_ = 0;
  std::vector<float> values_;
};

enum class Precision { kFloat32, kBFloat16, kFloat16 };
std::string_view precision_name(Precision precision);  ///< "fp32", "bf16", "fp16"
Result<Precision> parse_precision(std::string_view text);

enum class Device { kAuto, kCpu, kCuda };

struct EncoderOptions {
  /// A Hugging Face folder, or "embedded" for the model that ships with the program.
  std::string model = "embedded";
  Device device = Device::kAuto;  ///< kAuto: CUDA when there is one.
  Precision precision = Precision::kFloat32;
};

struct EncoderInfo {
  std::string name;            ///< Folder name, or "embedded".
  std::filesystem::path path;  ///< A hint, not the identity.
  /// Identity: 32 hex digits over tensor names, shapes and values, normalised config, tokenizer and
  /// preprocessing. Two folders with equal checksums embed alike.
  std::string checksum;
  std::string architecture;  ///< "CLIPModel"
  std::size_t dim = 0;
  std::size_t image_size = 0;  ///< Pixels, square.
  std::size_t max_tokens = 0;  ///< Longest text with its begin and end tokens.
  std::size_t max_batch = 256;
  double logit_scale = 1.0;  ///< After exp.
  double logit_bias = 0.0;
  /// Spreads above a collection's background from which a match is strong, fitted for this model
  /// (ModelSettings); none if it was not.
  std::optional<double> strong_spreads;
  std::uint64_t num_parameters = 0;
  Precision precision = Precision::kFloat32;
  Device device = Device::kCpu;
  image::PreprocessSpec preprocess;
};

/// Whether rows are divided by their L2 norm.
enum class Normalize { kYes, kNo };

/// One loaded image-text model.
/// Thread-safety: const methods may run on many threads at once; each uses the calling thread's
/// OpenMP and LibTorch thread counts.
class Encoder {
 public:
  virtual ~Encoder() = default;

  /// Encodes `pixels` in order: row i of the result belongs to picture i of the batch.
  ///
  /// pixels    float32 [n, 3, H, W], n in 1..info().max_batch, made by image::preprocess() with
  ///           info().preprocess. Another H x W than the model's is taken when both are multiples
  ///           of the patch size: position embeddings are interpolated.
  /// deadline  checked once, before the forward pass.
  /// returns   float32 [n, info().dim], rows of L2 norm 1 unless `normalize` is kNo.
  /// errors    kInvalidArgument: empty or oversized batch, or an impossible image size.
  ///           kDeadlineExceeded, kCancelled.
  virtual Result<EmbeddingBatch> encode_pixels(const image::PixelBatch& pixels, Deadline deadline,
                                               Normalize normalize = Normalize::kYes) const = 0;

  /// Encodes UTF-8 texts in order; longer texts are cut to info().max_tokens, keeping the end
  /// token. errors    kInvalidArgument: no texts or more than info().max_batch.
  virtual Result<EmbeddingBatch> encode_texts(std::span<const std::string> texts, Deadline deadline,
                                              Normalize normalize = Normalize::kYes) const = 0;

  virtual const EncoderInfo& info() const = 0;
};

/// Loads the model `options` names.
/// errors  kNotFound: folder or file missing; kCorruption: damaged weights; kInvalidArgument:
/// unknown
///         architecture, missing or unexpected weight, wrong shape (each named).
Result<std::unique_ptr<Encoder>> load_encoder(const EncoderOptions& options);

/// The folder `model` names: itself, or for "embedded" the folder that ships with the program
/// ($SIGHTLINE_MODELS_DIR/embedded, PREFIX/share/sightline/models/embedded beside the program, or
/// the source tree it was built from). kNotFound lists the places looked at.
Result<std::filesystem::path> resolve_model_folder(const std::string& model);

/// What `sightline model check` prints: architecture, dim, image_size, max_tokens, parameters,
/// dtype, checksum (null without tokenizer or preprocessing), `missing` weights (those of a wrong
/// shape included), `unused` keys, `wrong_shape`, and `problems`: one line for each reason why
/// load_encoder() would fail, empty when it would not.
/// errors  kNotFound, kCorruption, kInvalidArgument: no configuration or weights that can be read.
Result<Json> check_model(const std::filesystem::path& folder);

/// The report of a folder for which check_model() fails with `why`: what can be told all the same
/// (the architecture that config.json names, sizes, parameters and dtype as stored), null for the
/// rest, and `problems`, `why` first.
Json describe_unreadable_model(const std::filesystem::path& folder, const Status& why);

}  // namespace sightline::encoders
