#include "pipeline/collection_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>
#include <unordered_set>
#include <utility>
#include <vector>

#include "core/checksum.h"

namespace sightline::pipeline {
namespace {

namespace fs = std::filesystem;

constexpr int kFormat = 1;
constexpr const char* kManifestName = "manifest.json";
constexpr std::uint64_t kMaxManifestBytes = std::uint64_t{64} << 20;
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

Status system_failure(const fs::path& path, const char* what) {
  const int error = errno;
  const std::string message = path.string() + ": " + what + ": " + std::strerror(error);
  if (error == ENOSPC || error == EDQUOT || error == EFBIG)
    return {StatusCode::kResourceExhausted, "disk full: " + message};
  return io_error(message);
}

/// A descriptor that is closed.
class File {
 public:
  File(const fs::path& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<void> sync(const fs::path& path) {
  const File file(path, O_RDONLY);
  if (file.get() < 0 || fsync(file.get()) != 0) return system_failure(path, "sync");
  return {};
}

/// Calls `use(std::span<const std::byte>)` for the pieces of a file.
template <typename Use>
Result<void> read_pieces(const fs::path& path, std::vector<std::byte>& buffer, Use use) {
  const File file(path, O_RDONLY);
  if (file.get() < 0) return system_failure(path, "open");
  buffer.resize(kPieceBytes);
  while (true) {
    const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_failure(path, "read");
    if (got == 0) return {};
    SIGHTLINE_TRY_DO(use(std::span<const std::byte>(buffer.data(), static_cast<std::size_t>(got))));
  }
}

struct Member {
  std::string name;  // relative, with "/"
  std::uint64_t bytes = 0;
  std::string checksum;
};

Json manifest_of(const std::vector<Member>& members, const Json& about) {
  Json files = Json::array();
  for (const Member& member : members)
    files.push_back({{"name", member.name}, {"bytes", member.bytes}, {"xxh3", member.checksum}});
  return {{"format", kFormat}, {"about", about}, {"files", std::move(files)}};
}

/// Not empty, relative, without "." and ".." parts, and not the manifest's name.
bool is_safe_name(const std::string& name) {
  if (name.empty() || name == kManifestName || name.find('\0') != std::string::npos) return false;
  const fs::path path(name);
  return path.is_relative() && path.has_filename() &&
         std::none_of(path.begin(), path.end(),
                      [](const fs::path& part) { return part == "." || part == ".."; });
}

Result<std::vector<Member>> members_of(const Json& manifest, const fs::path& tar) {
  const auto bad = [&](const std::string& what) {
    return corruption(tar.string() + ": " + kManifestName + ": " + what);
  };
  const auto format = manifest.find("format");
  if (format == manifest.end() || !format->is_number_integer()) return bad("has no format");
  if (*format != kFormat) {
    return failed_precondition(tar.string() + " has snapshot format " + format->dump() +
                               "; this program reads " + std::to_string(kFormat));
  }
  const auto files = manifest.find("files");
  if (files == manifest.end() || !files->is_array()) return bad("has no list of files");
  std::vector<Member> members;
  std::unordered_set<std::string> names;
  for (const Json& file : *files) {
    if (!file.is_object() || !file.value("name", Json()).is_string() ||
        !file.value("bytes", Json()).is_number_unsigned() ||
        !file.value("xxh3", Json()).is_string())
      return bad("an entry lacks name, bytes or xxh3");
    members.push_back({file["name"], file["bytes"], file["xxh3"]});
    if (!is_safe_name(members.back().name))
      return bad("\"" + members.back().name + "\" is not a name within a folder");
    if (!names.insert(members.back().name).second)
      return bad("\"" + members.back().name + "\" is there twice");
  }
  return members;
}

/// Bytes done of all bytes, told on.
class Meter {
 public:
  Meter(const ArchiveProgress& progress, const Deadline& deadline, std::uint64_t total)
      : progress_(progress), deadline_(deadline), total_(total) {}
  Result<void> add(std::size_t bytes) {
    SIGHTLINE_TRY_DO(deadline_.check("snapshot"));
    done_ += bytes;
    if (progress_ && total_ > 0)
      progress_(std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_)));
    return {};
  }

