#include "pipeline/internal/tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "codecs/decode.h"
#include "pipeline/file_uri.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kBlockBytes = 32 << 10;
constexpr std::uint64_t kMaxSideFileBytes = std::uint64_t{16} << 20;

struct CloseArchive {
  void operator()(archive* a) const { archive_read_free(a); }
};

std::string plain_name(archive_entry* entry) {
  // Names in pax headers are UTF-8; in the C locale only this call gives them back.
  const char* name = archive_entry_pathname_utf8(entry);
  if (name == nullptr) name = archive_entry_pathname(entry);
  std::string_view text = name == nullptr ? "" : name;
  while (text.starts_with("./")) text.remove_prefix(2);
  return std::string(text);
}

/// "train/0001.left.jpg" -> {"train/0001", "left.jpg"}
std::pair<std::string_view, std::string_view> split_key(std::string_view member) {
  const std::size_t slash = member.rfind('/');
  const std::size_t dot = member.find('.', slash == member.npos ? 0 : slash + 1);
  if (dot == member.npos) return {member, {}};
  return {member.substr(0, dot), member.substr(dot + 1)};
}

}  // namespace

bool has_tar_extension(std::string_view path) {
  return path.size() > 4 && strncasecmp(path.data() + path.size() - 4, ".tar", 4) == 0;
}

bool is_reserved_column(std::string_view name) { return name == "_image" || name == "_enrich"; }

struct TarStream::Impl {
  ~Impl() {
    reader.reset();
    if (file >= 0) close(file);
  }
  Status damaged() const {
    const char* reason = archive_error_string(reader.get());
    return corruption(path + ": damaged tar: " + (reason == nullptr ? "cut short" : reason));
  }
  /// Whether the file ends before the contents of `entry`, whose header was just read, do.
  /// libarchive itself says so only once the contents are read or passed over.
  bool cuts(archive_entry* entry) const {
    if (archive_entry_sparse_count(entry) > 0) return false;  // holes are not in the file
    const auto size =
        static_cast<std::uint64_t>(std::max<la_int64_t>(0, archive_entry_size(entry)));
    const std::uint64_t at =
        start + static_cast<std::uint64_t>(archive_filter_bytes(reader.get(), -1));
    return at > file_bytes || size > file_bytes - at;
  }

  std::string path;
  int file = -1;
  std::uint64_t start = 0;
  std::uint64_t file_bytes = 0;
  std::int64_t mtime_ns = 0;
  std::unique_ptr<archive, CloseArchive> reader;
};

TarStream::TarStream(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TarStream::~TarStream() = default;
TarStream::TarStream(TarStream&&) noexcept = default;

Result<TarStream> TarStream::open(const std::string& path, std::uint64_t offset) {
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  impl->start = offset;
  impl->file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  const auto failed = [&](StatusCode code) {
    return Status{code, path + ": cannot be opened: " + std::strerror(errno)};
  };
  if (impl->file < 0) {
    return failed(errno == ENOENT || errno == ENOTDIR ? StatusCode::kNotFound
                  : errno == EACCES || errno == EPERM ? StatusCode::kPermissionDenied
                                                      : StatusCode::kIoError);
  }
  struct stat status {};
  if (fstat(impl->file, &status) != 0) return failed(StatusCode::kIoError);
  if (!S_ISREG(status.st_mode)) return io_error(path + ": is not a regular file");
  impl->file_bytes = static_cast<std::uint64_t>(status.st_size);
  impl->mtime_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  if (offset > 0 && lseek(impl->file, static_cast<off_t>(offset), SEEK_SET) < 0) {
    return failed(StatusCode::kIoError);
  }
  impl->reader.reset(archive_read_new());
  archive* reader = impl->reader.get();
  if (reader == nullptr || archive_read_support_format_tar(reader) != ARCHIVE_OK ||
      archive_read_support_format_empty(reader) != ARCHIVE_OK) {
    return internal_error(path + ": libarchive cannot read tars");
  }
  if (archive_read_open_fd(reader, impl->file, kBlockBytes) != ARCHIVE_OK) return impl->damaged();
  return TarStream(std::move(impl));
}

std::int64_t TarStream::mtime_ns() const { return impl_->mtime_ns; }
std::uint64_t TarStream::size() const { return impl_->file_bytes; }

Result<bool> TarStream::next(TarMember& member) {
  for (;;) {
    archive_entry* entry = nullptr;
    const int status = archive_read_next_header(impl_->reader.get(), &entry);
    if (status == ARCHIVE_EOF) return false;
    // ARCHIVE_RETRY is a bad header, too: what follows it cannot be told from contents.
    if (status != ARCHIVE_OK && status != ARCHIVE_WARN) return impl_->damaged();
    if (impl_->cuts(entry)) {
      return corruption(impl_->path + ": damaged tar: it ends within \"" + plain_name(entry) +
                        "\"");
    }
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) != nullptr) {
      continue;
    }
    member.name = plain_name(entry);
    member.size = static_cast<std::uint64_t>(std::max<la_int64_t>(0, archive_entry_size(entry)));
    member.offset = impl_->start +
                    static_cast<std::uint64_t>(archive_read_header_position(impl_->reader.get()));
    return true;
  }
}

