#include "apps/inputs.h"

#include <algorithm>
#include <future>
#include <span>

namespace sightline::apps {
namespace {

constexpr std::size_t kBatch = 32;  // bounds memory, not speed

Result<encoders::Device> parse_device(const std::string& text) {
  if (text == "auto") return encoders::Device::kAuto;
  if (text == "cpu") return encoders::Device::kCpu;
  if (text == "cuda") return encoders::Device::kCuda;
  return invalid_argument("device is \"" + text + "\"; it must be auto, cpu or cuda");
}

Result<std::unique_ptr<encoders::Encoder>> load(const CommandContext& context,
                                                const std::string& model) {
  encoders::EncoderOptions options;
  options.model = model;
  SIGHTLINE_TRY(options.precision, encoders::parse_precision(context.settings().precision));
  SIGHTLINE_TRY(options.device, parse_device(context.settings().device));
  return encoders::load_encoder(options);
}

/// Runs `encode(first, count)` for every batch of `total` and puts the rows below each other.
template <typename Encode>
Result<encoders::EmbeddingBatch> encode_in_batches(const encoders::Encoder& encoder,
                                                   std::size_t total, Encode encode) {
  const std::size_t batch = std::min(kBatch, encoder.info().max_batch);
  encoders::EmbeddingBatch all(total, encoder.info().dim);
  for (std::size_t first = 0; first < total; first += batch) {
    const std::size_t count = std::min(batch, total - first);
    SIGHTLINE_TRY(const encoders::EmbeddingBatch rows, encode(first, count));
    for (std::size_t i = 0; i < count; ++i)
      std::ranges::copy(rows.row(i), all.row(first + i).begin());
  }
  return all;
}

}  // namespace

Result<codecs::DecodeOptions> decode_options(const settings::Settings& settings) {
  codecs::DecodeOptions options;
  options.max_pixels = settings.image.max_pixels;
  SIGHTLINE_TRY(options.alpha, codecs::parse_alpha_rule(settings.image.alpha));
  return options;
}

namespace {

pipeline::StoreOptions store_options(const CommandContext& context) {
  const settings::Settings& settings = context.settings();
  pipeline::StoreOptions options;
  options.cache_bytes = settings.storage.cache_bytes;
  options.memtable_bytes = settings.storage.memtable_bytes;
  options.background_rate_bytes = settings.storage.background_rate_bytes;
  options.durability = settings.storage.durability == "interval" ? pipeline::Durability::kInterval
                                                                 : pipeline::Durability::kSync;
  options.sync_interval_ms = static_cast<std::uint32_t>(settings.storage.sync_interval.count());
  options.index_memory_bytes = settings.index.memory_bytes;
  options.owner = context.command_line();
  return options;
}

}  // namespace

Result<std::unique_ptr<pipeline::DataFolder>> open_data_folder_at(CommandContext& context,
                                                                  const std::filesystem::path& path,
                                                                  pipeline::Access access) {
  return pipeline::DataFolder::open(path, access, store_options(context), context.pool());
}

Result<std::unique_ptr<pipeline::DataFolder>> open_data_folder_to_serve(CommandContext& context,
                                                                        const std::string& url) {
  pipeline::StoreOptions options = store_options(context);
  options.owner += " (use --server " + url + ")";
  options.keep_open = true;
  return pipeline::DataFolder::open(context.settings().data_dir, pipeline::Access::kWrite, options,
                                    context.pool());
}

Result<std::unique_ptr<pipeline::DataFolder>> open_data_folder(CommandContext& context,
                                                               pipeline::Access access) {
  const std::filesystem::path& path = context.settings().data_dir;
  auto folder = open_data_folder_at(context, path, access);
  if (!folder && access == pipeline::Access::kRead &&
      folder.error().code == StatusCode::kNotFound) {
    return not_found("there is no data folder at " + path.string() +
                     " (\"sightline index PATH\" makes one; --data names another)");
  }
  return folder;
}

Result<std::unique_ptr<encoders::Encoder>> load_model(const CommandContext& context) {
  return load(context, context.settings().model);
}

Result<std::unique_ptr<encoders::Encoder>> load_model_of(
    const CommandContext& context, const pipeline::CollectionInfo& collection) {
  if (context.was_flagged("model")) return load_model(context);
  const auto vector = collection.config.vectors.find("");
  if (vector == collection.config.vectors.end() || vector->second.model.checksum.empty()) {
    return failed_precondition("collection \"" + collection.name +
                               "\" holds vectors from outside: name their model with --model");
  }
  const pipeline::ModelIdentity& recorded = vector->second.model;
  auto encoder = load(context, recorded.name == "embedded" ? recorded.name : recorded.path_hint);
  if (encoder || encoder.error().code != StatusCode::kNotFound) return encoder;
  if (context.was_set("model")) return load_model(context);
  return not_found("collection \"" + collection.name + "\" was made with model \"" + recorded.name +
                   "\" (checksum " + recorded.checksum + "), which is no longer at " +
                   recorded.path_hint + ": name its folder with --model");
}

Result<codecs::DecodeOptions> decode_options_of(const CommandContext& context,
                                                const pipeline::CollectionInfo& collection) {
  SIGHTLINE_TRY(codecs::DecodeOptions options, decode_options(context.settings()));
  const auto vector = collection.config.vectors.find("");
  if (!context.was_flagged("image.alpha") && vector != collection.config.vectors.end() &&
      !vector->second.model.alpha.empty()) {
    SIGHTLINE_TRY(options.alpha, codecs::parse_alpha_rule(vector->second.model.alpha));
  }
  return options;
}

Result<image::Image> read_picture(const std::filesystem::path& file,
                                  const codecs::DecodeOptions& options) {
  SIGHTLINE_TRY(const auto bytes, codecs::read_file(file));
  auto picture = codecs::decode(bytes, options);
  if (!picture) return std::move(picture).error().with_context(file.string());
  return picture;
}

Result<image::PixelBatch> read_pixels(const std::vector<std::string>& files,
                                      const image::PreprocessSpec& spec,
                                      const codecs::DecodeOptions& options, ComputePool& pool) {
  image::PixelBatch pixels(files.size(), spec.output_height(), spec.output_width());
  std::vector<std::future<Result<void>>> done;
  for (std::size_t i = 0; i < files.size(); ++i) {
    done.push_back(pool.submit(Priority::kDecode, [&, i]() -> Result<void> {
      SIGHTLINE_TRY(const image::Image picture, read_picture(files[i], options));
      return image::preprocess(picture.view(), spec, pixels.row(i));
    }));
  }
  for (auto& result : done) result.wait();  // the tasks hold references
  for (auto& result : done) SIGHTLINE_TRY_DO(result.get());
  return pixels;
}

Result<encoders::EmbeddingBatch> encode_files(const encoders::Encoder& encoder,
                                              const std::vector<std::string>& files,
                                              const codecs::DecodeOptions& options,
                                              encoders::Normalize normalize, ComputePool& pool) {
  return encode_in_batches(
      encoder, files.size(),
      [&](std::size_t first, std::size_t count) -> Result<encoders::EmbeddingBatch> {
        const auto begin = files.begin() + static_cast<std::ptrdiff_t>(first);
        const std::vector<std::string> part(begin, begin + static_cast<std::ptrdiff_t>(count));
        SIGHTLINE_TRY(const image::PixelBatch pixels,
                      read_pixels(part, encoder.info().preprocess, options, pool));
        return pool.run_wide(Priority::kQueryEncoding, [&] {
          return encoder.encode_pixels(pixels, Deadline::never(), normalize);
        });
      });
}

Result<encoders::EmbeddingBatch> encode_texts(const encoders::Encoder& encoder,
                                              const std::vector<std::string>& texts,
                                              encoders::Normalize normalize, ComputePool& pool) {
  return encode_in_batches(encoder, texts.size(), [&](std::size_t first, std::size_t count) {
    return pool.run_wide(Priority::kQueryEncoding, [&] {
      return encoder.encode_texts(std::span(texts).subspan(first, count), Deadline::never(),
                                  normalize);
    });
  });
}

}  // namespace sightline::apps