 private:
  const ArchiveProgress& progress_;
  const Deadline& deadline_;
  std::uint64_t total_, done_ = 0;
};

std::uint64_t total_bytes(const std::vector<Member>& members) {
  std::uint64_t total = 0;
  for (const Member& member : members) total += member.bytes;
  return total;
}

// --- writing -------------------------------------------------------------------------------------

Result<std::vector<Member>> list_files(const fs::path& folder) {
  std::vector<Member> members;
  std::error_code error;
  fs::recursive_directory_iterator files(folder, error);
  for (; !error && files != fs::recursive_directory_iterator(); files.increment(error)) {
    if (!files->is_regular_file(error)) continue;
    members.push_back(
        {files->path().lexically_relative(folder).generic_string(), files->file_size(error), {}});
  }
  if (error) return io_error(folder.string() + ": " + error.message());
  std::sort(members.begin(), members.end(),
            [](const Member& a, const Member& b) { return a.name < b.name; });
  return members;
}

class TarWriter {
 public:
  explicit TarWriter(fs::path path)
      : path_(std::move(path)), archive_(archive_write_new(), &archive_write_free) {}

  Result<void> open() {
    archive_write_set_format_pax_restricted(archive_.get());
    archive_write_add_filter_none(archive_.get());
    return check(archive_write_open_filename(archive_.get(), path_.c_str()));
  }
  Result<void> begin(const std::string& name, std::uint64_t bytes) {
    const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(),
                                                                              &archive_entry_free);
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    return check(archive_write_header(archive_.get(), entry.get()));
  }
  Result<void> write(std::span<const std::byte> bytes) {
    const la_ssize_t written = archive_write_data(archive_.get(), bytes.data(), bytes.size());
    if (written < 0) return check(ARCHIVE_FATAL);
    if (static_cast<std::size_t>(written) != bytes.size())
      return io_error(path_.string() + ": a file grew while it was written");
    return {};
  }
  Result<void> close() { return check(archive_write_close(archive_.get())); }

 private:
  Result<void> check(int code) const {
    if (code == ARCHIVE_OK || code == ARCHIVE_WARN) return {};
    errno = archive_errno(archive_.get());
    return system_failure(path_, "write");
  }

  fs::path path_;
  std::unique_ptr<archive, decltype(&archive_write_free)> archive_;
};

Result<void> write_members(const fs::path& folder, const std::vector<Member>& members,
                           const Json& manifest, const fs::path& part, Meter& meter) {
  TarWriter writer(part);
  SIGHTLINE_TRY_DO(writer.open());
  const std::string text = manifest.dump();
  SIGHTLINE_TRY_DO(writer.begin(kManifestName, text.size()));
  SIGHTLINE_TRY_DO(writer.write(std::as_bytes(std::span(text))));
  std::vector<std::byte> buffer;
  const auto write_piece = [&](std::span<const std::byte> piece) -> Result<void> {
    SIGHTLINE_TRY_DO(writer.write(piece));
    return meter.add(piece.size());
  };
  for (const Member& member : members) {
    SIGHTLINE_TRY_DO(writer.begin(member.name, member.bytes));
    SIGHTLINE_TRY_DO(read_pieces(folder / member.name, buffer, write_piece));
  }
  SIGHTLINE_TRY_DO(writer.close());
  return sync(part);
}

// --- reading -------------------------------------------------------------------------------------

class TarReader {
 public:
  explicit TarReader(fs::path path)
      : path_(std::move(path)), archive_(archive_read_new(), &archive_read_free) {}

