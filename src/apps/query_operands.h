// apps/query_operands.h: what `sightline search` is asked, from the command line or from a file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apps/command.h"
#include "core/json.h"
#include "core/result.h"
#include "pipeline/query.h"

namespace sightline::apps {

using Operands = std::vector<pipeline::QueryOperand>;

/// From the values of `search` in order: words that follow each other are one text; --weight
/// applies to the operand before it; --not and --minus-image subtract.
/// errors  as check_weights(); kInvalidArgument: a weight that is no finite number or 0; an id that
///         is none.
Result<Operands> operands_from(const std::vector<OrderedValue>& values);

/// errors  kInvalidArgument: a --weight without an operand before it, or a second one for the same.
Result<void> check_weights(const std::vector<OrderedValue>& values);

/// Queries line by line; empty lines are left out. A line is the words, or a JSON object:
///   {"text": "a dog"}                                  one of text, image, like, not, minus_image
///   {"operands": [{"image": "a.jpg"}, {"text": "snow", "weight": 0.5}, {"not": "summer"}]}
/// `what` names the text in errors, which have the number of the line.
Result<std::vector<Operands>> parse_queries(std::string_view text, std::string_view what);

/// `"a dog" + a.jpg x 0.5 - "summer"`, for headings.
std::string describe(const Operands& operands);

}  // namespace sightline::apps
