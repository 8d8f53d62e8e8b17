#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/json.h"
#include "encoders/safetensors.h"

namespace sightline::encoders {
namespace {

using NamedTensor = std::pair<const std::string*, const TensorView*>;

// A file that is written beside its goal and takes its place once it is whole and synced.
class ReplacingFile {
 public:
  explicit ReplacingFile(std::filesystem::path goal)
      : goal_(std::move(goal)), temporary_(goal_.string() + ".tmp." + std::to_string(::getpid())) {}
  ~ReplacingFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!done_) ::unlink(temporary_.c_str());
  }
  ReplacingFile(const ReplacingFile&) = delete;
  ReplacingFile& operator=(const ReplacingFile&) = delete;

  Result<void> open() {
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor_ < 0) return failed("create");
    return {};
  }
  Result<void> write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed("write");
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
  }
  Result<void> finish() {
    if (::fsync(descriptor_) != 0) return failed("sync");
    if (::rename(temporary_.c_str(), goal_.c_str()) != 0) return failed("rename");
    done_ = true;
    std::filesystem::path folder = goal_.parent_path();
    if (folder.empty()) folder = ".";
    const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return failed("open the folder of");
    const int synced = ::fsync(directory);
    ::close(directory);
    if (synced != 0) return failed("sync the folder of");
    return {};
  }

 private:
  Status failed(const char* action) const {
    return io_error(goal_.string() + ": cannot " + action + ": " + std::strerror(errno));
  }
  std::filesystem::path goal_, temporary_;
  int descriptor_ = -1;
  bool done_ = false;
};

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

Result<void> write_safetensors(const std::filesystem::path& path,
                               const std::map<std::string, TensorView, std::less<>>& tensors,
                               const std::map<std::string, std::string>& metadata) {
  std::vector<NamedTensor> order;
  for (const auto& [name, view] : tensors) {
    std::uint64_t size = dtype_size(view.dtype);
    for (const std::int64_t dimension : view.shape) size *= static_cast<std::uint64_t>(dimension);
    if (size != view.bytes.size())
      return invalid_argument(path.string() + ": tensor \"" + name + "\" is " + view.describe() +
                              " but has " + std::to_string(view.bytes.size()) + " bytes");
    order.emplace_back(&name, &view);
  }
  std::stable_sort(order.begin(), order.end(), [](const NamedTensor& a, const NamedTensor& b) {
    return a.second->dtype > b.second->dtype;
  });

  OrderedJson header = OrderedJson::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t offset = 0;
  for (const auto& [name, view] : order) {
    header[*name] = {{"dtype", dtype_name(view->dtype)},
                     {"shape", view->shape},
                     {"data_offsets", {offset, offset + view->bytes.size()}}};
    offset += view->bytes.size();
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const std::uint64_t length = text.size();

  ReplacingFile file(path);
  SIGHTLINE_TRY_DO(file.open());
  SIGHTLINE_TRY_DO(file.write(std::as_bytes(std::span(&length, 1))));
  SIGHTLINE_TRY_DO(file.write(as_bytes(text)));
  for (const auto& [name, view] : order) SIGHTLINE_TRY_DO(file.write(view->bytes));
  return file.finish();
}

}  // namespace sightline::encoders
