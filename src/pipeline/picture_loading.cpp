#include "pipeline/internal/picture_loading.h"

#include <algorithm>
#include <exception>
#include <future>
#include <utility>

namespace sightline::pipeline {
namespace {

Result<void> load(const Picture& picture, const image::PreprocessSpec& spec,
                  const LoadOptions& options, const Deadline& deadline, std::span<float> row) {
  SIGHTLINE_TRY_DO(deadline.check("decoding pictures"));
  std::vector<std::byte> storage;
  SIGHTLINE_TRY(const auto bytes, bytes_of(picture, storage));
  codecs::DecodeBudget::Lease lease;
  if (options.budget != nullptr) {
    const auto header = codecs::parse_header(bytes);
    if (!header) return header.error().with_context(shown_name(picture));
    // What is over the limit of pixels is refused by decode() before it takes memory.
    if (std::uint64_t{header->width} * header->height <= options.decode.max_pixels) {
      SIGHTLINE_TRY(lease, options.budget->acquire(
                               codecs::decode_cost_bytes(*header) + bytes.size(), deadline));
    }
  }
  const auto decoded = codecs::decode(bytes, options.decode);
  if (!decoded) return decoded.error().with_context(shown_name(picture));
  auto preprocessed = image::preprocess(decoded->view(), spec, row);
  if (!preprocessed) return preprocessed.error().with_context(shown_name(picture));
  return {};
}

}  // namespace

std::string shown_name(const Picture& picture) {
  if (!picture.name.empty()) return picture.name;
  const auto* file = std::get_if<std::filesystem::path>(&picture.data);
  return file != nullptr ? file->string() : "picture";
}

Result<std::span<const std::byte>> bytes_of(const Picture& picture, std::vector<std::byte>& storage,
                                            std::uint64_t max_bytes) {
  std::span<const std::byte> bytes;
  if (const auto* own = std::get_if<std::vector<std::byte>>(&picture.data)) {
    bytes = *own;
  } else {
    const auto& file = std::get<std::filesystem::path>(picture.data);
    auto read = codecs::read_file(file, max_bytes);
    if (!read) {
      // Where the bytes of a request were put for the moment is nobody's business.
      if (picture.name.empty()) return std::move(read).error();
      Status status = std::move(read).error();
      if (const auto at = status.message.find(file.string()); at != std::string::npos)
        status.message.replace(at, file.string().size(), picture.name);
      return status;
    }
    storage = *std::move(read);
    bytes = storage;
  }
  if (bytes.empty()) return invalid_argument(shown_name(picture) + ": is empty");
  return bytes;
}

LoadedPictures load_pictures(std::span<const Picture> pictures, const image::PreprocessSpec& spec,
                             const LoadOptions& options, ComputePool& pool,
                             const Deadline& deadline) {
  const std::size_t n = pictures.size();
  LoadedPictures loaded;
  image::PixelBatch pixels(n, spec.output_height(), spec.output_width());
  std::vector<std::future<Result<void>>> loads;
  loads.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    loads.push_back(pool.submit(options.priority, [&, i] {
      return load(pictures[i], spec, options, deadline, pixels.row(i));
    }));
  }
  std::size_t num_loaded = 0;
  for (auto& future : loads) {  // all of them: they write into `pixels`
    try {
      loaded.results.push_back(future.get());
    } catch (const std::exception& e) {
      loaded.results.push_back(internal_error(std::string("decoding a picture: ") + e.what()));
    }
    if (loaded.results.back()) ++num_loaded;
  }
  if (num_loaded == n) {
    loaded.pixels = std::move(pixels);
    return loaded;
  }
  loaded.pixels = image::PixelBatch(num_loaded, pixels.height(), pixels.width());
  for (std::size_t i = 0, to = 0; i < n; ++i) {
    if (loaded.results[i])
      std::ranges::copy(std::as_const(pixels).row(i), loaded.pixels.row(to++).begin());
  }
  return loaded;
}

}  // namespace sightline::pipeline
