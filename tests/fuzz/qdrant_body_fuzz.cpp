// Whatever the bytes, the readers of Qdrant's bodies end with an error that names the rule or with
// a request whose parts belong together. The first byte picks the reader.
#include <cstddef>
#include <cstdint>
#include <string>

#include "http/point_reader.h"
#include "http/qdrant_operations.h"
#include "http/qdrant_settings.h"
#include "http/query_reader.h"

namespace {

using namespace sightline;
using namespace sightline::http;

void check(const Status& error) {
  SIGHTLINE_CHECK(!error.message.empty());
  SIGHTLINE_CHECK(error.code == StatusCode::kInvalidArgument ||
                  error.code == StatusCode::kValidation ||
                  error.code == StatusCode::kUnimplemented);
}

void check(const pipeline::NamedVector& vector) {
  if (vector.kind == pipeline::VectorKind::kSparse) {
    SIGHTLINE_CHECK(vector.indices.size() == vector.values.size());
  } else {
    SIGHTLINE_CHECK(vector.num_rows >= 1 && vector.values.size() % vector.num_rows == 0);
  }
}

void check(const PointBatch& batch) {
  SIGHTLINE_CHECK(!batch.points.empty());
  for (const pipeline::UpsertPoint& point : batch.points) {
    SIGHTLINE_CHECK(point.payload.is_object());
    for (const pipeline::NamedVector& vector : point.vectors) check(vector);
  }
  for (const PendingVector& pending : batch.pending) {
    SIGHTLINE_CHECK(!pending.input.model.empty());
    SIGHTLINE_CHECK(batch.points.at(pending.point).vectors.at(pending.vector).values.empty());
  }
}

void fuzz_points(std::string body) {
  const auto batch = read_upsert(body);
  if (batch) {
    check(*batch);
  } else {
    check(batch.error());
  }
}

void fuzz_operations(std::string body) {
  const auto operations = read_update_operations(body);
  if (!operations) return check(operations.error());
  for (const UpdateOperation& operation : *operations) {
    if (const auto* upsert = std::get_if<PointBatch>(&operation)) check(*upsert);
    if (const auto* update = std::get_if<UpdateVectorsBatch>(&operation)) check(update->batch);
  }
}

void fuzz_query(const Json& body) {
  InferenceInputs inputs;
  const auto query = read_query(BodyNode(body), inputs);
  if (!query) return check(query.error());
  SIGHTLINE_CHECK(query->limit >= 1);
  if (inputs.empty()) return;
  inputs.set_vectors(std::vector<std::vector<float>>(inputs.inputs().size(), {1.0f}));
  SIGHTLINE_CHECK(read_query(BodyNode(body), inputs).has_value());
}

void fuzz_collection(const Json& body) {
  const auto request = read_create_collection(BodyNode(body));
  if (!request) return check(request.error());
  pipeline::CollectionInfo info;
  info.config.parameters = request->parameters;
  for (const auto& [name, vector] : request->vectors) {
    pipeline::VectorConfig& config = info.config.vectors[name];
    config.kind = vector.kind;
    config.parameters = vector.parameters;
  }
  SIGHTLINE_CHECK(collection_info_json(info).contains("config"));
  const auto updated = update_collection(BodyNode(body), info.config);
  if (!updated) check(updated.error());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 4 == 0) {
    fuzz_points(text);
    return 0;
  }
  if (data[0] % 4 == 1) {
    fuzz_operations(text);
    return 0;
  }
  const auto json = parse_json(text, "input");
  if (!json) return 0;
  if (data[0] % 4 == 2) {
    fuzz_query(*json);
  } else {
    fuzz_collection(*json);
  }
  return 0;
}
