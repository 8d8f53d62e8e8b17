#include "http/internal/vector_reader.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "http/errors.h"

namespace sightline::http {
namespace {

using pipeline::NamedVector;
using pipeline::VectorKind;

Result<ondemand::json_type> type_of(ondemand::value value, const Place& place) {
  ondemand::json_type type{};
  if (const auto error = value.type().get(type)) return place.failure(error, "a vector");
  return type;
}

Result<float> to_float(ondemand::value value, const Place& list, std::size_t index) {
  double number = 0;
  if (const auto error = value.get_double().get(number)) {
    return list.element(index).failure(error, "a number");
  }
  const auto narrow = static_cast<float>(number);
  if (!std::isfinite(narrow)) {
    return list.element(index).broken("must fit into a float of 32 bits");
  }
  return narrow;
}

Result<std::vector<std::uint32_t>> read_indices(ondemand::value value, const Place& place) {
  std::vector<std::uint32_t> indices;
  SIGHTLINE_TRY_DO(
      walk_list(value, place, [&indices](ondemand::value element, const Place& at) -> Result<void> {
        std::uint64_t index = 0;
        if (const auto error = element.get_uint64().get(index)) {
          return at.failure(error, "an integer of 32 bits");
        }
        if (index > std::numeric_limits<std::uint32_t>::max()) {
          return at.wrong_type("an integer of 32 bits");
        }
        indices.push_back(static_cast<std::uint32_t>(index));
        return {};
      }));
  return indices;
}

/// What is wrong with the numbers of a vector is said as Qdrant says it, the name of the vector
/// left open: "points[0].vector.?.values: ...".
Status broken_vector(const NamedVector& vector, const Place& place, std::string_view member,
                     std::string_view rule) {
  const bool is_named_here = !vector.name.empty() && place.key.data() != nullptr;
  if (!is_named_here || place.parent == nullptr) return place.member(member).broken(rule);
  const Place open = place.parent->member("?");
  return open.member(member).broken(rule);
}

Result<void> check_sparse(const NamedVector& vector, const Place& place) {
  if (vector.indices.size() != vector.values.size()) {
    return broken_vector(vector, place, "values",
                         "Validation error: must be the same length as indices [{}]");
  }
  std::vector<std::uint32_t> sorted = vector.indices;
  std::ranges::sort(sorted);
  if (std::ranges::adjacent_find(sorted) != sorted.end()) {
    return broken_vector(vector, place, "indices", "Validation error: must be unique [{}]");
  }
  return {};
}

/// The members of an object that stands for a vector, in whatever order they come.
struct ObjectParts {
  std::optional<std::vector<std::uint32_t>> indices;
  std::optional<std::vector<float>> values;
  std::optional<std::string> text, image, model;
  bool has_object = false;

