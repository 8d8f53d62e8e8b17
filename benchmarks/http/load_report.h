// benchmarks/http/load_report.h: what a load run found, as a table and as JSON.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"

namespace sightline::benchmarks {

/// One figure beside another.
struct ReportRow {
  std::string name;
  double ours = 0;
  std::string unit;  ///< "requests/s", "ms"
  std::optional<double> reference;
  std::string reference_name;
  std::optional<double> below;  ///< What `ours` has to stay below.

  std::optional<double> ratio() const;  ///< ours / reference
  std::optional<bool> met() const;      ///< Whether `ours` is below the target, if there is one.
};

/// {"case", "ours", "unit", "reference", "reference_name", "ratio", "target", "met"}; what a row
/// lacks is null. `target` is text: "< 0.3".
Json to_json(const ReportRow& row);

/// Columns for people, rows in order.
std::string to_table(const std::vector<ReportRow>& rows);

/// {"benchmark", "setup": {...}, "rows": [...]}. Throws if the file cannot be written.
void write_json(const std::filesystem::path& file, const Json& setup,
                const std::vector<ReportRow>& rows);

/// The value that a `share` (0..1) of `values` do not exceed; 0 for none.
double percentile(std::vector<double> values, double share);

}  // namespace sightline::benchmarks
