#include "apps/photograph_hint.h"

#include <cstddef>

namespace sightline::apps {
namespace {

constexpr std::size_t kSample = 64;
constexpr std::string_view kEmbedded = "embedded";

bool names_camera(const Json& payload) {
  const auto facts = payload.find("_image");
  return facts != payload.end() && facts->is_object() && facts->contains("camera");
}

void note_if_most(CommandContext& context, std::size_t num_photographs, std::size_t num_pictures) {
  if (2 * num_photographs <= num_pictures) return;
  context.note(
      "most of these pictures are photographs, and the embedded model knows drawings best: a CLIP "
      "checkpoint will find far more. Get one (openai/clip-vit-base-patch32 will do), then\n"
      "  sightline index PICTURES --model DIR --collection NAME\n"
      "docs/bring-your-own-model.md tells how");
}

}  // namespace

Result<void> note_photographs(CommandContext& context, const pipeline::CollectionStore& store,
                              const encoders::EncoderInfo& model, const Deadline& deadline) {
  if (model.name != kEmbedded || context.quiet()) return {};
  SIGHTLINE_TRY(const auto points, store.sample(kSample, {true, false, {}}, nullptr, deadline));
  std::size_t num_photographs = 0;
  for (const pipeline::StoredPoint& point : points) {
    if (names_camera(point.payload)) ++num_photographs;
  }
  note_if_most(context, num_photographs, points.size());
  return {};
}

void note_photographs(CommandContext& context, std::span<const Answered> answers,
                      std::string_view model) {
  if (model != kEmbedded || context.quiet()) return;
  std::size_t num_photographs = 0, num_pictures = 0;
  for (const Answered& answered : answers) {
    for (const pipeline::QueryHit& hit : answered.answer.hits) {
      ++num_pictures;
      if (names_camera(hit.payload)) ++num_photographs;
    }
  }
  note_if_most(context, num_photographs, num_pictures);
}

}  // namespace sightline::apps
