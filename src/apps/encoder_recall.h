// apps/encoder_recall.h: how well a model finds the pictures of a captioned manifest.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "apps/command.h"
#include "apps/progress_bar.h"
#include "codecs/decode.h"
#include "core/deadline.h"
#include "encoders/encoder.h"
#include "eval/caption_recall.h"
#include "eval/match_threshold.h"
#include "pipeline/captioned_manifest.h"

namespace sightline::apps {

struct SkippedPicture {
  std::string image, reason;  ///< The message begins with the name, as everywhere.
};
Json to_json(std::span<const SkippedPicture> skipped);

/// A caption that was found, or was not; pictures by their places in the manifest.
struct FoundCaption {
  std::string caption;
  std::size_t wanted = 0, found = 0;
};

struct MeasuredEncoder {
  eval::CaptionRecall recall;
  /// None with too few pictures.
  std::optional<eval::MatchThreshold> threshold;
  std::vector<FoundCaption> hits, misses;  ///< As many as were asked for, if there are any.
  std::vector<SkippedPicture> skipped;  ///< Could not be read; they and theirs alone do not count.
};

/// Encodes the pictures of `manifest` that `which` names, and their captions, and compares them;
/// keeps `num_examples` of what it found and as many of what it missed.
/// errors  kInvalidArgument: not one of them can be read; kCancelled; the encoder's own.
Result<MeasuredEncoder> measure_encoder(CommandContext& context, const encoders::Encoder& encoder,
                                        const pipeline::CaptionedManifest& manifest,
                                        std::span<const std::size_t> which,
                                        const codecs::DecodeOptions& decode,
                                        std::size_t num_examples, ProgressBar& bar,
                                        const Deadline& deadline);

/// "text to image   0.516  0.778  0.856" and its counterpart, in a table.
std::string recall_table(const eval::CaptionRecall& recall);

/// What is strong by the threshold in use, and by the best one, in a table.
std::string threshold_table(const eval::MatchThreshold& threshold);

}  // namespace sightline::apps
