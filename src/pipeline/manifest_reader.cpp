#include "pipeline/internal/manifest_reader.h"

#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pipeline/file_uri.h"
#include "pipeline/internal/csv_reader.h"
#include "pipeline/internal/tar_reader.h"

namespace sightline::pipeline {
namespace {

constexpr std::string_view kReservedRule =
    "is reserved: ingest and enrichment write it, a manifest may not";

std::string at_line(const std::string& path, std::uint64_t line) {
  return path + ":" + std::to_string(line) + ": ";
}

struct FreeText {
  void operator()(char* text) const { std::free(text); }
};

std::optional<std::string> real_path(const std::string& path) {
  const std::unique_ptr<char, FreeText> resolved(realpath(path.c_str(), nullptr));
  if (!resolved) return std::nullopt;
  return std::string(resolved.get());
}

/// A file as the system knows it.
struct Found {
  std::string path;  ///< Resolved as far as it exists.
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::string_view problem;  ///< A skip reason, or empty.
  std::string message;
};

/// Resolves paths; folders are resolved once.
class PathResolver {
 public:
  /// `path` is absolute.
  Found find(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string name = path.substr(slash + 1);
    const std::string& folder = resolve_folder(path.substr(0, slash));
    Found found;
    found.path = folder == "/" ? folder + name : folder + "/" + name;
    struct stat status {};
    if (lstat(found.path.c_str(), &status) == 0 &&
        (S_ISLNK(status.st_mode) || name == ".." || name == ".")) {
      if (auto target = real_path(found.path)) found.path = *std::move(target);
    }
    if (stat(found.path.c_str(), &status) != 0) {
      const bool gone = errno == ENOENT || errno == ENOTDIR;
      found.problem = gone ? skip::kMissing : skip::kUnreadable;
      found.message = found.path + ": " + (gone ? "no such file" : std::strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
      found.problem = skip::kUnreadable;
      found.message = found.path + ": is not a regular file";
    }
    found.size = static_cast<std::uint64_t>(status.st_size);
    found.mtime_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
    return found;
  }

 private:
  const std::string& resolve_folder(const std::string& folder) {
    const auto [entry, is_new] = folders_.try_emplace(folder);
    if (is_new) entry->second = real_path(folder.empty() ? "/" : folder).value_or(folder);
    return entry->second;
  }

  std::unordered_map<std::string, std::string> folders_;
};

/// One row, before its picture is looked for.
struct Row {
  std::uint64_t line = 0;
  std::string image;
  std::optional<PointId> id;
  Json columns = Json::object();
};

/// Rows -> sources.
class RowResolver {
 public:
  RowResolver(const std::string& manifest, SourceSink& sink, const RowRule& rule)
      : manifest_(manifest),
        rule_(rule),
        folder_(manifest.substr(0, manifest.rfind('/'))),
        manifest_uri_(to_file_uri(manifest)),
        sink_(sink) {}

  bool bad_row(std::uint64_t line, const std::string& rule) {
    return sink_.add(bad_source(manifest_uri_ + "#line=" + std::to_string(line), manifest_,
                                skip::kBadRow, at_line(manifest_, line) + rule));
  }

  bool add(Row row) {
    auto name = parse_image(row.image);
    if (!name) return bad_row(row.line, name.error().message);
    if (rule_) {
      if (const auto kept = rule_(row.columns); !kept)
        return bad_row(row.line, kept.error().message);
    }

    Source source;
    source.payload_hash = payload_checksum(row.columns);
    source.payload = std::move(row.columns);
    Found found = paths_.find(name->path);
    source.path = found.path;
    source.size = found.size;
    source.mtime_ns = found.mtime_ns;
    source.problem = found.problem;
    source.problem_message = found.message;
    if (name->member.empty()) {
      source.uri = to_file_uri(source.path);
    } else {
      source.member = name->member;
      source.uri = to_member_uri(source.path, source.member);
      if (source.problem.empty()) find_member(source);
    }
    if (!source.problem.empty()) {
      source.problem_message = at_line(manifest_, row.line) + source.problem_message;
    }
    if (row.id) {
      source.uri = with_id(std::move(source.uri), *row.id);
      source.id = *row.id;
      source.id_given = true;
    } else {
      derive_id(source);
    }
    return sink_.add(std::move(source));
  }

 private:
  Result<SourceName> parse_image(const std::string& image) const {
    if (image.empty()) return invalid_argument("the column \"image\" is empty");
    if (image.find('\0') != image.npos) {
      return invalid_argument("the column \"image\" holds a NUL byte");
    }
    SourceName name;
    if (image.starts_with("file:")) {
      SIGHTLINE_TRY(name, parse_source_uri(image));
      if (name.id)
        return invalid_argument("\"" + image + "\" ends in an id; use the column \"id\"");
    } else if (image.find("://") != image.npos) {
      return invalid_argument("\"" + image + "\" is not a path, file:// URI or TAR#MEMBER");
    } else {
      name.path = image;
      for (std::size_t hash = image.find('#'); hash != image.npos;
           hash = image.find('#', hash + 1)) {
        if (!has_tar_extension(std::string_view(image).substr(0, hash))) continue;
        name.path = image.substr(0, hash);
        name.member = image.substr(hash + 1);
        break;
      }
      if (!name.path.starts_with('/')) name.path = folder_ + "/" + name.path;
    }
    while (name.member.starts_with("./")) name.member.erase(0, 2);
    return name;
  }

