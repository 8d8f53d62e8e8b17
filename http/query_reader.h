// http/query_reader.h: bodies of points/query and its kin as queries of src/pipeline.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/result.h"
#include "http/body_node.h"
#include "http/inference.h"
#include "pipeline/point_query.h"

namespace sightline::http {

/// The texts and pictures of a request. A request that has any is read twice: the first time they
/// are noted down, the second time their vectors are handed out in the same order.
/// Thread-safety: belongs to one thread.
class InferenceInputs {
 public:
  /// Notes the input down and returns an empty vector, or returns its vector.
  std::vector<float> take(InferenceInput input);

  bool empty() const { return inputs_.empty(); }
  const std::vector<InferenceInput>& inputs() const { return inputs_; }
  /// From now on take() hands these out.
  void set_vectors(std::vector<std::vector<float>> vectors);

 private:
  std::vector<InferenceInput> inputs_;
  std::optional<std::vector<std::vector<float>>> vectors_;
  std::size_t next_ = 0;
};

// errors  those of BodyNode; kInvalidArgument: no form of a query; kUnimplemented: formula,
//         relevance feedback, shard keys, inference of objects, IDF, what read_filter() leaves out.
// Vectors may be rows of read_json_with_rows(); an error then shows them otherwise than they came.

/// QueryRequest.
Result<pipeline::PointQuery> read_query(const BodyNode& body, InferenceInputs& inputs);
/// QueryGroupsRequest.
Result<pipeline::GroupQuery> read_group_query(const BodyNode& body, InferenceInputs& inputs);

}  // namespace sightline::http
