// train/internal/checkpoint.h: where a run stands, on disk: one safetensors file with the flat
// tensors of DualEncoder and these numbers in its metadata; written beside, synced, renamed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "core/result.h"
#include "train/internal/dual_encoder.h"
#include "train/internal/run_pace.h"

namespace sightline::train {

Result<void> save_checkpoint(const std::filesystem::path& path, const DualEncoder& encoder,
                             const RunState& state);

/// Fills `encoder` from `path`. errors  kNotFound: no file; kFailedPrecondition: another identity
/// than `identity`; kCorruption.
Result<RunState> load_checkpoint(const std::filesystem::path& path, const std::string& identity,
                                 DualEncoder& encoder);

/// The weights that a run keeps as its best.
struct FlatWeights {
  std::uint64_t step = 0;
  double score = 0;
};

/// Writes `weights` (DualEncoder::parameters or ::ema) with what is known of them.
Result<void> save_flat_weights(const std::filesystem::path& path, const std::string& identity,
                               const FlatWeights& known, const torch::Tensor& weights);

/// Reads what is known of the weights in `path`, and them into `into`, which may be null.
/// errors  as load_checkpoint().
Result<FlatWeights> load_flat_weights(const std::filesystem::path& path,
                                      const std::string& identity, torch::Tensor* into);

}  // namespace sightline::train
