#include "pipeline/captioned_manifest.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <system_error>
#include <unordered_map>

#include "core/json.h"
#include "pipeline/internal/manifest_reader.h"
#include "pipeline/internal/source_reader.h"
#include "pipeline/internal/sources.h"

namespace sightline::pipeline {
namespace {

namespace fs = std::filesystem;

std::string trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == text.npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(kSpace) - first + 1));
}

/// The caption of a row. errors  kInvalidArgument: it has none; the rule.
Result<std::string> caption_of(const Json& columns, ManifestKind kind) {
  const auto found = columns.find("caption");
  if (found == columns.end() || found->is_null()) {
    return invalid_argument(R"(has no "caption"; every row names a picture in "image" and says in )"
                            R"("caption" what it shows)");
  }
  // A cell of a CSV file that reads like a number is a text all the same.
  const bool is_text = found->is_string() || (kind == ManifestKind::kCsv && found->is_primitive());
  if (!is_text) return invalid_argument("\"caption\" is not a string");
  std::string caption = trimmed(found->is_string() ? found->get<std::string>() : dump_json(*found));
  if (caption.empty()) return invalid_argument("\"caption\" is empty");
  return caption;
}

std::string label(const Source& source) {
  return source.member.empty() ? source.path : source.path + "#" + source.member;
}

StatusCode code_of(std::string_view problem) {
  if (problem == skip::kMissing) return StatusCode::kNotFound;
  if (problem == skip::kCorrupt) return StatusCode::kCorruption;
  return StatusCode::kIoError;
}

}  // namespace

struct CaptionedManifest::Parts final : SourceSink {
  bool wants_more() const override { return !error; }
  bool add(Source source) override {
    if (source.problem == skip::kBadRow) {
      error = invalid_argument(source.problem_message);
      return false;
    }
    auto caption = caption_of(*source.payload, kind);  // the rule has seen to it
    const auto place = static_cast<std::uint32_t>(captions.size());
    const auto [known, is_new] = places.try_emplace(*caption, place);
    if (is_new) captions.push_back(*std::move(caption));
    source.payload.reset();
    const auto [picture, is_first] = pictures.try_emplace(label(source), sources.size());
    if (is_first) {
      sources.push_back(std::move(source));
      captions_of.emplace_back();
    }
    auto& own = captions_of[picture->second];
    if (std::ranges::find(own, known->second) == own.end()) own.push_back(known->second);
    return true;
  }
  void unreadable_folder(const std::string&, const std::string&) override {}
  void present(const std::string&) override {}

  std::string path;
  ManifestKind kind = ManifestKind::kJsonLines;
  std::optional<Status> error;
  std::vector<Source> sources;
  std::vector<std::vector<std::uint32_t>> captions_of;
  std::vector<std::string> captions;
  std::unordered_map<std::string, std::uint32_t> places;    // of captions
  std::unordered_map<std::string, std::size_t> pictures{};  // by label()
};

CaptionedManifest::CaptionedManifest(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
CaptionedManifest::CaptionedManifest(CaptionedManifest&&) noexcept = default;
CaptionedManifest& CaptionedManifest::operator=(CaptionedManifest&&) noexcept = default;
CaptionedManifest::~CaptionedManifest() = default;

Result<CaptionedManifest> CaptionedManifest::read(const fs::path& path) {
  auto parts = std::make_unique<Parts>();
  std::error_code failed;
  parts->path = fs::absolute(path, failed).lexically_normal().string();
  const std::string extension = path.extension().string();
  if (extension != ".jsonl" && extension != ".ndjson" && extension != ".csv") {
    return invalid_argument(path.string() +
                            ": a list of captioned pictures ends in .jsonl, .ndjson or .csv");
  }
  parts->kind = extension == ".csv" ? ManifestKind::kCsv : ManifestKind::kJsonLines;
  SIGHTLINE_TRY_DO(check_manifest(parts->path, parts->kind));
  const RowRule has_caption = [kind = parts->kind](const Json& columns) -> Result<void> {
    SIGHTLINE_TRY_DO(caption_of(columns, kind));
    return {};
  };
  SIGHTLINE_TRY_DO(read_manifest(parts->path, parts->kind, *parts, has_caption));
  if (parts->error) return *parts->error;
  if (parts->sources.empty()) return invalid_argument(parts->path + ": has no rows");
  return CaptionedManifest(std::move(parts));
}

std::size_t CaptionedManifest::num_pictures() const { return parts_->sources.size(); }
std::span<const std::string> CaptionedManifest::captions() const { return parts_->captions; }
std::span<const std::uint32_t> CaptionedManifest::captions_of(std::size_t i) const {
  return parts_->captions_of[i];
}
std::string CaptionedManifest::name(std::size_t i) const { return label(parts_->sources[i]); }

Result<image::Image> CaptionedManifest::load(std::size_t i,
                                             const codecs::DecodeOptions& options) const {
  const Source& source = parts_->sources[i];
  if (!source.problem.empty()) return Status{code_of(source.problem), source.problem_message};
  SIGHTLINE_TRY(const auto reader, open_source(source));
  std::vector<std::byte> bytes;
  if (reader->size() > kMaxFileBytes) {
    return Status{StatusCode::kResourceExhausted, label(source) + ": is larger than 1 GiB"};
  }
  SIGHTLINE_TRY_DO(reader->read_to(reader->size(), bytes));
  auto picture = codecs::decode(bytes, options);
  if (!picture) return picture.error().with_context(label(source));
  return picture;
}

}  // namespace sightline::pipeline
