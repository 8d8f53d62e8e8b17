#include "benchmarks/http/load_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace sightline::benchmarks {
namespace {

std::string shown(std::optional<double> value) {
  if (!value) return "-";
  char text[40];
  std::snprintf(text, sizeof text, std::abs(*value) >= 100 ? "%.0f" : "%.3f", *value);
  return text;
}

std::string target_text(const ReportRow& row) {
  if (!row.below) return "";
  char text[40];
  std::snprintf(text, sizeof text, "< %g", *row.below);
  return text;
}

Json or_null(std::optional<double> value) { return value ? Json(*value) : Json(); }

}  // namespace

std::optional<double> ReportRow::ratio() const {
  if (!reference || *reference == 0) return std::nullopt;
  return ours / *reference;
}

std::optional<bool> ReportRow::met() const {
  if (!below) return std::nullopt;
  return ours < *below;
}

Json to_json(const ReportRow& row) {
  const auto met = row.met();
  return {{"case", row.name},
          {"ours", row.ours},
          {"unit", row.unit},
          {"reference", or_null(row.reference)},
          {"reference_name", row.reference_name.empty() ? Json() : Json(row.reference_name)},
          {"ratio", or_null(row.ratio())},
          {"target", row.below ? Json(target_text(row)) : Json()},
          {"met", met ? Json(*met) : Json()}};
}

std::string to_table(const std::vector<ReportRow>& rows) {
  using Line = std::array<std::string, 7>;
  std::vector<Line> lines = {{"case", "ours", "unit", "reference", "ratio", "target", "met"}};
  for (const ReportRow& row : rows) {
    const auto met = row.met();
    lines.push_back({row.name, shown(row.ours), row.unit, shown(row.reference), shown(row.ratio()),
                     target_text(row), met ? (*met ? "yes" : "NO") : ""});
  }
  std::array<std::size_t, 7> widths{};
  for (const Line& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const Line& line : lines) {
    std::string shown_line;
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string space(widths[i] - line[i].size() + 2, ' ');
      const bool is_number = i == 1 || i == 3 || i == 4;
      shown_line += is_number ? space.substr(2) + line[i] + "  " : line[i] + space;
    }
    text += shown_line.substr(0, shown_line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

void write_json(const std::filesystem::path& file, const Json& setup,
                const std::vector<ReportRow>& rows) {
  Json list = Json::array();
  for (const ReportRow& row : rows) list.push_back(to_json(row));
  std::ofstream out(file);
  out << Json{{"benchmark", "http_load"}, {"setup", setup}, {"rows", std::move(list)}}.dump(2)
      << "\n";
  out.close();
  if (!out) throw std::runtime_error("cannot write " + file.string());
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto rank = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(rank));
  return values[rank];
}

}  // namespace sightline::benchmarks
