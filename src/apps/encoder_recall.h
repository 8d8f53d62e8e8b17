// apps/encoder_recall.h: how well a model finds the pictures of a captioned manifest.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "apps/command.h"
#include "apps/progress_bar.h"
#include "codecs/decode.h"
#include "core/deadline.h"
#include "encoders/encoder.h"
#include "eval/caption_recall.h"
#include "pipeline/captioned_manifest.h"

namespace sightline::apps {

struct SkippedPicture {
  std::string image, reason;  ///< The message begins with the name, as everywhere.
};
Json to_json(std::span<const SkippedPicture> skipped);

struct MeasuredEncoder {
  eval::CaptionRecall recall;
  std::vector<SkippedPicture> skipped;  ///< Could not be read; they and theirs alone do not count.
};

/// Encodes the pictures of `manifest` that `which` names, and their captions, and compares them.
/// errors  kInvalidArgument: not one of them can be read; kCancelled; the encoder's own.
Result<MeasuredEncoder> measure_encoder(CommandContext& context, const encoders::Encoder& encoder,
                                        const pipeline::CaptionedManifest& manifest,
                                        std::span<const std::size_t> which,
                                        const codecs::DecodeOptions& decode, ProgressBar& bar,
                                        const Deadline& deadline);

/// "text to image   0.516  0.778  0.856" and its counterpart, in a table.
std::string recall_table(const eval::CaptionRecall& recall);

}  // namespace sightline::apps
