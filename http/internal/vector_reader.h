// http/internal/vector_reader.h: vectors of a body, read into the rows that are stored.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "http/inference.h"
#include "http/internal/json_walk.h"
#include "pipeline/collection_store.h"

namespace sightline::http {

/// One vector: values, or a text or picture that they are made of.
struct VectorInput {
  pipeline::NamedVector vector;
  std::optional<InferenceInput> inference;  ///< Then `vector` has its name alone.
};

/// Reads the schemas Vector and VectorStruct.
/// Thread-safety: belongs to one thread.
class VectorReader {
 public:
  /// Vector: dense, sparse, multi, or inference.
  Result<VectorInput> read_vector(std::string name, ondemand::value value, const Place& place);
  /// VectorStruct: one default vector, or vectors by name.
  Result<std::vector<VectorInput>> read_vectors(ondemand::value value, const Place& place);

 private:
  Result<void> read_floats(ondemand::array array, const Place& place, std::vector<float>& values);
  Result<void> read_list(ondemand::value value, const Place& place, pipeline::NamedVector& vector);
  Result<VectorInput> read_object(std::string name, ondemand::value value, const Place& place);

  std::size_t last_size_ = 0;  // floats of the last row: what the next is likely to have
};

}  // namespace sightline::http
