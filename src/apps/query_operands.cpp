#include "apps/query_operands.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>

#include "apps/text_format.h"

namespace sightline::apps {
namespace {

using pipeline::ImageOperand;
using pipeline::PointOperand;
using pipeline::QueryOperand;
using pipeline::TextOperand;

bool is_weight(double weight) { return std::isfinite(weight) && weight != 0.0; }

Status not_a_weight(const std::string& name, const std::string& shown) {
  return invalid_argument(name + " is " + shown + "; it must be a finite number other than 0");
}

Result<double> parse_weight(const std::string& text) {
  double weight = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), weight);
  if (error == std::errc() && end == text.data() + text.size() && is_weight(weight)) return weight;
  return not_a_weight("--weight", "\"" + text + "\"");
}

bool is_operand(std::string_view option) {
  constexpr std::array<std::string_view, 6> kOptions{"words",   "--text",        "--not",
                                                     "--image", "--minus-image", "--like"};
  return std::ranges::find(kOptions, option) != kOptions.end();
}

/// The operand of `kind` ("text", "not", "image", "minus-image", "like"), or none for another word.
Result<std::optional<QueryOperand>> make_operand(std::string_view kind, const std::string& value) {
  const double sign = kind == "not" || kind == "minus-image" ? -1.0 : 1.0;
  if (kind == "text" || kind == "not") {
    return std::optional(QueryOperand{TextOperand{value}, sign});
  }
  if (kind == "image" || kind == "minus-image") {
    return std::optional(QueryOperand{ImageOperand{value}, sign});
  }
  if (kind == "like") {
    SIGHTLINE_TRY(const PointId id, PointId::parse(value));
    return std::optional(QueryOperand{PointOperand{id}, sign});
  }
  return std::optional<QueryOperand>();
}

Result<QueryOperand> operand_from_json(const Json& json) {
  if (!json.is_object()) {
    return invalid_argument("an operand is " + dump_json(json) + "; it must be an object");
  }
  std::optional<QueryOperand> operand;
  double weight = 1.0;
  for (const auto& [key, value] : json.items()) {
    if (key == "weight") {
      if (!value.is_number() || !is_weight(value.get<double>())) {
        return not_a_weight("weight", dump_json(value));
      }
      weight = value.get<double>();
      continue;
    }
    const std::string kind = key == "minus_image" ? "minus-image" : key;
    const bool is_text = value.is_string();
    if (operand || (!is_text && !(kind == "like" && value.is_number_unsigned()))) {
      return invalid_argument(dump_json(json) +
                              ": an operand has one text under \"text\", "
                              "\"image\", \"like\", \"not\" or \"minus_image\", and a \"weight\"");
    }
    SIGHTLINE_TRY(operand,
                  make_operand(kind, is_text ? value.get<std::string>()
                                             : std::to_string(value.get<std::uint64_t>())));
    if (!operand) {
      return invalid_argument("\"" + key +
                              "\" is not one of text, image, like, not, minus_image, "
                              "weight");
    }
  }
  if (!operand)
    return invalid_argument(dump_json(json) + ": an operand needs something to ask for");
  operand->weight *= weight;
  return *std::move(operand);
}

Result<Operands> parse_line(std::string_view line) {
  if (!line.starts_with('{')) return Operands{{TextOperand{std::string(line)}, 1.0}};
  SIGHTLINE_TRY(const Json json, parse_json(line, "query"));
  Operands operands;
  if (!json.contains("operands")) {
    SIGHTLINE_TRY(QueryOperand operand, operand_from_json(json));
    operands.push_back(std::move(operand));
    return operands;
  }
  if (json.size() != 1 || !json["operands"].is_array() || json["operands"].empty()) {
    return invalid_argument("\"operands\" must be alone, and a list of at least one");
  }
  for (const Json& part : json["operands"]) {
    SIGHTLINE_TRY(QueryOperand operand, operand_from_json(part));
    operands.push_back(std::move(operand));
  }
  return operands;
}

}  // namespace

Result<void> check_weights(const std::vector<OrderedValue>& values) {
  bool has_operand = false;
  const std::string* weight = nullptr;  // of the last operand
  for (const auto& [option, value] : values) {
    if (option == "--weight") {
      if (!has_operand) return invalid_argument("--weight " + value + " has no operand before it");
      if (weight != nullptr) {
        return invalid_argument("--weight " + *weight + " and --weight " + value +
                                " are for the same operand; it takes one");
      }
      weight = &value;
    } else if (is_operand(option)) {
      has_operand = true;
      weight = nullptr;
    }
  }
  return {};
}

Result<Operands> operands_from(const std::vector<OrderedValue>& values) {
  SIGHTLINE_TRY_DO(check_weights(values));
  Operands operands;
  bool continues = false;  // the last value was a word without a flag
  for (const auto& [option, value] : values) {
    if (option == "words") {
      if (continues) {
        std::get<TextOperand>(operands.back().what).text += " " + value;
      } else {
        operands.push_back({TextOperand{value}, 1.0});
      }
      continues = true;
      continue;
    }
    if (option == "--weight") {
      SIGHTLINE_TRY(const double weight, parse_weight(value));
      operands.back().weight *= weight;
      continues = false;
      continue;
    }
    SIGHTLINE_TRY(std::optional<QueryOperand> operand,
                  make_operand(option.starts_with("--") ? option.substr(2) : option, value));
    if (!operand) continue;
    operands.push_back(*std::move(operand));
    continues = false;
  }
  return operands;
}

Result<std::vector<Operands>> parse_queries(std::string_view text, std::string_view what) {
  std::vector<Operands> queries;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    constexpr std::string_view blank = " \t\r";
    if (line.find_first_not_of(blank) == line.npos) continue;
    line = line.substr(line.find_first_not_of(blank));
    line = line.substr(0, line.find_last_not_of(blank) + 1);
    auto operands = parse_line(line);
    if (!operands) {
      return std::move(operands).error().with_context(std::string(what) + ", line " +
                                                      std::to_string(number));
    }
    queries.push_back(*std::move(operands));
  }
  return queries;
}

std::string describe(const Operands& operands) {
  std::string text;
  for (const QueryOperand& operand : operands) {
    if (operand.weight < 0) {
      text += text.empty() ? "- " : " - ";
    } else if (!text.empty()) {
      text += " + ";
    }
    if (const auto* words = std::get_if<TextOperand>(&operand.what)) {
      text += "\"" + words->text + "\"";
    } else if (const auto* picture = std::get_if<ImageOperand>(&operand.what)) {
      text += picture->file.string();
    } else {
      text += "point " + std::get<PointOperand>(operand.what).id.to_string();
    }
    if (const double size = std::abs(operand.weight); size != 1.0) {
      text += " x " + format_fixed(size, 2);
    }
  }
  return text;
}

}  // namespace sightline::apps
