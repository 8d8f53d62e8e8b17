#include <string>

#include "codecs/decode.h"
#include "pipeline/ingest.h"
#include "pipeline/query.h"

namespace sightline::pipeline {
namespace {

std::string_view alpha_name(codecs::AlphaRule alpha) {
  return alpha == codecs::AlphaRule::kDrop ? "drop" : "white";
}

/// "clip-vit-base-patch32 (3f9a02c1, alpha white)"
std::string describe(std::string_view name, std::string_view checksum, std::string_view alpha) {
  return std::string(name) + " (" + std::string(checksum.substr(0, 8)) + ", alpha " +
         std::string(alpha) + ")";
}

}  // namespace

Result<void> check_same_model(const CollectionInfo& collection,
                              const encoders::EncoderInfo& encoder, codecs::AlphaRule alpha) {
  const std::string given = describe(encoder.name, encoder.checksum, alpha_name(alpha));
  const auto vector = collection.config.vectors.find("");
  if (vector == collection.config.vectors.end()) {
    return failed_precondition("collection \"" + collection.name +
                               "\" has no default vector for model " + given);
  }
  const ModelIdentity& model = vector->second.model;
  if (model.checksum.empty()) {
    return failed_precondition("the vectors of collection \"" + collection.name +
                               "\" came from outside, not from model " + given);
  }
  if (model.checksum == encoder.checksum && model.alpha == alpha_name(alpha)) return {};
  std::string message = "collection \"" + collection.name + "\" was made by model " +
                        describe(model.name, model.checksum, model.alpha) + ", not by " + given;
  if (model.checksum == encoder.checksum) {
    message += "; use --alpha " + model.alpha + " or another collection";
  } else {
    message +=
        "; use --model " +
        (model.path_hint.empty() || model.name == "embedded" ? model.name : model.path_hint) +
        " or another collection";
  }
  return failed_precondition(std::move(message));
}

Result<std::shared_ptr<CollectionStore>> open_or_create_for(DataFolder& folder,
                                                            std::string_view name,
                                                            const encoders::EncoderInfo& encoder,
                                                            codecs::AlphaRule alpha) {
  auto opened = folder.open_collection(name);
  if (opened) {
    SIGHTLINE_TRY(const CollectionInfo info, (*opened)->info());
    SIGHTLINE_TRY_DO(check_same_model(info, encoder, alpha));
    return opened;
  }
  if (opened.error().code != StatusCode::kNotFound) return opened;

  VectorConfig vector;
  vector.dim = encoder.dim;
  vector.metric = Metric::kCosine;
  vector.model = identity_of(encoder, alpha);
  CollectionConfig config;
  config.vectors.emplace("", std::move(vector));
  return folder.create_collection(name, config);
}

}  // namespace sightline::pipeline
