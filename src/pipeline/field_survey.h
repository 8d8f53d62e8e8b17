// pipeline/field_survey.h: what the payloads of a collection hold, guessed from some of them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/deadline.h"
#include "core/indexed_value.h"
#include "core/json.h"
#include "core/result.h"
#include "pipeline/collection_store.h"

namespace sightline::pipeline {

/// One field: a member at any depth; of an array of objects "members[].name".
struct FieldGuess {
  std::string field;  ///< As FieldPath writes it.
  /// The one that fits all values; kText: strings that are mostly sentences.
  FieldType type = FieldType::kKeyword;
  std::optional<FieldType> index;  ///< Of its payload index.
  std::size_t num_points = 0;      ///< Of the sample, that have a value.
  std::size_t num_values = 0;      ///< Different ones.
  Json min, max;                   ///< Of numbers and dates; otherwise null.
  /// Values worth being offered with their counts: few, and they repeat.
  bool is_facet = false;
};

struct FieldSurvey {
  std::vector<FieldGuess> fields;  ///< By name, those of `_image` last.
  std::size_t num_sampled = 0;
};

/// Looks at up to `num_points` points; numbers and dates of indexed fields have their true ranges.
/// Lists, hashes and other machine values of `_image` (uri, hashes) are left out.
/// errors  those of CollectionStore, kDeadlineExceeded, kCancelled.
Result<FieldSurvey> survey_fields(const CollectionStore& store, std::size_t num_points,
                                  const Deadline& deadline);

}  // namespace sightline::pipeline
