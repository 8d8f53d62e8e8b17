#include "http/api_search_request.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

#include "http/api_json.h"
#include "http/errors.h"

namespace sightline::http {
namespace {

constexpr double kUnbounded = HUGE_VAL;
constexpr std::uint64_t kMaxProbes = 65'536;

/// The members of the body that are plain values, for forms and URLs.
const QueryFields& plain_fields() {
  static const QueryFields fields{
      .texts = {"collection", "cursor", "group_by", "sort"},
      .counts = {"limit", "offset", "group_size", "nprobe", "ef_search"},
      .numbers = {"score_threshold", "diversity"},
      .flags = {"with_vector", "exact", "rerank", "enrich"},
      .jsons = {"filter"}};
  return fields;
}

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == text.npos; }

/// "true", "false" or "a,b" of a form or a URL.
Json payload_from_text(std::string_view text) {
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  Json list = Json::array();
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    list.push_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return list;
}

class SearchParser {
 public:
  SearchParser(Fields body, std::span<const FormPart> parts)
      : body_(std::move(body)), parts_(parts) {}

  Result<SearchWish> run() {
    SIGHTLINE_TRY_DO(refuse_left_out("rerank"));
    SIGHTLINE_TRY_DO(refuse_left_out("enrich"));
    SIGHTLINE_TRY(const auto collection, body_.text("collection"));
    wish_.collection = collection.value_or("");
    SIGHTLINE_TRY_DO(read_query());
    SIGHTLINE_TRY_DO(read_page());
    SIGHTLINE_TRY_DO(read_filter());
    SIGHTLINE_TRY_DO(read_order());
    SIGHTLINE_TRY_DO(read_tuning());
    if (const Json* wanted = body_.find("with_payload")) {
      SIGHTLINE_TRY(wish_.payload, parse_payload_selector(*wanted, body_.path_of("with_payload")));
    }
    SIGHTLINE_TRY(wish_.with_vector, body_.flag("with_vector", false));
    SIGHTLINE_TRY_DO(body_.all_known());
    SIGHTLINE_TRY_DO(check_together());
    return std::move(wish_);
  }

 private:
  Result<void> refuse_left_out(std::string_view name) {
    const Json* value = body_.find(name);
    if (value == nullptr || *value == Json(false)) return {};
    return left_out(name);
  }

  Result<void> read_query() {
    const Json* query = body_.find("query");
    if (query != nullptr && query->is_array()) {
      for (std::size_t i = 0; i < query->size(); ++i) {
        SIGHTLINE_TRY_DO(add_operand((*query)[i], "query[" + std::to_string(i) + "]"));
      }
    } else if (query != nullptr) {
      SIGHTLINE_TRY_DO(add_operand(*query, "query"));
    }
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if (!parts_[i].file.empty() && !used_.contains(i)) {
        wish_.query.push_back({SearchOperand::Part{i}, 1});
      }
    }
    if (wish_.query.size() > kMaxOperands) {
      return validation_error("query", wish_.query.size(), "must have at most 64 operands");
    }
    return {};
  }

  Result<void> add_operand(const Json& json, const std::string& path) {
    if (json.is_string()) {
      if (!is_blank(json.get<std::string>())) {
        wish_.query.push_back({SearchOperand::Text{json.get<std::string>()}, 1});
      }
      return {};
    }
    if (!json.is_object()) {
      return validation_error(path, json, "must be a text or an object with text, image or id");
    }
    SIGHTLINE_TRY(Fields fields, Fields::of(json, path));
    std::vector<SearchOperand> found;
    bool was_blank = false;
    SIGHTLINE_TRY(const auto text, fields.text("text"));
    if (text && is_blank(*text)) {
      was_blank = true;
    } else if (text) {
      found.push_back({SearchOperand::Text{*text}, 1});
    }
    SIGHTLINE_TRY(const auto image, fields.text("image"));
    if (image) found.push_back({SearchOperand::Image{*image}, 1});
    if (const Json* id = fields.find("id")) {
      const auto point = PointId::from_json(*id);
      if (!point) return fields.invalid("id", "must be an unsigned number or a UUID");
      found.push_back({*point, 1});
    }
    SIGHTLINE_TRY(const auto part, fields.text("part"));
    if (part) {
      SIGHTLINE_TRY(const std::size_t at, find_part(fields, *part));
      found.push_back({SearchOperand::Part{at}, 1});
    }
    SIGHTLINE_TRY(const auto weight, fields.number("weight", -kUnbounded, kUnbounded));
    SIGHTLINE_TRY_DO(fields.all_known());
    if (weight && *weight == 0) return fields.invalid("weight", "must be a number other than 0");
    if (was_blank && found.empty()) return {};  // a search box that nothing was typed into
    if (found.size() != 1 || was_blank) {
      return validation_error(path, json, "must have one of text, image, id and part");
    }
    found[0].weight = weight.value_or(1);
    wish_.query.push_back(std::move(found[0]));
    return {};
  }

