// apps/photograph_hint.h: the embedded model was made for drawings; who asks it for photographs is
// told.
#pragma once

#include "apps/command.h"
#include "core/deadline.h"
#include "core/result.h"
#include "encoders/encoder.h"
#include "pipeline/collection_store.h"

namespace sightline::apps {

/// Notes on stderr how to bring another model if `model` is the embedded one and most of the
/// pictures of `store`, or of 64 of them taken at random, name the camera that took them.
Result<void> note_photographs(CommandContext& context, const pipeline::CollectionStore& store,
                              const encoders::EncoderInfo& model, const Deadline& deadline);

}  // namespace sightline::apps