  Result<void> open() {
    std::error_code error;
    if (!fs::exists(path_, error)) return not_found("there is no " + path_.string());
    archive_read_support_format_tar(archive_.get());
    if (archive_read_open_filename(archive_.get(), path_.c_str(), kPieceBytes) != ARCHIVE_OK)
      return damaged();
    return {};
  }
  /// Name of the next member, empty at the end.
  Result<std::string> next() {
    archive_entry* entry = nullptr;
    const int code = archive_read_next_header(archive_.get(), &entry);
    if (code == ARCHIVE_EOF) return std::string();
    if (code != ARCHIVE_OK) return damaged();
    const char* name = archive_entry_pathname(entry);
    if (name == nullptr || *name == '\0') return corruption(path_.string() + ": a nameless member");
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr)
      return corruption(path_.string() + ": \"" + name + "\" is a link or no regular file");
    return std::string(name);
  }
  /// Bytes put into `buffer`; 0 at the end of the member.
  Result<std::size_t> read(std::span<std::byte> buffer) {
    const la_ssize_t got = archive_read_data(archive_.get(), buffer.data(), buffer.size());
    if (got < 0) return damaged();
    return static_cast<std::size_t>(got);
  }

 private:
  Status damaged() const {
    const char* reason = archive_error_string(archive_.get());
    return corruption(path_.string() +
                      " is not a whole tar: " + (reason == nullptr ? "cut short" : reason));
  }

  fs::path path_;
  std::unique_ptr<archive, decltype(&archive_read_free)> archive_;
};

Result<Json> read_manifest(TarReader& reader, const fs::path& tar) {
  SIGHTLINE_TRY(const std::string name, reader.next());
  if (name != kManifestName)
    return corruption(tar.string() + " is not a snapshot: it does not begin with " + kManifestName);
  std::string text;
  std::vector<std::byte> buffer(kPieceBytes);
  while (true) {
    SIGHTLINE_TRY(const std::size_t got, reader.read(buffer));
    if (got == 0) break;
    if (text.size() + got > kMaxManifestBytes)
      return corruption(tar.string() + ": " + kManifestName + " is larger than " +
                        std::to_string(kMaxManifestBytes) + " bytes");
    text.append(static_cast<const char*>(static_cast<const void*>(buffer.data())), got);
  }
  auto manifest = parse_json(text, tar.string() + ": " + kManifestName);
  if (!manifest) return corruption(manifest.error().message);
  if (!manifest->is_object())
    return corruption(tar.string() + ": " + kManifestName + " is no object");
  return manifest;
}

Result<void> write_all(int fd, std::span<const std::byte> bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_failure(path, "write");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> extract_member(TarReader& reader, const Member& member, const fs::path& tar,
                            const fs::path& to, std::span<std::byte> buffer, Meter& meter) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (error) return io_error(to.parent_path().string() + ": " + error.message());
  const File file(to, O_WRONLY | O_CREAT | O_EXCL);
  if (file.get() < 0) return system_failure(to, "create");
  Checksum128 checksum;
  std::uint64_t bytes = 0;
  while (true) {
    SIGHTLINE_TRY(const std::size_t got, reader.read(buffer));
    if (got == 0) break;
    const std::span<const std::byte> piece = buffer.first(got);
    bytes += got;
    if (bytes > member.bytes) break;
    checksum.update(piece);
    SIGHTLINE_TRY_DO(write_all(file.get(), piece, to));
    SIGHTLINE_TRY_DO(meter.add(got));
  }
  if (bytes != member.bytes || checksum.hex() != member.checksum) {
    return corruption(tar.string() + ": " + member.name + " differs from its size or checksum in " +
                      kManifestName);
  }
  if (fsync(file.get()) != 0) return system_failure(to, "sync");
  return {};
}

Result<void> sync_folders(const fs::path& folder) {
  std::error_code error;
  fs::recursive_directory_iterator entries(folder, error);
  for (; !error && entries != fs::recursive_directory_iterator(); entries.increment(error)) {
    if (entries->is_directory(error)) SIGHTLINE_TRY_DO(sync(entries->path()));
  }
  if (error) return io_error(folder.string() + ": " + error.message());
  return sync(folder);
}

