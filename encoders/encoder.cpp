#include "encoders/encoder.h"

#include <cstdlib>
#include <string>

namespace sightline::encoders {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEmbedded = "embedded";

// Where the embedded model may lie, in the order they are looked at.
std::vector<fs::path> embedded_folders() {
  std::vector<fs::path> folders;
  if (const char* models = std::getenv("SIGHTLINE_MODELS_DIR"); models != nullptr && *models != 0)
    folders.push_back(fs::path(models) / kEmbedded);
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (!error) {
    const fs::path beside = program.parent_path();
    folders.push_back((beside.parent_path() / "share/sightline/models" / kEmbedded));
    folders.push_back(beside / "models" / kEmbedded);
  }
  folders.emplace_back(SIGHTLINE_EMBEDDED_MODEL_DIR);
  return folders;
}

}  // namespace

std::string_view precision_name(Precision precision) {
  switch (precision) {
    case Precision::kFloat32:
      return "fp32";
    case Precision::kBFloat16:
      return "bf16";
    case Precision::kFloat16:
      return "fp16";
  }
  return "fp32";
}

Result<Precision> parse_precision(std::string_view text) {
  for (const Precision precision : {Precision::kFloat32, Precision::kBFloat16, Precision::kFloat16})
    if (precision_name(precision) == text) return precision;
  return invalid_argument("precision is \"" + std::string(text) +
                          "\"; it must be fp32, bf16 or fp16");
}

Result<fs::path> resolve_model_folder(const std::string& model) {
  std::error_code error;
  if (model != kEmbedded) {
    if (!fs::is_directory(model, error))
      return not_found("model " + model +
                       ": no such folder (a Hugging Face folder or \"embedded\" "
                       "is wanted)");
    return fs::path(model);
  }
  std::string places;
  for (const fs::path& folder : embedded_folders()) {
    if (fs::is_regular_file(folder / "config.json", error)) return folder;
    places += (places.empty() ? "" : ", ") + folder.string();
  }
  return not_found("the embedded model is in none of " + places);
}

}  // namespace sightline::encoders
