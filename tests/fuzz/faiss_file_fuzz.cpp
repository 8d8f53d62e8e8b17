// Bytes that claim to be an index of FAISS: read for what they hold, or refused; never beyond.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "index/faiss_import.h"

namespace {

/// A file without a name, which open_faiss_file() can map.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size) : file_(::memfd_create("fuzz", 0)) {
    if (::write(file_, data, size) != static_cast<ssize_t>(size)) __builtin_trap();
  }
  ~MemoryFile() { ::close(file_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile file(data, size);
  const auto index = sightline::index::open_faiss_file(file.path());
  if (!index || !(*index)->has_vectors()) return 0;
  std::vector<float> row((*index)->dim());
  // Rows are bytes of the file, so there are no more of them than it has.
  if ((*index)->num_rows() > size) __builtin_trap();
  for (std::uint64_t at = 0; at < (*index)->num_rows(); ++at) {
    std::int64_t id = 0;
    if (!(*index)->read(at, 1, row.data(), &id)) return 0;
  }
  return 0;
}
