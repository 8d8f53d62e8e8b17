#include "train/internal/training_log.h"

#include <chrono>
#include <string>
#include <utility>

#include "core/json.h"
#include "core/log.h"

namespace sightline::train {
namespace fs = std::filesystem;
namespace {

/// The lines of `path` that belong to steps up to `last`.
std::string kept_lines(const fs::path& path, std::uint64_t last) {
  std::ifstream in(path, std::ios::binary);
  std::string kept;
  for (std::string line; std::getline(in, line);) {
    const Json entry = Json::parse(line, nullptr, false);
    if (!entry.is_object() || in.eof()) continue;  // cut while it was written
    const auto step = entry.find("done");
    if (step != entry.end() && step->is_number_unsigned() && step->get<std::uint64_t>() <= last) {
      kept += line + '\n';
    }
  }
  return kept;
}

}  // namespace

Result<TrainingLog> TrainingLog::open(const fs::path& folder, std::uint64_t from_step) {
  std::error_code error;
  fs::create_directories(folder, error);
  const fs::path path = folder / "log.jsonl", unfinished = folder / "log.jsonl.part";
  {
    std::ofstream out(unfinished, std::ios::binary);
    if (from_step > 0) out << kept_lines(path, from_step);
    out.close();
    if (out) fs::rename(unfinished, path, error);
    if (!out || error) return io_error("cannot write " + path.string());
  }
  return TrainingLog(folder, std::ofstream(path, std::ios::binary | std::ios::app));
}

void TrainingLog::add(const TrainProgress& progress) {
  Json line = progress.to_json();
  line["time"] =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  file_ << line.dump() + '\n' << std::flush;
  if (file_ || has_failed_) return;
  has_failed_ = true;
  log_warning("train", "the log cannot be written", {{"folder", folder_.string()}});
}

void TrainingLog::draw() const {
  const auto drawn = draw_training_curves(folder_ / "log.jsonl", folder_ / "curves.png");
  if (!drawn) log_warning("train", drawn.error().message);
}

}  // namespace sightline::train
