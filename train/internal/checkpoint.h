// train/internal/checkpoint.h: where a run stands, on disk: one safetensors file with the flat
// tensors of DualEncoder and these numbers in its metadata; written beside, synced, renamed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "core/result.h"
#include "train/internal/dual_encoder.h"

namespace sightline::train {

struct RunState {
  std::uint64_t step = 0, pictures_seen = 0;
  double active_seconds = 0;
  std::uint64_t random = 0;  ///< Random::state()
  std::string identity;      ///< Of model and tokenizer: a checkpoint of another is refused.
};

Result<void> save_checkpoint(const std::filesystem::path& path, const DualEncoder& encoder,
                             const RunState& state);

/// Fills `encoder` from `path`. errors  kNotFound: no file; kFailedPrecondition: another identity
/// than `identity`; kCorruption.
Result<RunState> load_checkpoint(const std::filesystem::path& path, const std::string& identity,
                                 DualEncoder& encoder);

}  // namespace sightline::train
