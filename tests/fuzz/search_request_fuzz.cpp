// Feeds the readers of /v1/search: what they take they take the same a second time, what they
// refuse they refuse as a mistake of the sender.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "http/api_search_request.h"
#include "http/errors.h"
#include "http/percent.h"

namespace {

using namespace sightline;

void check(bool holds) {
  if (!holds) std::abort();
}

void check_refusal(const Status& status) {
  const int answer = http::http_status(status.code);
  check(answer == 400 || answer == 422 || answer == 501);
  check(!status.message.empty());
}

void check_body(const Json& body, const std::vector<http::FormPart>& parts) {
  const auto wish = http::parse_search(body, parts);
  if (!wish) return check_refusal(wish.error());
  check(wish->limit >= 1 && wish->limit <= http::kMaxSearchLimit);
  check(wish->query.size() <= http::kMaxOperands);
  const auto again = http::parse_cursor(http::cursor_text(wish->start));
  check(again.has_value() && again->offset == (wish->start.from ? 0 : wish->start.offset) &&
        again->from == wish->start.from);
}

/// Lines "name=value"; a name that begins with '@' is a file.
std::vector<http::FormPart> parts_of(std::string_view text) {
  std::vector<http::FormPart> parts;
  while (!text.empty() && parts.size() < 100) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = std::min(line.find('='), line.size());
    http::FormPart part;
    part.name = line.substr(0, equals);
    if (part.name.starts_with('@')) {
      part.file = "/spool/part";
      part.file_name = "part";
    } else {
      part.value = line.substr(std::min(equals + 1, line.size()));
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0:
      if (const auto body = parse_json(text, "body")) check_body(*body, {});
      break;
    case 1:
      if (const auto query = http::parse_query(text)) {
        const auto body = http::search_from_query(*query);
        if (!body) check_refusal(body.error());
        if (body) check_body(*body, {});
      }
      break;
    default: {
      const auto parts = parts_of(text);
      const auto body = http::search_from_form(parts);
      if (!body) check_refusal(body.error());
      if (body) check_body(*body, parts);
    }
  }
  return 0;
}