  void find_member(Source& source) {
    const auto fail = [&](std::string_view reason, std::string message) {
      source.problem = reason;
      source.problem_message = std::move(message);
    };
    const auto tar = tars_.tar(source.path);
    if (!tar) return fail(skip_reason(tar.error().code), tar.error().message);
    source.mtime_ns = (*tar)->mtime_ns;
    const auto member = (*tar)->members.find(source.member);
    if (member != (*tar)->members.end()) {
      source.tar_offset = member->second.offset;
      source.size = member->second.size;
    } else if (!(*tar)->damage.empty()) {
      fail(skip::kCorrupt, (*tar)->damage);
    } else {
      fail(skip::kMissing, source.path + ": has no member \"" + source.member + "\"");
    }
  }

  const std::string& manifest_;
  const RowRule& rule_;
  const std::string folder_;
  const std::string manifest_uri_;
  SourceSink& sink_;
  PathResolver paths_;
  TarIndex tars_;
};

bool is_blank(std::string_view line) { return line.find_first_not_of(" \t") == line.npos; }

/// Positions of the columns of a CSV file.
struct CsvHeader {
  std::vector<std::string> names;  ///< "" for columns to leave alone.
  std::size_t image = 0;
  std::optional<std::size_t> id;
};

Result<CsvHeader> read_csv_header(const std::string& path, CsvReader& reader) {
  SIGHTLINE_TRY(const auto record, reader.next());
  if (!record)
    return invalid_argument(path + ":1: is empty; a CSV manifest begins with its columns");
  if (!record->problem.empty()) {
    return invalid_argument(at_line(path, record->line) + "the header " + record->problem);
  }
  CsvHeader header;
  header.names = record->fields;
  std::optional<std::size_t> image;
  for (std::size_t i = 0; i < header.names.size(); ++i) {
    const std::string& name = header.names[i];
    if (name.empty()) continue;
    if (to_valid_utf8(name) != name) {
      return invalid_argument(at_line(path, record->line) + "column " + std::to_string(i + 1) +
                              " of the header is not UTF-8");
    }
    if (is_reserved_column(name)) {
      return invalid_argument(at_line(path, record->line) + "the column \"" + name + "\" " +
                              std::string(kReservedRule));
    }
    for (std::size_t k = 0; k < i; ++k) {
      if (header.names[k] == name) {
        return invalid_argument(at_line(path, record->line) + "the column \"" + name +
                                "\" is named twice");
      }
    }
    if (name == "image") image = i;
    if (name == "id") header.id = i;
  }
  if (!image) {
    return invalid_argument(at_line(path, record->line) +
                            "has no column \"image\"; the first line must name the columns");
  }
  header.image = *image;
  return header;
}

Result<void> read_csv(const std::string& path, SourceSink& sink, const RowRule& rule) {
  SIGHTLINE_TRY(auto file, TextFile::open(path));
  CsvReader reader(std::move(file));
  SIGHTLINE_TRY(const CsvHeader header, read_csv_header(path, reader));
  RowResolver rows(path, sink, rule);
  for (;;) {
    SIGHTLINE_TRY(const auto record, reader.next());
    if (!record) return {};
    std::string problem = record->problem;
    const std::size_t num_fields = record->fields.size();
    if (problem.empty() && num_fields != header.names.size()) {
      problem = "has " + std::to_string(num_fields) + " fields, the header has " +
                std::to_string(header.names.size());
    }
    Row row;
    row.line = record->line;
    for (std::size_t i = 0; i < num_fields && problem.empty(); ++i) {
      const std::string& text = record->fields[i];
      if (to_valid_utf8(text) != text && i != header.image) {
        problem = "the column \"" + header.names[i] + "\" is not UTF-8";
      } else if (i == header.image) {
        row.image = text;
      } else if (text.empty() || header.names[i].empty()) {
        continue;  // an empty cell says nothing
      } else if (i == header.id) {
        auto id = PointId::parse(text);
        if (id) row.id = *id;
        if (!id) problem = "the column \"id\": " + id.error().message;
      } else {
        row.columns[header.names[i]] = parse_csv_value(text);
      }
    }
    if (!(problem.empty() ? rows.add(std::move(row)) : rows.bad_row(row.line, problem))) return {};
  }
}

/// Fills `row` from one JSON line; returns what is wrong with it, or "".
std::string parse_json_row(const std::string& line, Row& row) {
  auto json = parse_json(line, "the row");
  if (!json) return json.error().message;
  if (!json->is_object()) return "the row is not a JSON object";
  const auto image = json->find("image");
  if (image == json->end()) return "the row has no \"image\"";
  if (!image->is_string()) return "\"image\" is not a string";
  row.image = image->get<std::string>();
  json->erase(image);
  if (const auto id = json->find("id"); id != json->end()) {
    if (!id->is_null()) {
      auto parsed = PointId::from_json(*id);
      if (!parsed) return "\"id\": " + parsed.error().message;
      row.id = *parsed;
    }
    json->erase(id);
  }
  for (const auto& [name, value] : json->items()) {
    if (is_reserved_column(name)) return "the key \"" + name + "\" " + std::string(kReservedRule);
  }
  row.columns = *std::move(json);
  return {};
}

Result<void> read_json_lines(const std::string& path, SourceSink& sink, const RowRule& rule) {
  SIGHTLINE_TRY(auto file, TextFile::open(path));
  RowResolver rows(path, sink, rule);
  for (;;) {
    Row row;
    row.line = file.line();
    auto line = file.next_line();
    if (!line && line.error().code == StatusCode::kIoError) return line.error();
    if (line && !*line) return {};
    if (line && is_blank(**line)) continue;
    const std::string problem =
        line ? parse_json_row(**line, row) : "the line is longer than 16 MiB";
    const std::uint64_t number = row.line;
    if (!(problem.empty() ? rows.add(std::move(row)) : rows.bad_row(number, problem))) return {};
  }
}

/// Looks for the few words that decide and parses only the lines that hold a reserved one.
Result<void> check_json_lines(const std::string& path) {
  SIGHTLINE_TRY(auto file, TextFile::open(path));
  bool has_rows = false, has_image = false;
  for (;;) {
    const std::uint64_t number = file.line();
    auto line = file.next_line();
    if (!line) {
      if (line.error().code == StatusCode::kIoError) return line.error();
      continue;
    }
    if (!*line) break;
    const std::string& text = **line;
    has_rows = has_rows || !is_blank(text);
    has_image = has_image || text.find("\"image\"") != text.npos;
    if (text.find("\"_image\"") == text.npos && text.find("\"_enrich\"") == text.npos) continue;
    const auto json = parse_json(text, "");
    if (!json || !json->is_object()) continue;
    for (const auto& [name, value] : json->items()) {
      if (!is_reserved_column(name)) continue;
      return invalid_argument(at_line(path, number) + "the key \"" + name + "\" " +
                              std::string(kReservedRule));
    }
  }
  if (has_rows && !has_image) {
    return invalid_argument(path + ": no row has an \"image\"; a JSONL manifest holds one JSON " +
                            "object per line, with the picture's path in \"image\"");
  }
  return {};
}

}  // namespace

Json parse_csv_value(const std::string& text) {
  if (text == "true") return true;
  if (text == "false") return false;
  const char* begin = text.data();
  const char* end = begin + text.size();
  const std::size_t first = text.starts_with('-') ? 1 : 0;
  const bool digit_first = text.size() > first && text[first] >= '0' && text[first] <= '9';
  const bool leading_zero = text.size() > first + 1 && text[first] == '0' &&
                            text[first + 1] >= '0' && text[first + 1] <= '9';
  if (!digit_first || leading_zero || text == "-0") return text;
  if (text.find_first_not_of("0123456789", first) == text.npos) {
    std::int64_t number = 0;
    if (const auto r = std::from_chars(begin, end, number); r.ec == std::errc()) return number;
    std::uint64_t large = 0;
    if (first == 0) {
      if (const auto r = std::from_chars(begin, end, large); r.ec == std::errc()) return large;
    }
    return text;
  }
  // JSON's grammar wants digits behind the point; from_chars does not.
  const std::size_t point = text.find('.');
  if (point != text.npos &&
      (point + 1 == text.size() || text[point + 1] < '0' || text[point + 1] > '9')) {
    return text;
  }
  double fraction = 0;
  const auto parsed = std::from_chars(begin, end, fraction);
  if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(fraction)) return text;
  return fraction;
}

Result<void> check_manifest(const std::string& path, ManifestKind kind) {
  if (kind == ManifestKind::kJsonLines) return check_json_lines(path);
  SIGHTLINE_TRY(auto file, TextFile::open(path));
  CsvReader reader(std::move(file));
  SIGHTLINE_TRY(const CsvHeader header, read_csv_header(path, reader));
  return {};
}

Result<void> read_manifest(const std::string& path, ManifestKind kind, SourceSink& sink,
                           const RowRule& rule) {
  return kind == ManifestKind::kCsv ? read_csv(path, sink, rule)
                                    : read_json_lines(path, sink, rule);
}

}  // namespace sightline::pipeline
