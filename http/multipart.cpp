#include "http/multipart.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "http/internal/text.h"
#include "http/percent.h"

namespace sightline::http {
namespace {

using internal::lower;
using internal::trim;

constexpr std::string_view kLineEnd = "\r\n";

struct Parameters {
  std::string value;  // before the first ';', lower case
  std::vector<std::pair<std::string, std::string>> pairs;

  const std::string* find(std::string_view name) const {
    for (const auto& [key, text] : pairs) {
      if (key == name) return &text;
    }
    return nullptr;
  }
};

/// A quoted text's end, or npos. Browsers write %22 for a quote, others \" (RFC 7578, 4.2); a
/// backslash before anything but a quote or a backslash is one of Windows' paths.
std::size_t read_quoted(std::string_view text, std::string& out) {
  std::size_t i = 1;
  for (; i < text.size() && text[i] != '"'; ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == '"' || text[i + 1] == '\\')) ++i;
    out += text[i];
  }
  return i < text.size() ? i + 1 : std::string_view::npos;
}

/// "form-data; name=\"a\"; filename=b"
Result<Parameters> parse_parameters(std::string_view text) {
  Parameters parameters;
  const std::size_t first = std::min(text.find(';'), text.size());
  parameters.value = lower(trim(text.substr(0, first)));
  text.remove_prefix(first);
  while (!text.empty()) {
    text.remove_prefix(1);  // ';'
    text = trim(text);
    if (text.empty()) break;
    const std::size_t equals = text.find_first_of("=;");
    if (equals == text.npos || text[equals] == ';') {
      text.remove_prefix(std::min(equals, text.size()));
      continue;
    }
    const std::string name = lower(trim(text.substr(0, equals)));
    text = trim(text.substr(equals + 1));
    std::string value;
    if (text.starts_with('"')) {
      const std::size_t end = read_quoted(text, value);
      if (end == text.npos) return invalid_argument("a quote is not closed");
      text.remove_prefix(end);
      text.remove_prefix(std::min(text.find(';'), text.size()));
    } else {
      const std::size_t end = std::min(text.find(';'), text.size());
      value = trim(text.substr(0, end));
      text.remove_prefix(end);
    }
    parameters.pairs.emplace_back(name, std::move(value));
  }
  return parameters;
}

/// RFC 5987: "UTF-8''%e2%82%ac.jpg". Empty: not such a text, or another character set.
std::string parse_extended(std::string_view text) {
  const std::size_t first = text.find('\'');
  const std::size_t second = first == text.npos ? text.npos : text.find('\'', first + 1);
  if (second == text.npos || lower(text.substr(0, first)) != "utf-8") return "";
  auto decoded = percent_decode(text.substr(second + 1));
  return decoded ? *std::move(decoded) : "";
}

Status bad_form(std::string_view what) {
  return invalid_argument("multipart body: " + std::string(what));
}

}  // namespace

Result<std::string> multipart_boundary(std::string_view content_type) {
  auto parameters = parse_parameters(content_type);
  const std::string* boundary = parameters ? parameters->find("boundary") : nullptr;
  if (boundary == nullptr) return bad_form("the content type names no boundary");
  const bool is_good = !boundary->empty() && boundary->size() <= 70 && boundary->back() != ' ' &&
                       std::ranges::all_of(*boundary, [](char c) {
                         return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                                (c >= 'A' && c <= 'Z') ||
                                std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
                       });
  if (!is_good)
    return bad_form("the boundary is not 1 to 70 of the characters that RFC 2046 allows");
  return *boundary;
}

Result<PartHead> parse_part_head(std::string_view lines) {
  PartHead head;
  bool has_name = false;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find(kLineEnd), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + kLineEnd.size(), lines.size()));
    const std::size_t colon = line.find(':');
    if (colon == line.npos) return bad_form("a part has a header line without a colon");
    const std::string name = lower(trim(line.substr(0, colon)));
    if (name != "content-disposition" && name != "content-type") continue;
    auto parameters = parse_parameters(line.substr(colon + 1));
    if (!parameters) return bad_form(name + ": " + parameters.error().message);
    if (name == "content-type") {
      head.content_type = parameters->value;
      continue;
    }
    if (parameters->value != "form-data") return bad_form("a part is not form-data");
    if (const std::string* field = parameters->find("name")) {
      head.name = *field;
      has_name = true;
    }
    if (const std::string* file = parameters->find("filename")) {
      head.file_name = *file;
      head.has_file_name = true;
    }
    if (const std::string* file = parameters->find("filename*")) {
      if (std::string decoded = parse_extended(*file); !decoded.empty()) {
        head.file_name = std::move(decoded);
        head.has_file_name = true;
      }
    }
  }
  if (!has_name) return bad_form("a part has no name");
  return head;
}

