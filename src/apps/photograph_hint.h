// apps/photograph_hint.h: the embedded model was made for drawings; who asks it for photographs is
// told.
#pragma once

#include <span>
#include <string_view>

#include "apps/command.h"
#include "apps/search_output.h"
#include "core/deadline.h"
#include "core/result.h"
#include "encoders/encoder.h"
#include "pipeline/collection_store.h"

namespace sightline::apps {

/// Notes on stderr how to bring another model if `model` is the embedded one and most of the
/// pictures of `store`, or of 64 of them taken at random, name the camera that took them.
Result<void> note_photographs(CommandContext& context, const pipeline::CollectionStore& store,
                              const encoders::EncoderInfo& model, const Deadline& deadline);

/// The same of the hits that a server found with the model of that name.
void note_photographs(CommandContext& context, std::span<const Answered> answers,
                      std::string_view model);

}  // namespace sightline::apps