Result<Json> extract_all(const fs::path& tar, const fs::path& folder,
                         const ArchiveProgress& progress, const Deadline& deadline) {
  TarReader reader(tar);
  SIGHTLINE_TRY_DO(reader.open());
  SIGHTLINE_TRY(Json manifest, read_manifest(reader, tar));
  SIGHTLINE_TRY(const std::vector<Member> members, members_of(manifest, tar));
  Meter meter(progress, deadline, total_bytes(members));
  std::vector<std::byte> buffer(kPieceBytes);
  for (const Member& member : members) {
    SIGHTLINE_TRY(const std::string name, reader.next());
    if (name.empty())
      return corruption(tar.string() + " ends before \"" + member.name + "\", which " +
                        kManifestName + " names");
    if (name != member.name) {
      return corruption(tar.string() + ": holds \"" + name + "\" where " + kManifestName +
                        " says \"" + member.name + "\"");
    }
    SIGHTLINE_TRY_DO(extract_member(reader, member, tar, folder / member.name, buffer, meter));
  }
  SIGHTLINE_TRY(const std::string rest, reader.next());
  if (!rest.empty()) {
    const bool is_known = std::any_of(members.begin(), members.end(),
                                      [&](const Member& member) { return member.name == rest; });
    return corruption(
        tar.string() + ": \"" + rest + "\" " +
        (is_known ? std::string("comes twice") : std::string("is not in ") + kManifestName));
  }
  SIGHTLINE_TRY_DO(sync_folders(folder));
  return manifest;
}

}  // namespace

Result<Json> write_archive(const fs::path& folder, const fs::path& tar, const Json& about,
                           const ArchiveProgress& progress, const Deadline& deadline) {
  std::error_code error;
  if (fs::exists(tar, error))
    return Status{StatusCode::kAlreadyExists, tar.string() + " is there already"};
  SIGHTLINE_TRY(std::vector<Member> members, list_files(folder));
  // Every byte is read twice: once for its checksum, once into the tar.
  Meter meter(progress, deadline, 2 * total_bytes(members));
  std::vector<std::byte> buffer;
  for (Member& member : members) {
    Checksum128 checksum;
    SIGHTLINE_TRY_DO(
        read_pieces(folder / member.name, buffer, [&](std::span<const std::byte> piece) {
          checksum.update(piece);
          return meter.add(piece.size());
        }));
    member.checksum = checksum.hex();
  }
  Json manifest = manifest_of(members, about);
  const fs::path part = tar.string() + ".part";
  auto written = write_members(folder, members, manifest, part, meter);
  if (written) {
    fs::rename(part, tar, error);
    if (error) written = io_error(tar.string() + ": " + error.message());
  }
  if (!written) {
    fs::remove(part, error);
    return written.error();
  }
  const fs::path parent = fs::absolute(tar, error).parent_path();
  SIGHTLINE_TRY_DO(sync(parent));
  return manifest;
}

Result<Json> read_archive_manifest(const fs::path& tar) {
  TarReader reader(tar);
  SIGHTLINE_TRY_DO(reader.open());
  SIGHTLINE_TRY(Json manifest, read_manifest(reader, tar));
  SIGHTLINE_TRY_DO(members_of(manifest, tar));
  return manifest;
}

Result<Json> extract_archive(const fs::path& tar, const fs::path& folder,
                             const ArchiveProgress& progress, const Deadline& deadline) {
  std::error_code error;
  if (!fs::create_directory(folder, error)) {
    if (error) return io_error(folder.string() + ": " + error.message());
    return Status{StatusCode::kAlreadyExists, folder.string() + " is there already"};
  }
  auto manifest = extract_all(tar, folder, progress, deadline);
  if (!manifest) fs::remove_all(folder, error);
  return manifest;
}

}  // namespace sightline::pipeline