  Result<std::size_t> find_part(const Fields& fields, const std::string& name) {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if (parts_[i].file.empty() || parts_[i].name != name || used_.contains(i)) continue;
      used_.insert(i);
      return i;
    }
    return fields.invalid("part", "must name a file part of this request, once");
  }

  Result<void> read_page() {
    SIGHTLINE_TRY(const auto limit, body_.count("limit", 1, kMaxSearchLimit));
    wish_.limit = static_cast<std::size_t>(limit.value_or(wish_.limit));
    SIGHTLINE_TRY(const auto offset, body_.count("offset", 0, kMaxSearchOffset));
    wish_.start.offset = static_cast<std::size_t>(offset.value_or(0));
    SIGHTLINE_TRY(const auto cursor, body_.text("cursor"));
    if (!cursor) return {};
    if (offset) return body_.invalid("cursor", "stands instead of offset");
    auto start = parse_cursor(*cursor);
    if (!start) return body_.invalid("cursor", "must be next_cursor of an answer");
    wish_.start = *std::move(start);
    return {};
  }

  Result<void> read_filter() {
    const Json* filter = body_.find("filter");
    if (filter == nullptr) return {};
    auto parsed = parse_filter(*filter);
    if (!parsed) {
      if (parsed.error().code == StatusCode::kUnimplemented) return parsed.error();
      return validation_error(body_.path_of("filter"), *filter, parsed.error().message);
    }
    if (!parsed->empty()) wish_.filter = std::make_shared<const Filter>(*std::move(parsed));
    return {};
  }

  Result<void> read_order() {
    SIGHTLINE_TRY(const auto threshold, body_.number("score_threshold", -kUnbounded, kUnbounded));
    if (threshold) wish_.score_threshold = static_cast<float>(*threshold);
    SIGHTLINE_TRY(const auto diversity, body_.number("diversity", 0, 1));
    wish_.diversity = diversity.value_or(0);
    SIGHTLINE_TRY(const auto group_by, body_.text("group_by"));
    if (group_by) {
      SIGHTLINE_TRY(wish_.group_by, parse_field(*group_by, "group_by"));
    }
    SIGHTLINE_TRY(const auto group_size, body_.count("group_size", 1, kMaxGroupSize));
    wish_.group_size = static_cast<std::size_t>(group_size.value_or(wish_.group_size));
    SIGHTLINE_TRY(const auto sort, body_.text("sort"));
    if (sort) {
      const bool descending = sort->starts_with('-');
      SIGHTLINE_TRY(FieldPath field,
                    parse_field(std::string_view(*sort).substr(descending ? 1 : 0), "sort"));
      wish_.sort = pipeline::SortOrder{std::move(field), descending};
    }
    return {};
  }

  Result<void> read_tuning() {
    SIGHTLINE_TRY(wish_.exact, body_.flag("exact", false));
    SIGHTLINE_TRY(const auto nprobe, body_.count("nprobe", 0, kMaxProbes));
    SIGHTLINE_TRY(const auto ef_search, body_.count("ef_search", 0, kMaxProbes));
    wish_.nprobe = static_cast<std::size_t>(nprobe.value_or(0));
    wish_.ef_search = static_cast<std::size_t>(ef_search.value_or(0));
    return {};
  }

  Result<void> check_together() const {
    if (wish_.sort && wish_.group_by) return body_.invalid("sort", "does not go with group_by");
    if (wish_.group_by && wish_.start.offset > 0) {
      return body_.invalid("offset", "does not go with group_by");
    }
    if (!wish_.is_browsing()) {
      if (wish_.start.from) return body_.invalid("cursor", "is of another query");
      return {};
    }
    if (wish_.score_threshold) return body_.invalid("score_threshold", "needs a query");
    if (wish_.diversity > 0) return body_.invalid("diversity", "needs a query");
    if (wish_.group_by) return body_.invalid("group_by", "needs a query");
    return {};
  }

  Fields body_;
  std::span<const FormPart> parts_;
  std::set<std::size_t> used_;
  SearchWish wish_;
};

/// The operands of a form, part by part; a weight is of the operand before it.
class FormReader {
 public:
  Result<Json> run(std::span<const FormPart> parts) {
    for (const FormPart& part : parts) SIGHTLINE_TRY_DO(take(part));
    if (!query_.empty()) body_["query"] = std::move(query_);
    return std::move(body_);
  }