Result<void> TarStream::read(std::uint64_t max_bytes, std::vector<std::byte>& out) {
  const std::size_t had = out.size();
  // No more than the file can hold, whatever the header claims.
  out.resize(had + static_cast<std::size_t>(std::min(max_bytes, impl_->file_bytes)));
  std::size_t got = had;
  while (got < out.size()) {
    const la_ssize_t n = archive_read_data(impl_->reader.get(), out.data() + got, out.size() - got);
    if (n < 0) return impl_->damaged();
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  out.resize(got);
  return {};
}

namespace {

class Scan {
 public:
  Scan(const std::string& path, const NameFilter& filter, SourceSink& sink)
      : path_(path), filter_(filter), sink_(sink) {}

  Result<bool> run() {
    auto stream = TarStream::open(path_);
    if (!stream) {
      if (stream.error().code != StatusCode::kCorruption) return stream.error();
      sink_.add(bad_source(to_file_uri(path_), path_, skip::kCorrupt, stream.error().message));
      return false;
    }
    if (stream->size() == 0) {
      sink_.add(bad_source(to_file_uri(path_), path_, skip::kEmpty, path_ + ": is empty"));
      return false;
    }
    mtime_ns_ = stream->mtime_ns();
    TarMember member;
    while (sink_.wants_more()) {
      auto more = stream->next(member);
      if (!more) {
        if (!flush()) return false;
        sink_.add(bad_source(to_file_uri(path_), path_, skip::kCorrupt, more.error().message));
        return false;
      }
      if (!*more) return flush();
      if (!take(*stream, member)) return false;
    }
    return false;
  }

 private:
  bool take(TarStream& stream, const TarMember& member) {
    const auto [key, extension] = split_key(member.name);
    if (key != key_) {
      if (!flush()) return false;
      key_ = key;
    }
    if (codecs::has_picture_extension(member.name)) {
      sink_.present(to_member_uri(path_, member.name));
      if (!filter_.excludes_below(member.name)) pictures_.push_back(member);
    } else if (strncasecmp(std::string(extension).c_str(), "json", 5) == 0) {
      if (auto text = read_side_file(stream, member)) take_json(member, *text);
    } else if (strncasecmp(std::string(extension).c_str(), "txt", 4) == 0) {
      if (auto text = read_side_file(stream, member)) {
        while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
        caption_ = to_valid_utf8(*text);
      }
    }
    return true;
  }

  std::optional<std::string> read_side_file(TarStream& stream, const TarMember& member) {
    std::vector<std::byte> bytes;
    if (member.size > kMaxSideFileBytes) {
      problem_ = label(member) + " is larger than 16 MiB";
      return std::nullopt;
    }
    if (auto read = stream.read(member.size, bytes); !read) {
      problem_ = label(member) + ": " + read.error().message;
      return std::nullopt;
    }
    const auto* text = reinterpret_cast<const char*>(bytes.data());
    return std::string(text, bytes.size());
  }

  void take_json(const TarMember& member, const std::string& text) {
    auto json = parse_json(text, label(member));
    if (!json) {
      problem_ = json.error().message;
    } else if (!json->is_object()) {
      problem_ = label(member) + " is not a JSON object";
    } else {
      columns_ = *std::move(json);
      for (const auto& [name, value] : columns_.items()) {
        if (is_reserved_column(name)) {
          problem_ = label(member) + ": the key \"" + name + "\" is reserved";
        }
      }
    }
  }

  /// Gives the sample collected so far to the sink.
  bool flush() {
    if (!caption_.empty() && !columns_.contains("caption")) columns_["caption"] = caption_;
    for (const TarMember& picture : pictures_) {
      Source source;
      source.uri = to_member_uri(path_, picture.name);
      source.path = path_;
      source.member = picture.name;
      source.tar_offset = picture.offset;
      source.size = picture.size;
      source.mtime_ns = mtime_ns_;
      source.payload_hash = payload_checksum(columns_);
      source.payload = columns_;
      if (!problem_.empty()) {
        source.problem = skip::kBadRow;
        source.problem_message = problem_;
      }
      derive_id(source);
      if (!sink_.add(std::move(source))) return false;
    }
    pictures_.clear();
    columns_ = Json::object();
    caption_.clear();
    problem_.clear();
    return true;
  }

  std::string label(const TarMember& member) const { return path_ + "#" + member.name; }

  const std::string& path_;
  const NameFilter& filter_;
  SourceSink& sink_;
  std::int64_t mtime_ns_ = 0;
  std::string key_;
  std::vector<TarMember> pictures_;
  Json columns_ = Json::object();
  std::string caption_;
  std::string problem_;
};

}  // namespace

Result<bool> scan_tar(const std::string& path, const NameFilter& filter, SourceSink& sink) {
  return Scan(path, filter, sink).run();
}

Result<const TarIndex::Entry*> TarIndex::tar(const std::string& path) {
  if (const auto known = tars_.find(path); known != tars_.end()) return &known->second;
  Entry entry;
  auto stream = TarStream::open(path);
  if (!stream && stream.error().code != StatusCode::kCorruption) return stream.error();
  if (!stream) entry.damage = stream.error().message;
  if (stream) {
    entry.mtime_ns = stream->mtime_ns();
    TarMember member;
    for (;;) {
      auto more = stream->next(member);
      if (!more) entry.damage = more.error().message;
      if (!more || !*more) break;
      entry.members.emplace(member.name, member);  // the first of equal names
    }
  }
  return &tars_.emplace(path, std::move(entry)).first->second;
}

}  // namespace sightline::pipeline
