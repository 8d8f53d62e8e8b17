#include "index/internal/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "core/checksum.h"

namespace sightline::index {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{1} << 20;

class Descriptor {
 public:
  explicit Descriptor(const std::filesystem::path& path)
      : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Descriptor() {
    if (file_ >= 0) ::close(file_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return file_; }

 private:
  int file_;
};

}  // namespace

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::filesystem::path& path) {
  const Descriptor file(path);
  if (file.get() < 0) return file_error(errno, path, "open");
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0) return file_error(errno, path, "read");
  if (!S_ISREG(facts.st_mode)) return io_error(path.string() + " is not a file");
  const auto size = static_cast<std::size_t>(facts.st_size);
  // There is no mapping of nothing.
  if (size == 0) return std::shared_ptr<const MappedFile>(new MappedFile({}));
  void* start = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  if (start == MAP_FAILED) return file_error(errno, path, "map");
  return std::shared_ptr<const MappedFile>(
      new MappedFile({static_cast<const std::byte*>(start), size}));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

Result<void> verify_region(const std::filesystem::path& path, std::uint64_t offset,
                           const FileRegion& region, std::string_view what) {
  const Descriptor file(path);
  if (file.get() < 0) return file_error(errno, path, "open");
  std::vector<std::byte> block(
      static_cast<std::size_t>(std::min<std::uint64_t>(kBlockBytes, region.size)));
  Checksum128 checksum;
  for (std::uint64_t done = 0; done < region.size;) {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(block.size(), region.size - done));
    const ssize_t got =
        ::pread(file.get(), block.data(), wanted, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error(errno, path, "read");
    if (got == 0) {
      return corruption(path.string() + " is damaged: it ends at byte " +
                        std::to_string(offset + done) + ", within " + std::string(what));
    }
    checksum.update(std::span(block).first(static_cast<std::size_t>(got)));
    done += static_cast<std::uint64_t>(got);
  }
  if (checksum.hex() == region.checksum) return {};
  return corruption(path.string() + " is damaged: the checksum of " + std::string(what) +
                    " (bytes " + std::to_string(offset) + " to " +
                    std::to_string(offset + region.size) + ") is " + checksum.hex() + ", not " +
                    region.checksum);
}

}  // namespace sightline::index