MultipartParser::MultipartParser(std::string_view boundary, Events events, MultipartLimits limits)
    : delimiter_("\r\n--" + std::string(boundary)),
      events_(std::move(events)),
      limits_(limits),
      pending_(kLineEnd) {}  // the first boundary may open the body

Result<void> MultipartParser::feed(std::string_view bytes) {
  if (place_ == Place::kEpilogue) return {};
  pending_ += bytes;
  moved_ = true;
  while (moved_) {
    moved_ = false;
    switch (place_) {
      case Place::kPreamble:
        SIGHTLINE_TRY_DO(skip_preamble());
        break;
      case Place::kAfterBoundary:
        SIGHTLINE_TRY_DO(after_boundary());
        break;
      case Place::kHead:
        SIGHTLINE_TRY_DO(read_head());
        break;
      case Place::kData:
        SIGHTLINE_TRY_DO(read_data());
        break;
      case Place::kEpilogue:
        pending_.clear();
        break;
    }
  }
  return {};
}

Result<void> MultipartParser::finish() const {
  if (place_ != Place::kEpilogue) return bad_form("it ends before its last boundary");
  return {};
}

Result<void> MultipartParser::skip_preamble() {
  const std::size_t at = pending_.find(delimiter_);
  if (at != std::string::npos) {
    pending_.erase(0, at + delimiter_.size());
    place_ = Place::kAfterBoundary;
    moved_ = true;
  } else if (pending_.size() >= delimiter_.size()) {
    pending_.erase(0, pending_.size() - (delimiter_.size() - 1));
  }
  return {};
}

Result<void> MultipartParser::after_boundary() {
  // "--" ends the body; spaces may follow a boundary, then a line end.
  const std::size_t text = std::min(pending_.find_first_not_of(" \t"), pending_.size());
  if (text > limits_.max_header_bytes) return bad_form("a boundary is followed by too many spaces");
  if (pending_.size() - text < 2) return {};
  if (pending_.compare(text, 2, "--") == 0 && text == 0) {
    place_ = Place::kEpilogue;
  } else if (pending_.compare(text, 2, kLineEnd) == 0) {
    if (++num_parts_ > limits_.max_parts) {
      return Status{StatusCode::kResourceExhausted,
                    "multipart body: more than " + std::to_string(limits_.max_parts) + " parts"};
    }
    // The line end stays: with it an empty head ends like any other.
    pending_.erase(0, text);
    place_ = Place::kHead;
  } else {
    return bad_form("a boundary is followed by text");
  }
  moved_ = true;
  return {};
}

Result<void> MultipartParser::read_head() {
  const std::size_t end = pending_.find("\r\n\r\n");
  if (std::min(end, pending_.size()) > limits_.max_header_bytes) {
    return Status{StatusCode::kResourceExhausted,
                  "multipart body: the header of a part is larger than " +
                      std::to_string(limits_.max_header_bytes) + " bytes"};
  }
  if (end == std::string::npos) return {};
  const std::string_view lines = std::string_view(pending_).substr(0, end);
  SIGHTLINE_TRY(PartHead head,
                parse_part_head(lines.substr(std::min(lines.size(), kLineEnd.size()))));
  SIGHTLINE_TRY_DO(events_.begin_part(std::move(head)));
  pending_.erase(0, end + 2 * kLineEnd.size());
  place_ = Place::kData;
  moved_ = true;
  return {};
}

Result<void> MultipartParser::read_data() {
  const std::size_t at = pending_.find(delimiter_);
  const bool ends = at != std::string::npos;
  // What may be the start of a boundary waits for more.
  std::size_t size = at;
  if (!ends) {
    size = pending_.size();
    const std::size_t from = size - std::min(size, delimiter_.size() - 1);
    for (std::size_t i = pending_.find('\r', from); i != std::string::npos;
         i = pending_.find('\r', i + 1)) {
      if (delimiter_.compare(0, pending_.size() - i, pending_, i) == 0) {
        size = i;
        break;
      }
    }
  }
  if (size > 0) SIGHTLINE_TRY_DO(events_.data(std::string_view(pending_).substr(0, size)));
  pending_.erase(0, ends ? size + delimiter_.size() : size);
  if (ends) {
    SIGHTLINE_TRY_DO(events_.end_part());
    place_ = Place::kAfterBoundary;
    moved_ = true;
  }
  return {};
}

}  // namespace sightline::http
