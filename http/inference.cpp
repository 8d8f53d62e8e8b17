#include "http/inference.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "http/api_scope.h"
#include "http/errors.h"
#include "pipeline/encoder_host.h"
#include "pipeline/image_source.h"

namespace sightline::http {
namespace {

using pipeline::VectorConfig;
using Kind = InferenceInput::Kind;
using Rows = std::vector<std::vector<float>>;

/// Who asks whom.
struct Asker {
  const Services& services;
  const Principal& principal;
  const Deadline& deadline;
};

/// Inputs that one call encodes.
struct Group {
  pipeline::HostedModel model;
  Kind kind = Kind::kText;
  codecs::AlphaRule alpha{};
  std::vector<std::size_t> members;  ///< Of `inputs`.
};

/// The model that Qdrant makes sparse vectors of texts with: it counts words.
bool is_bm25(std::string model) {
  std::ranges::transform(model, model.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return model == "qdrant/bm25";
}

Result<const VectorConfig*> find_vector(const pipeline::CollectionConfig& config,
                                        const InferenceInput& input) {
  const auto found = config.vectors.find(input.vector_name);
  if (found == config.vectors.end()) {
    return invalid_argument("Wrong input: Not existing vector name error: " + input.vector_name);
  }
  if (is_bm25(input.model)) return left_out("BM25 (the model `" + input.model + "`)");
  if (found->second.kind == pipeline::VectorKind::kSparse) {
    return invalid_argument("Wrong input: Conversion between sparse and regular vectors failed");
  }
  return &found->second;
}

/// The model that the input names, if it makes vectors like those of `vector`.
Result<pipeline::HostedModel> find_model(pipeline::EncoderHost& encoders,
                                         const VectorConfig& vector, const InferenceInput& input) {
  const pipeline::ModelIdentity& made_by = vector.model;
  // What GET tells of the vector: found by its checksum wherever it lies.
  const bool is_own =
      !made_by.checksum.empty() &&
      (input.model == made_by.name || input.model == vector.parameters.value("model", ""));
  SIGHTLINE_TRY(auto model, is_own ? encoders.find(made_by) : encoders.find(input.model));
  if (!made_by.checksum.empty() && made_by.checksum != model->info().checksum) {
    return invalid_argument("Wrong input: the vectors \"" + input.vector_name +
                            "\" of the collection are made by the model " + made_by.name +
                            ", not by " + input.model);
  }
  if (model->info().dim != vector.dim) {
    return invalid_argument(
        "Wrong input: Vector dimension error: expected dim: " + std::to_string(vector.dim) +
        ", got " + std::to_string(model->info().dim) + " from the model " + input.model);
  }
  return model;
}

Result<void> encode_texts(const Group& group, std::span<const InferenceInput> inputs,
                          const Deadline& deadline, Rows& rows) {
  std::vector<std::string> texts;
  for (const std::size_t i : group.members) texts.push_back(inputs[i].content);
  SIGHTLINE_TRY(const auto batch, group.model->encode_texts(texts, deadline));
  for (std::size_t i = 0; i < group.members.size(); ++i) {
    const auto row = batch.row(i);
    rows[group.members[i]].assign(row.begin(), row.end());
  }
  return {};
}

Status which(Status status, std::size_t input, std::size_t num_inputs) {
  if (num_inputs == 1) return status;
  return std::move(status).with_context("input " + std::to_string(input));
}

/// A picture over a limit is a mistake of the request, not a lack of memory.
Status as_input(Status status) {
  if (status.code == StatusCode::kResourceExhausted) status.code = StatusCode::kInvalidArgument;
  return status;
}

Result<void> encode_pictures(const Asker& asker, const Group& group,
                             std::span<const InferenceInput> inputs, Rows& rows) {
  std::vector<pipeline::Picture> pictures;
  for (const std::size_t i : group.members) {
    auto picture = load_image(asker.services, asker.principal, inputs[i].content, asker.deadline);
    if (!picture) return which(as_input(std::move(picture).error()), i, inputs.size());
    pictures.push_back(*std::move(picture));
  }
  SIGHTLINE_TRY(auto encoded, group.model->encode_pictures(pictures, group.alpha, asker.deadline));
  for (std::size_t i = 0; i < group.members.size(); ++i) {
    auto& row = encoded.rows[i];
    if (!row) return which(as_input(std::move(row).error()), group.members[i], inputs.size());
    rows[group.members[i]] = *std::move(row);
  }
  return {};
}

}  // namespace

Result<Rows> run_inference(const Services& services, const Principal& principal,
                           const pipeline::CollectionConfig& config,
                           std::span<const InferenceInput> inputs, const Deadline& deadline) {
  std::map<std::tuple<const pipeline::QueryEncoder*, Kind, codecs::AlphaRule>, Group> groups;
  // A large batch names the same model of the same vector name over and over.
  std::map<std::pair<std::string, std::string>, pipeline::HostedModel> found;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const InferenceInput& input = inputs[i];
    SIGHTLINE_TRY(const VectorConfig* vector, find_vector(config, input));
    pipeline::HostedModel& model = found[{input.vector_name, input.model}];
    if (model == nullptr) {
      SIGHTLINE_TRY(model, find_model(services.encoders, *vector, input));
    }
    const codecs::AlphaRule alpha = pipeline::alpha_of(vector->model);
    Group& group = groups[{model.get(), input.kind, alpha}];
    group.model = model;
    group.kind = input.kind;
    group.alpha = alpha;
    group.members.push_back(i);
  }

  Rows rows(inputs.size());
  for (const auto& [key, group] : groups) {
    if (group.kind == Kind::kText) {
      SIGHTLINE_TRY_DO(encode_texts(group, inputs, deadline, rows));
    } else {
      SIGHTLINE_TRY_DO(encode_pictures({services, principal, deadline}, group, inputs, rows));
    }
  }
  return rows;
}

}  // namespace sightline::http