 private:
  Result<void> take(const FormPart& part) {
    if (!part.file.empty()) {
      query_.push_back({{"part", part.name}});
    } else if (part.name == "text" || part.name == "q") {
      query_.push_back({{"text", part.value}});
    } else if (part.name == "image") {
      query_.push_back({{"image", part.value}});
    } else if (part.name == "id") {
      const auto id = PointId::parse(part.value);
      if (!id) return validation_error("id", part.value, "must be an unsigned number or a UUID");
      query_.push_back({{"id", id->to_json()}});
    } else if (part.name == "weight") {
      return take_weight(part.value);
    } else if (!part.value.empty()) {
      if (body_.contains(part.name)) {
        return validation_error(part.name, part.value, "must stand once");
      }
      if (part.name == "with_payload") {
        body_[part.name] = payload_from_text(part.value);
      } else {
        SIGHTLINE_TRY(body_[part.name], value_from_text(part.name, part.value, plain_fields()));
      }
    }
    return {};
  }

  Result<void> take_weight(const std::string& text) {
    static const QueryFields fields{
        .texts = {}, .counts = {}, .numbers = {"weight"}, .flags = {}, .jsons = {}};
    if (query_.empty()) return validation_error("weight", text, "must follow its operand");
    SIGHTLINE_TRY(query_.back()["weight"], value_from_text("weight", text, fields));
    return {};
  }

  Json body_ = Json::object();
  Json query_ = Json::array();
};

}  // namespace

std::string cursor_text(const PageStart& start) {
  return start.from ? "i" + start.from->to_string() : "o" + std::to_string(start.offset);
}

Result<PageStart> parse_cursor(std::string_view text) {
  PageStart start;
  if (text.starts_with('i')) {
    SIGHTLINE_TRY(start.from, PointId::parse(text.substr(1)));
    return start;
  }
  if (!text.starts_with('o')) return invalid_argument("not a cursor");
  text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), start.offset);
  if (error != std::errc() || end != text.data() + text.size() || start.offset > kMaxSearchOffset) {
    return invalid_argument("not a cursor");
  }
  return start;
}

Result<FieldPath> parse_field(std::string_view text, std::string_view path) {
  auto field = FieldPath::parse(text);
  if (!field) return validation_error(path, text, field.error().message);
  return field;
}

Result<pipeline::PayloadSelector> parse_payload_selector(const Json& value, std::string_view path) {
  using Kind = pipeline::PayloadSelector::Kind;
  if (value.is_boolean())
    return pipeline::PayloadSelector{value.get<bool>() ? Kind::kAll : Kind::kNone, {}};
  const Json* list = value.is_array() ? &value : nullptr;
  bool includes = true;
  if (value.is_object() && value.size() == 1 && value.begin()->is_array()) {
    const std::string& key = value.begin().key();
    includes = key == "include";
    if (includes || key == "exclude") list = &*value.begin();
  }
  if (list == nullptr) {
    return validation_error(
        path, value,
        "must be true, false, a list of fields, {\"include\": [...]} or {\"exclude\": [...]}");
  }
  pipeline::PayloadSelector selector{includes ? Kind::kInclude : Kind::kExclude, {}};
  for (const Json& item : *list) {
    if (!item.is_string()) return validation_error(path, item, "must be a field");
    SIGHTLINE_TRY(selector.paths.emplace_back(), parse_field(item.get<std::string>(), path));
  }
  return selector;
}

Result<SearchWish> parse_search(const Json& body, std::span<const FormPart> parts) {
  SIGHTLINE_TRY(Fields fields, Fields::of(body));
  return SearchParser(std::move(fields), parts).run();
}

Result<Json> search_from_form(std::span<const FormPart> parts) {
  const auto request = std::ranges::find_if(
      parts, [](const FormPart& part) { return part.name == "request" && part.file.empty(); });
  if (request == parts.end()) return FormReader().run(parts);
  for (const FormPart& part : parts) {
    if (part.file.empty() && &part != &*request) {
      return validation_error(part.name, part.value,
                              "does not go with a part \"request\", which has all of it");
    }
  }
  auto body = parse_json(request->value, "request");
  if (!body) return format_error(body.error().message);
  return body;
}

Result<Json> search_from_query(const QueryString& query) {
  Json body = Json::object();
  Json operands = Json::array();
  for (const auto& [name, text] : query.all()) {
    if (text.empty() || name == kTimeoutParameter) continue;
    if (name == "q") {
      operands.push_back({{"text", text}});
    } else if (name == "id") {
      const auto id = PointId::parse(text);
      if (!id) return validation_error("id", text, "must be an unsigned number or a UUID");
      operands.push_back({{"id", id->to_json()}});
    } else if (body.contains(name)) {
      return validation_error(name, text, "must stand once");
    } else if (name == "with_payload") {
      body[name] = payload_from_text(text);
    } else {
      SIGHTLINE_TRY(body[name], value_from_text(name, text, plain_fields()));
    }
  }
  if (!operands.empty()) body["query"] = std::move(operands);
  return body;
}

}  // namespace sightline::http
