#include "core/json.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

namespace sightline {
namespace {

/// Offset of the bracket that opens level `max_depth` + 1, or npos. Text that is not JSON is judged
/// by the parser afterwards.
std::size_t find_too_deep(std::string_view text, int max_depth) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > max_depth) return i;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return std::string_view::npos;
}

/// nlohmann's message without its "[json.exception.parse_error.101] " prefix.
std::string plain_message(const std::exception& error) {
  const std::string_view what = error.what();
  const std::size_t end = what.find("] ");
  return std::string(what.substr(what.starts_with('[') && end != what.npos ? end + 2 : 0));
}

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view what, int max_depth) {
  if (const std::size_t at = find_too_deep(text, max_depth); at != text.npos) {
    return invalid_argument(std::string(what) + ": nested deeper than " +
                            std::to_string(max_depth) + " levels at byte " + std::to_string(at));
  }
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const std::exception& e) {
    return invalid_argument(std::string(what) + ": " + plain_message(e));
  }
}

Result<Json> read_json_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    return not_found(path.string() + ": no such file");
  }
  if (!error && std::filesystem::is_directory(status)) {
    return io_error(path.string() + ": is a folder, not a file");
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) return io_error(path.string() + ": cannot be opened: " + std::strerror(errno));
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad() || text.bad()) {
    return io_error(path.string() + ": cannot be read: " + std::strerror(errno));
  }
  return parse_json(text.view(), path.string());
}

std::string dump_json(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace sightline
