#include "encoders/model_settings.h"

#include <fstream>

#include "core/json.h"

namespace sightline::encoders {
namespace fs = std::filesystem;
namespace {

constexpr const char* kFile = "sightline.json";
constexpr double kMostSpreads = 100;

}  // namespace

Result<ModelSettings> read_model_settings(const fs::path& folder) {
  const fs::path path = folder / kFile;
  ModelSettings settings;
  std::error_code error;
  if (!fs::exists(path, error)) return settings;
  SIGHTLINE_TRY(const Json json, read_json_file(path));
  if (!json.is_object()) return invalid_argument(path.string() + ": expected an object");
  for (const auto& [key, value] : json.items()) {
    if (key != "strong_spreads") {
      return invalid_argument(path.string() + ": unknown key \"" + key + "\"");
    }
    const double spreads = value.is_number() ? value.get<double>() : 0;
    if (!(spreads > 0 && spreads <= kMostSpreads)) {
      return invalid_argument(path.string() + ": strong_spreads is " + dump_json(value) +
                              "; it must be more than 0 and at most 100");
    }
    settings.strong_spreads = spreads;
  }
  return settings;
}

Result<void> write_model_settings(const fs::path& folder, const ModelSettings& settings) {
  OrderedJson json = OrderedJson::object();
  if (settings.strong_spreads) json["strong_spreads"] = *settings.strong_spreads;
  const fs::path path = folder / kFile, unfinished = path.string() + ".part";
  std::ofstream out(unfinished, std::ios::binary);
  out << json.dump(2) << '\n';
  out.close();
  std::error_code error;
  if (out) fs::rename(unfinished, path, error);
  if (!out || error) return io_error("cannot write " + path.string());
  return {};
}

}  // namespace sightline::encoders
