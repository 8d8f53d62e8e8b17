// http/api_search_request.h: what /v1/search is asked, from JSON, a form or a URL.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/field_path.h"
#include "core/filter.h"
#include "core/json.h"
#include "core/point_id.h"
#include "core/result.h"
#include "http/exchange.h"
#include "pipeline/point_query.h"
#include "pipeline/point_scan.h"

namespace sightline::http {

inline constexpr std::uint64_t kMaxSearchLimit = 1000;
inline constexpr std::uint64_t kMaxSearchOffset = 10'000;
inline constexpr std::size_t kMaxOperands = 64;
inline constexpr std::uint64_t kMaxGroupSize = 100;

/// One operand of a query.
struct SearchOperand {
  struct Text {
    std::string text;
  };
  struct Image {
    std::string source;  ///< As ImageSource takes it.
  };
  struct Part {
    std::size_t at = 0;  ///< Of Request::parts: a file.
  };
  std::variant<Text, Image, Part, PointId> what;
  double weight = 1;
};

/// Where a page begins: after so many hits, or at a point (browsing by id).
struct PageStart {
  std::size_t offset = 0;
  std::optional<PointId> from;
};
/// "o20", "i42"
std::string cursor_text(const PageStart& start);
/// errors  kInvalidArgument.
Result<PageStart> parse_cursor(std::string_view text);

struct SearchWish {
  std::string collection;            ///< Empty: the default.
  std::vector<SearchOperand> query;  ///< Empty: browsing.
  std::shared_ptr<const Filter> filter;
  std::size_t limit = 10;
  PageStart start;
  std::optional<float> score_threshold;
  double diversity = 0;  ///< 0..1
  std::optional<FieldPath> group_by;
  std::size_t group_size = 3;
  std::optional<pipeline::SortOrder> sort;
  pipeline::PayloadSelector payload{pipeline::PayloadSelector::Kind::kAll, {}};
  bool with_vector = false;
  bool exact = false;
  std::size_t nprobe = 0, ef_search = 0;

  bool is_browsing() const { return query.empty(); }
};

/// The JSON of docs/api.md. `parts`: of the request; operands name files among them, and those that
/// none names are operands of weight 1 at the end.
/// errors  kValidation names path, value and rule; kUnimplemented: rerank, enrich; those of
///         parse_filter().
Result<SearchWish> parse_search(const Json& body, std::span<const FormPart> parts = {});
/// The same JSON from a form: its part `request`, or plain parts.
Result<Json> search_from_form(std::span<const FormPart> parts);
Result<Json> search_from_query(const QueryString& query);

/// `true`, `false`, a list of fields, {"include": [...]}, {"exclude": [...]}.
Result<pipeline::PayloadSelector> parse_payload_selector(const Json& value, std::string_view path);
/// errors  kValidation.
Result<FieldPath> parse_field(std::string_view text, std::string_view path);

}  // namespace sightline::http
