#include "index/sidecar.h"

#include <array>
#include <cstring>

#include "index/internal/mapped_file.h"

namespace sightline::index {
namespace {

constexpr std::string_view kMagic = "SLSIDCAR";
constexpr std::uint32_t kHeaderVersion = 1;

// Offsets of docs/sidecar_format.md.
constexpr std::size_t kHeaderVersionAt = 8, kKindVersionAt = 12, kKindAt = 16, kPayloadBytesAt = 32,
                      kPayloadChecksumAt = 40, kSourceAt = 72, kHeaderChecksumAt = 160;
constexpr std::size_t kKindBytes = 16, kChecksumBytes = 32;

using Header = std::array<std::byte, kSidecarHeaderBytes>;

template <typename T>
void put(Header& header, std::size_t at, T value) {
  std::memcpy(header.data() + at, &value, sizeof(value));
}

void put_text(Header& header, std::size_t at, std::string_view text) {
  std::memcpy(header.data() + at, text.data(), text.size());
}

template <typename T>
T get(std::span<const std::byte> header, std::size_t at) {
  T value;
  std::memcpy(&value, header.data() + at, sizeof(value));
  return value;
}

std::string get_text(std::span<const std::byte> header, std::size_t at, std::size_t size) {
  std::string text(size, '\0');
  std::memcpy(text.data(), header.data() + at, size);
  return text.substr(0, text.find('\0'));
}

Status damaged(const std::filesystem::path& path, const std::string& how) {
  return corruption("sidecar " + path.string() + " " + how);
}

Status newer(const std::filesystem::path& path, const std::string& what, std::uint32_t version,
             std::uint32_t known) {
  return failed_precondition("sidecar " + path.string() + " has version " +
                             std::to_string(version) + " of " + what +
                             "; this program knows versions up to " + std::to_string(known));
}

/// That the header is whole, and of this kind, version and source.
Result<void> check_header(const std::filesystem::path& path, std::span<const std::byte> bytes,
                          const SidecarKind& kind, std::string_view source) {
  if (bytes.size() < kSidecarHeaderBytes) {
    return damaged(path, "is damaged: it has " + std::to_string(bytes.size()) +
                             " bytes, and its header alone " + std::to_string(kSidecarHeaderBytes));
  }
  const auto header = bytes.first(kSidecarHeaderBytes);
  if (get_text(header, 0, kMagic.size()) != kMagic) return damaged(path, "is not a sidecar");
  if (get_text(header, kHeaderChecksumAt, kChecksumBytes) !=
      region_of(header.first(kHeaderChecksumAt)).checksum) {
    return damaged(path, "is damaged: the checksum of its header does not match");
  }
  const auto header_version = get<std::uint32_t>(header, kHeaderVersionAt);
  if (header_version > kHeaderVersion) {
    return newer(path, "the header", header_version, kHeaderVersion);
  }
  const std::string name = get_text(header, kKindAt, kKindBytes);
  if (name != kind.name) {
    return damaged(path, "is of kind \"" + name + "\", not \"" + std::string(kind.name) + "\"");
  }
  const auto version = get<std::uint32_t>(header, kKindVersionAt);
  if (version > kind.version) return newer(path, "\"" + name + "\"", version, kind.version);
  if (version < kind.version) {
    return damaged(path, "has the older version " + std::to_string(version) + " of \"" + name +
                             "\"; this program writes " + std::to_string(kind.version));
  }
  const std::string derived_from = get_text(header, kSourceAt, kChecksumBytes);
  if (derived_from != source) {
    return damaged(
        path, "is stale: it derives from " + derived_from + ", not from " + std::string(source));
  }
  const auto payload_bytes = get<std::uint64_t>(header, kPayloadBytesAt);
  if (payload_bytes != bytes.size() - kSidecarHeaderBytes) {
    return damaged(path, "is damaged: its payload has " +
                             std::to_string(bytes.size() - kSidecarHeaderBytes) + " bytes, not " +
                             std::to_string(payload_bytes));
  }
  return {};
}

Result<void> build_sidecar(const std::filesystem::path& path, const SidecarKind& kind,
                           std::string_view source,
                           const std::function<Result<void>(SidecarWriter&)>& build,
                           FileCalls& calls) {
  SIGHTLINE_TRY(auto writer, SidecarWriter::create(path, kind, source, calls));
  SIGHTLINE_TRY_DO(build(*writer));
  SIGHTLINE_TRY_DO(writer->finish());
  return {};
}

}  // namespace

SidecarWriter::SidecarWriter(std::unique_ptr<FileWriter> file, const SidecarKind& kind,
                             std::string_view source)
    : file_(std::move(file)), kind_(kind.name), source_(source), version_(kind.version) {}

Result<std::unique_ptr<SidecarWriter>> SidecarWriter::create(const std::filesystem::path& path,
                                                             const SidecarKind& kind,
                                                             std::string_view source,
                                                             FileCalls& calls) {
  SIGHTLINE_CHECK(!kind.name.empty() && kind.name.size() <= kKindBytes);
  SIGHTLINE_CHECK(source.size() == kChecksumBytes);
  SIGHTLINE_TRY(auto file, FileWriter::create(path, calls));
  SIGHTLINE_TRY_DO(file->append(Header{}));  // the real one follows the payload
  file->end_region();
  return std::unique_ptr<SidecarWriter>(new SidecarWriter(std::move(file), kind, source));
}

Result<SidecarWriter::Written> SidecarWriter::finish() {
  Written written;
  written.payload = file_->end_region();
  Header header{};
  put_text(header, 0, kMagic);
  put(header, kHeaderVersionAt, kHeaderVersion);
  put(header, kKindVersionAt, version_);
  put_text(header, kKindAt, kind_);
  put(header, kPayloadBytesAt, written.payload.size);
  put_text(header, kPayloadChecksumAt, written.payload.checksum);
  put_text(header, kSourceAt, source_);
  put_text(header, kHeaderChecksumAt,
           region_of(std::span(header).first(kHeaderChecksumAt)).checksum);
  written.header = region_of(header);
  SIGHTLINE_TRY_DO(file_->overwrite(0, header));
  SIGHTLINE_TRY_DO(file_->finish());
  return written;
}

Result<Sidecar> open_sidecar(const std::filesystem::path& path, const SidecarKind& kind,
                             std::string_view source, SidecarCheck check) {
  SIGHTLINE_TRY(auto file, MappedFile::open(path));
  const auto bytes = file->bytes();
  SIGHTLINE_TRY_DO(check_header(path, bytes, kind, source));
  const FileRegion payload{bytes.size() - kSidecarHeaderBytes,
                           get_text(bytes, kPayloadChecksumAt, kChecksumBytes)};
  if (check == SidecarCheck::kAll) {
    SIGHTLINE_TRY_DO(verify_region(path, kSidecarHeaderBytes, payload, "its payload"));
  }
  return Sidecar{bytes.subspan(kSidecarHeaderBytes), std::move(file)};
}

Result<Sidecar> open_or_build_sidecar(const std::filesystem::path& path, const SidecarKind& kind,
                                      std::string_view source, SidecarCheck check,
                                      const std::function<Result<void>(SidecarWriter&)>& build,
                                      FileCalls& calls) {
  auto opened = open_sidecar(path, kind, source, check);
  if (opened || (opened.error().code != StatusCode::kNotFound &&
                 opened.error().code != StatusCode::kCorruption)) {
    return opened;
  }
  const std::filesystem::path temporary = path.string() + ".tmp";
  calls.remove_all(temporary);  // of a crash; create() reports what stays
  const auto built = build_sidecar(temporary, kind, source, build, calls);
  if (!built) {
    calls.remove_all(temporary);
    return built.error();
  }
  if (const int renamed = calls.rename(temporary, path); renamed < 0) {
    calls.remove_all(temporary);
    return file_error(-renamed, path, "create");
  }
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  if (const int synced = calls.sync_folder(folder); synced < 0) {
    return file_error(-synced, folder, "sync");
  }
  return open_sidecar(path, kind, source, SidecarCheck::kHeader);
}

}  // namespace sightline::index
