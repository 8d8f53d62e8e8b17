#include <algorithm>

#include "core/json.h"
#include "encoders/internal/replacing_file.h"
#include "encoders/safetensors.h"

namespace sightline::encoders {
namespace {

using NamedTensor = std::pair<const std::string*, const TensorView*>;

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
  SIGHTLINE_TRY_DO(file.write(text));
  for (const auto& [name, view] : order) SIGHTLINE_TRY_DO(file.write(view->bytes));
  return file.finish();
}

}  // namespace sightline::encoders