  bool any() const { return indices || values || text || image || model || has_object; }
};

Result<InferenceInput> to_inference(ObjectParts parts, const Place& place) {
  if (parts.has_object) return left_out("inference of an `object`");
  if (!parts.text && !parts.image) return place.malformed("missing field `text` or `image`");
  if (parts.text && parts.image) return place.malformed("has both `text` and `image`");
  if (!parts.model) return place.malformed("missing field `model`");
  if (parts.model->empty()) return place.member("model").broken("must be at least 1 characters");
  InferenceInput input;
  input.kind = parts.text ? InferenceInput::Kind::kText : InferenceInput::Kind::kImage;
  input.content = *std::move(parts.text ? parts.text : parts.image);
  input.model = *std::move(parts.model);
  return input;
}

constexpr std::string_view kForms =
    "did not match any form of a vector: a list of numbers, a list of such lists, {indices, "
    "values}, {text, model}, {image, model}";

}  // namespace

Result<void> VectorReader::read_floats(ondemand::array array, const Place& place,
                                       std::vector<float>& values) {
  const std::size_t before = values.size();
  for (auto element : array) {
    ondemand::value value;
    if (const auto error = element.get(value)) return place.failure(error, "a number");
    SIGHTLINE_TRY(const float number, to_float(value, place, values.size() - before));
    values.push_back(number);
  }
  return {};
}

Result<void> VectorReader::read_list(ondemand::value value, const Place& place,
                                     NamedVector& vector) {
  ondemand::array array;
  if (const auto error = value.get_array().get(array)) return place.failure(error, "a vector");
  vector.values.reserve(last_size_);
  std::size_t num_rows = 0, dim = 0;
  for (auto element : array) {
    ondemand::value item;
    if (const auto error = element.get(item)) return place.failure(error, "a vector");
    const bool is_first = num_rows == 0 && vector.values.empty();
    if (is_first) {
      SIGHTLINE_TRY(const auto type, type_of(item, place.element(0)));
      if (type == ondemand::json_type::array) vector.kind = VectorKind::kMulti;
    }
    if (vector.kind == VectorKind::kDense) {
      SIGHTLINE_TRY(const float number, to_float(item, place, vector.values.size()));
      vector.values.push_back(number);
      continue;
    }
    const Place at = place.element(num_rows);
    ondemand::array row;
    if (const auto error = item.get_array().get(row)) return at.failure(error, "a list of numbers");
    const std::size_t before = vector.values.size();
    SIGHTLINE_TRY_DO(read_floats(row, at, vector.values));
    const std::size_t size = vector.values.size() - before;
    if (size == 0) return broken_vector(vector, place, "data", "all vectors must be non-empty");
    if (num_rows == 0) dim = size;
    if (size != dim) {
      return broken_vector(
          vector, place, "data",
          "all vectors must have the same dimension, found vector with dimension " +
              std::to_string(size));
    }
    ++num_rows;
  }
  if (vector.kind == VectorKind::kMulti) vector.num_rows = num_rows;
  last_size_ = vector.values.size();
  return {};
}

Result<VectorInput> VectorReader::read_object(std::string name, ondemand::value value,
                                              const Place& place) {
  ObjectParts parts;
  SIGHTLINE_TRY_DO(walk_object(
      value, place,
      [&](std::string_view key, ondemand::value member, const Place& at) -> Result<void> {
        if (key == "indices") {
          SIGHTLINE_TRY(parts.indices, read_indices(member, at));
        } else if (key == "values") {
          ondemand::array array;
          if (const auto error = member.get_array().get(array)) {
            return at.failure(error, "a list of numbers");
          }
          return read_floats(array, at, parts.values.emplace());
        } else if (key == "text") {
          SIGHTLINE_TRY(parts.text, to_string(member, at));
        } else if (key == "image") {
          SIGHTLINE_TRY(parts.image, to_string(member, at));
        } else if (key == "model") {
          SIGHTLINE_TRY(parts.model, to_string(member, at));
        } else {
          parts.has_object = parts.has_object || key == "object";
          return skip(member, at);
        }
        return {};
      }));
  VectorInput input;
  input.vector.name = std::move(name);
  if (parts.indices || parts.values) {
    if (!parts.indices) return place.malformed("missing field `indices`");
    if (!parts.values) return place.malformed("missing field `values`");
    input.vector.kind = VectorKind::kSparse;
    input.vector.indices = *std::move(parts.indices);
    input.vector.values = *std::move(parts.values);
    SIGHTLINE_TRY_DO(check_sparse(input.vector, place));
    return input;
  }
  if (!parts.any()) return place.malformed(kForms);
  SIGHTLINE_TRY(input.inference, to_inference(std::move(parts), place));
  input.inference->vector_name = input.vector.name;
  return input;
}

Result<VectorInput> VectorReader::read_vector(std::string name, ondemand::value value,
                                              const Place& place) {
  SIGHTLINE_TRY(const auto type, type_of(value, place));
  if (type == ondemand::json_type::object) return read_object(std::move(name), value, place);
  if (type != ondemand::json_type::array) return place.malformed(kForms);
  VectorInput input;
  input.vector.name = std::move(name);
  SIGHTLINE_TRY_DO(read_list(value, place, input.vector));
  return input;
}

Result<std::vector<VectorInput>> VectorReader::read_vectors(ondemand::value value,
                                                            const Place& place) {
  std::vector<VectorInput> vectors;
  SIGHTLINE_TRY(const auto type, type_of(value, place));
  if (type != ondemand::json_type::object) {
    SIGHTLINE_TRY(vectors.emplace_back(), read_vector("", value, place));
    return vectors;
  }
  // {"text": "a dog", "model": ...} is an input, {"text": [...]} a vector called "text": a string
  // tells. `options` of an input is an object like a sparse vector: it is read once all is known.
  ObjectParts parts;
  std::optional<Json> options;
  SIGHTLINE_TRY_DO(walk_object(
      value, place,
      [&](std::string_view key, ondemand::value member, const Place& at) -> Result<void> {
        SIGHTLINE_TRY(const auto kind, type_of(member, at));
        if (kind == ondemand::json_type::string) {
          auto* part = key == "text"    ? &parts.text
                       : key == "image" ? &parts.image
                       : key == "model" ? &parts.model
                                        : nullptr;
          if (part == nullptr) {
            if (key != "object") return at.malformed(kForms);
            parts.has_object = true;
            return {};
          }
          SIGHTLINE_TRY(*part, to_string(member, at));
          return {};
        }
        if (kind == ondemand::json_type::null) return {};
        if (key == "options" && kind == ondemand::json_type::object) {
          SIGHTLINE_TRY(options, to_json(member, at));
          return {};
        }
        SIGHTLINE_TRY(vectors.emplace_back(), read_vector(std::string(key), member, at));
        return {};
      }));
  if (parts.any()) {
    if (!vectors.empty()) return place.malformed(kForms);
    VectorInput& input = vectors.emplace_back();
    SIGHTLINE_TRY(input.inference, to_inference(std::move(parts), place));
    return vectors;
  }
  if (options) {  // a vector of that name after all
    simdjson::padded_string text(dump_json(*options));
    ondemand::parser parser;
    ondemand::document document;
    ondemand::value root;
    const Place at = place.member("options");
    if (const auto error = parser.iterate(text).get(document)) return at.failure(error, "a vector");
    if (const auto error = document.get_value().get(root)) return at.failure(error, "a vector");
    SIGHTLINE_TRY(vectors.emplace_back(), read_object("options", root, at));
  }
  return vectors;
}

}  // namespace sightline::http
