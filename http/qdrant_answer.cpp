#include "http/qdrant_answer.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace sightline::http {
namespace {

using pipeline::PayloadSelector;
using pipeline::VectorKind;
using pipeline::VectorSelector;

template <typename Number>
void append(std::string& text, Number value) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  text.append(digits.data(), end);
}

template <typename Float>
void append_float(std::string& text, Float value) {
  if (!std::isfinite(value)) {
    text += "null";
    return;
  }
  const std::size_t before = text.size();
  append(text, value);
  // A float stays one for readers that tell 1 from 1.0.
  if (text.find_first_of(".e", before) == std::string::npos) text += ".0";
}

}  // namespace

AnswerWriter& AnswerWriter::raw(std::string_view json) {
  text_ += json;
  return *this;
}

AnswerWriter& AnswerWriter::string(std::string_view text) { return json(Json(text)); }

AnswerWriter& AnswerWriter::number(std::uint64_t value) {
  append(text_, value);
  return *this;
}
AnswerWriter& AnswerWriter::number(std::int64_t value) {
  append(text_, value);
  return *this;
}
AnswerWriter& AnswerWriter::number(double value) {
  append_float(text_, value);
  return *this;
}
AnswerWriter& AnswerWriter::number(float value) {
  append_float(text_, value);
  return *this;
}

AnswerWriter& AnswerWriter::id(const PointId& id) {
  if (id.is_number()) return number(id.number());
  text_.append(1, '"').append(id.to_string()) += '"';
  return *this;
}

AnswerWriter& AnswerWriter::json(const Json& value) {
  text_ += dump_json(value);
  return *this;
}

void AnswerWriter::values(std::span<const float> values) {
  list(values, [this](float value) { number(value); });
}

void AnswerWriter::rows(const pipeline::NamedVector& vector) {
  switch (vector.kind) {
    case VectorKind::kDense:
      return values(vector.values);
    case VectorKind::kSparse:
      raw(R"({"indices":)").list(vector.indices, [this](std::uint32_t index) {
        number(std::uint64_t{index});
      });
      raw(R"(,"values":)");
      values(vector.values);
      text_ += '}';
      return;
    case VectorKind::kMulti: {
      const std::size_t dim = vector.values.size() / vector.num_rows;
      text_ += '[';
      for (std::size_t i = 0; i < vector.num_rows; ++i) {
        if (i > 0) text_ += ',';
        values(std::span(vector.values).subspan(i * dim, dim));
      }
      text_ += ']';
      return;
    }
  }
}

AnswerWriter& AnswerWriter::vectors(std::span<const pipeline::NamedVector> vectors) {
  if (vectors.size() == 1 && vectors.front().name.empty()) {
    rows(vectors.front());
    return *this;
  }
  text_ += '{';
  bool first = true;
  for (const pipeline::NamedVector& vector : vectors) {
    if (!first) text_ += ',';
    first = false;
    string(vector.name);
    text_ += ':';
    rows(vector);
  }
  text_ += '}';
  return *this;
}

void AnswerWriter::order_value(const pipeline::OrderValue& value) {
  raw(R"(,"order_value":)");
  std::visit([this](const auto& number) { this->number(number); }, value);
}

AnswerWriter& AnswerWriter::record(const pipeline::StoredPoint& point,
                                   const PayloadSelector& payload, const VectorSelector& vectors,
                                   const pipeline::OrderValue* value) {
  raw(R"({"id":)").id(point.id);
  if (payload.kind != PayloadSelector::Kind::kNone) {
    raw(R"(,"payload":)").json(pipeline::select_payload(payload, point.payload));
  }
  if (vectors.kind != VectorSelector::Kind::kNone) raw(R"(,"vector":)").vectors(point.vectors);
  if (value != nullptr) order_value(*value);
  return raw("}");
}

AnswerWriter& AnswerWriter::hit(const pipeline::PointHit& hit, bool turn_sign,
                                const VectorSelector& vectors) {
  // 0 - x, not -x: a distance of 0 is no "-0.0".
  const float score = turn_sign ? 0.0f - hit.score : hit.score;
  raw(R"({"id":)").id(hit.id).raw(R"(,"version":)").number(hit.version);
  raw(R"(,"score":)").number(score);
  if (hit.payload) raw(R"(,"payload":)").json(*hit.payload);
  if (vectors.kind != VectorSelector::Kind::kNone) raw(R"(,"vector":)").vectors(hit.vectors);
  if (hit.order_value) order_value(*hit.order_value);
  return raw("}");
}

Response AnswerWriter::finish(std::chrono::steady_clock::time_point started) && {
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - started;
  raw(R"(,"status":"ok","time":)").number(time.count()).raw("}");
  Response response;
  response.body = std::move(text_);
  return response;
}

Response qdrant_answer(const Json& result, std::chrono::steady_clock::time_point started) {
  AnswerWriter writer;
  writer.json(result);
  return std::move(writer).finish(started);
}

pipeline::GetOptions get_options(const PayloadSelector& payload, const VectorSelector& vectors) {
  pipeline::GetOptions options;
  options.with_payload = payload.kind != PayloadSelector::Kind::kNone;
  options.with_vectors = vectors.kind == VectorSelector::Kind::kAll || !vectors.names.empty();
  options.vector_names = vectors.names;
  return options;
}

}  // namespace sightline::http
