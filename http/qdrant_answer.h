// http/qdrant_answer.h: {"result": ..., "status": "ok", "time": ...}, written without a JSON tree.
//
// Answers with vectors are long: floats are written shortest so that they read back as the same
// float32, integers to 2^64-1 as they are.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "core/point_id.h"
#include "http/exchange.h"
#include "pipeline/collection_store.h"
#include "pipeline/point_query.h"

namespace sightline::http {

/// Appends to the text of an answer. Thread-safety: belongs to one thread.
class AnswerWriter {
 public:
  AnswerWriter() : text_(R"({"result":)") {}

  /// Anything that is JSON already ("{", ",", "\"hits\":[").
  AnswerWriter& raw(std::string_view json);
  AnswerWriter& string(std::string_view text);
  AnswerWriter& number(std::uint64_t value);
  AnswerWriter& number(std::int64_t value);
  AnswerWriter& number(double value);
  /// "0.1", "1.0", "1e-05"; null where it is not finite.
  AnswerWriter& number(float value);
  AnswerWriter& id(const PointId& id);
  AnswerWriter& json(const Json& value);
  /// VectorStructOutput: the one default vector, or vectors by name.
  AnswerWriter& vectors(std::span<const pipeline::NamedVector> vectors);

  /// Calls `write(element)` for each, commas between.
  template <typename List, typename Write>
  AnswerWriter& list(const List& elements, Write write) {
    text_ += '[';
    bool first = true;
    for (const auto& element : elements) {
      if (!first) text_ += ',';
      first = false;
      write(element);
    }
    text_ += ']';
    return *this;
  }

  /// Record; members that were not asked for are left out. `order_value` may be null.
  AnswerWriter& record(const pipeline::StoredPoint& point, const pipeline::PayloadSelector& payload,
                       const pipeline::VectorSelector& vectors,
                       const pipeline::OrderValue* order_value = nullptr);
  /// ScoredPoint. `turn_sign`: scores are negated distances.
  AnswerWriter& hit(const pipeline::PointHit& hit, bool turn_sign,
                    const pipeline::VectorSelector& vectors);

  /// The whole answer; `started`: when the request came.
  Response finish(std::chrono::steady_clock::time_point started) &&;

 private:
  void rows(const pipeline::NamedVector& vector);
  void values(std::span<const float> values);
  void order_value(const pipeline::OrderValue& value);

  std::string text_;
};

/// The answer of a small JSON value.
Response qdrant_answer(const Json& result, std::chrono::steady_clock::time_point started);

/// What a store has to read for the two selectors.
pipeline::GetOptions get_options(const pipeline::PayloadSelector& payload,
                                 const pipeline::VectorSelector& vectors);

}  // namespace sightline::http
