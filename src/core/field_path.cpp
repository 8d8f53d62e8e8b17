#include "core/field_path.h"

#include <charconv>

namespace sightline {
namespace {

constexpr std::string_view kSpecial = ".[]\"";

}  // namespace

/// Reads a path from left to right; `rest_` is what is still to be read.
class FieldPath::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text), rest_(text) {}

  Result<FieldPath> parse() {
    do {
      SIGHTLINE_TRY_DO(read_member());
      while (skip('[')) SIGHTLINE_TRY_DO(read_brackets());
    } while (skip('.'));
    if (!rest_.empty()) {
      return error("\"" + std::string(rest_.substr(0, 1)) + "\" at byte " +
                   std::to_string(text_.size() - rest_.size()) + " does not belong there");
    }
    return std::move(path_);
  }

 private:
  Result<void> read_member() {
    const bool quoted = skip('"');
    const std::size_t end =
        quoted ? rest_.find('"') : std::min(rest_.find_first_of(kSpecial), rest_.size());
    if (end == rest_.npos) return error("a quote is not closed");
    if (end == 0) return error("a part is empty");
    Step step;
    step.name = rest_.substr(0, end);
    rest_.remove_prefix(quoted ? end + 1 : end);
    if (!path_.steps_.empty()) path_.text_ += '.';
    path_.text_ +=
        step.name.find_first_of(kSpecial) == std::string::npos ? step.name : '"' + step.name + '"';
    path_.steps_.push_back(std::move(step));
    return {};
  }

  Result<void> read_brackets() {
    Step step{Step::Kind::kEach, {}, 0};
    if (!rest_.starts_with(']')) {
      step.kind = Step::Kind::kAt;
      const auto [end, code] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), step.at);
      if (code != std::errc()) return error("brackets hold nothing or the number of an element");
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    }
    if (!skip(']')) return error("a bracket is not closed");
    path_.text_ += step.kind == Step::Kind::kEach ? "[]" : '[' + std::to_string(step.at) + ']';
    path_.steps_.push_back(std::move(step));
    return {};
  }

  bool skip(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  Status error(std::string_view rule) const {
    return invalid_argument("payload key \"" + std::string(text_.substr(0, 200)) +
                            "\": " + std::string(rule));
  }

  std::string_view text_, rest_;
  FieldPath path_;
};

Result<FieldPath> FieldPath::parse(std::string_view text) { return Parser(text).parse(); }

bool FieldPath::visit_whole(const Json& payload, const Visitor& visit) const {
  return walk(payload, steps_, visit);
}

bool FieldPath::visit(const Json& payload, const Visitor& visit) const {
  return walk(payload, steps_, [&visit](const Json& value) {
    if (!value.is_array()) return visit(value);
    for (const Json& element : value) {
      if (!visit(element)) return false;
    }
    return true;
  });
}

bool FieldPath::walk(const Json& value, Steps steps, const Visitor& visit) {
  if (steps.empty()) return visit(value);
  const Step& step = steps.front();
  const Steps rest = steps.subspan(1);
  if (step.kind == Step::Kind::kMember) {
    if (!value.is_object()) return true;
    const auto member = value.find(step.name);
    return member == value.end() || walk(*member, rest, visit);
  }
  if (!value.is_array()) return true;
  if (step.kind == Step::Kind::kAt) {
    return step.at >= value.size() || walk(value[step.at], rest, visit);
  }
  for (const Json& element : value) {
    if (!walk(element, rest, visit)) return false;
  }
  return true;
}

void FieldPath::merge_into(Json& payload, const Json& object) const {
  merge(payload, steps_, object);
}

void FieldPath::merge(Json& value, Steps steps, const Json& object) {
  const bool to_elements = !steps.empty() && steps.front().kind != Step::Kind::kMember;
  if (to_elements && !value.is_array()) value = Json::array();
  if (!to_elements && !value.is_object()) value = Json::object();
  if (steps.empty()) {
    for (const auto& [key, member] : object.items()) {
      if (member.is_null()) {
        value.erase(key);
      } else {
        value[key] = member;
      }
    }
    return;
  }
  const Step& step = steps.front();
  const Steps rest = steps.subspan(1);
  if (step.kind == Step::Kind::kMember) {
    merge(value[step.name], rest, object);
  } else if (step.kind == Step::Kind::kEach) {
    for (Json& element : value) merge(element, rest, object);
  } else if (step.at < value.size()) {
    merge(value[step.at], rest, object);
  }
}

void FieldPath::remove_from(Json& payload) const {
  if (!steps_.empty()) remove(payload, steps_);
}

void FieldPath::remove(Json& value, Steps steps) {
  const Step& step = steps.front();
  const Steps rest = steps.subspan(1);
  if (step.kind == Step::Kind::kMember) {
    if (!value.is_object()) return;
    const auto member = value.find(step.name);
    if (member == value.end()) return;
    if (rest.empty()) {
      value.erase(member);
    } else {
      remove(*member, rest);
    }
    return;
  }
  if (!value.is_array()) return;
  if (step.kind == Step::Kind::kEach) {
    if (rest.empty()) {
      value.clear();
    } else {
      for (Json& element : value) remove(element, rest);
    }
  } else if (step.at < value.size()) {
    if (rest.empty()) {
      value.erase(step.at);
    } else {
      remove(value[step.at], rest);
    }
  }
}

Json FieldPath::keep_only(const Json& payload, std::span<const FieldPath> paths) {
  std::vector<Steps> steps;
  for (const FieldPath& path : paths) steps.emplace_back(path.steps_);
  return keep(payload, steps).value_or(Json::object());
}

std::optional<Json> FieldPath::keep(const Json& value, std::span<const Steps> paths) {
  if (!value.is_structured()) return value;
  for (const Steps& steps : paths) {
    if (steps.empty()) return value;
  }
  std::vector<Steps> inner;
  // What of `paths` goes on into a part of `value`.
  const auto keep_part = [&](const Json& part, const auto& leads_there) -> std::optional<Json> {
    inner.clear();
    for (const Steps& steps : paths) {
      if (leads_there(steps.front())) inner.push_back(steps.subspan(1));
    }
    if (inner.empty()) return std::nullopt;
    return keep(part, std::vector<Steps>(inner));
  };
  if (value.is_object()) {
    Json kept = Json::object();
    for (const auto& [key, member] : value.items()) {
      auto part = keep_part(member, [&key = key](const Step& step) {
        return step.kind == Step::Kind::kMember && step.name == key;
      });
      if (part) kept[key] = *std::move(part);
    }
    return kept;
  }
  Json kept = Json::array();
  for (std::size_t i = 0; i < value.size(); ++i) {
    auto part = keep_part(value[i], [i](const Step& step) {
      return step.kind == Step::Kind::kEach || (step.kind == Step::Kind::kAt && step.at == i);
    });
    if (part) kept.push_back(*std::move(part));
  }
  return kept;
}

}  // namespace sightline
