#include "pipeline/internal/hosted_encoder.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "pipeline/internal/picture_loading.h"

namespace sightline::pipeline {
namespace {

BatchQueueOptions queue_options(const EncoderHostOptions& options,
                                const encoders::EncoderInfo& info) {
  return {std::clamp<std::size_t>(options.batch_size, 1, info.max_batch), options.batch_wait,
          options.max_waiting};
}

BatchQueue::Run run_texts(const encoders::Encoder& encoder, ComputePool& pool) {
  return [&](std::span<const BatchItem* const> items) {
    std::vector<std::string> texts;
    texts.reserve(items.size());
    for (const BatchItem* item : items) texts.push_back(*item->text);
    return pool.run_wide(Priority::kQueryEncoding,
                         [&] { return encoder.encode_texts(texts, Deadline::never()); });
  };
}

BatchQueue::Run run_pictures(const encoders::Encoder& encoder, ComputePool& pool) {
  return [&](std::span<const BatchItem* const> items) {
    const image::PreprocessSpec& spec = encoder.info().preprocess;
    image::PixelBatch pixels(items.size(), spec.output_height(), spec.output_width());
    for (std::size_t i = 0; i < items.size(); ++i)
      std::ranges::copy(items[i]->pixels, pixels.row(i).begin());
    return pool.run_wide(Priority::kQueryEncoding,
                         [&] { return encoder.encode_pixels(pixels, Deadline::never()); });
  };
}

}  // namespace

HostedEncoder::HostedEncoder(std::unique_ptr<encoders::Encoder> encoder, HostParts& parts)
    : encoder_(std::move(encoder)),
      parts_(parts),
      texts_("texts", queue_options(parts.options, encoder_->info()),
             run_texts(*encoder_, parts.pool)),
      pictures_("pictures", queue_options(parts.options, encoder_->info()),
                run_pictures(*encoder_, parts.pool)) {}

Result<encoders::EmbeddingBatch> HostedEncoder::encode_texts(std::span<const std::string> texts,
                                                             Deadline deadline) const {
  encoders::EmbeddingBatch rows(texts.size(), info().dim);
  std::vector<BatchItem> items;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (const auto known = parts_.cache.find(info().checksum, texts[i])) {
      std::ranges::copy(*known, rows.row(i).begin());
      continue;
    }
    items.push_back({&texts[i], {}, {}});
    places.push_back(i);
  }
  hits_ += texts.size() - items.size();
  misses_ += items.size();
  SIGHTLINE_TRY_DO(texts_.encode(items, deadline));
  for (std::size_t k = 0; k < items.size(); ++k) {
    std::ranges::copy(items[k].row, rows.row(places[k]).begin());
    parts_.cache.put(info().checksum, *items[k].text, std::move(items[k].row));
  }
  return rows;
}

Result<encoders::EmbeddingBatch> HostedEncoder::encode_pixels(const image::PixelBatch& pixels,
                                                              Deadline deadline) const {
  const image::PreprocessSpec& spec = info().preprocess;
  if (pixels.height() != spec.output_height() || pixels.width() != spec.output_width()) {
    return invalid_argument("pictures of " + std::to_string(pixels.height()) + " x " +
                            std::to_string(pixels.width()) + " pixels; the model takes " +
                            std::to_string(spec.output_height()) + " x " +
                            std::to_string(spec.output_width()));
  }
  std::vector<BatchItem> items(pixels.size());
  for (std::size_t i = 0; i < items.size(); ++i) items[i].pixels = pixels.row(i);
  SIGHTLINE_TRY_DO(pictures_.encode(items, deadline));
  encoders::EmbeddingBatch rows(items.size(), info().dim);
  for (std::size_t i = 0; i < items.size(); ++i)
    std::ranges::copy(items[i].row, rows.row(i).begin());
  return rows;
}

Result<LoadedPictures> HostedEncoder::load(std::span<const Picture> pictures,
                                           codecs::AlphaRule alpha,
                                           const Deadline& deadline) const {
  LoadOptions options{parts_.options.decode, &parts_.budget, Priority::kQueryEncoding};
  options.decode.alpha = alpha;
  return load_pictures(pictures, info().preprocess, options, parts_.pool, deadline);
}

void HostedEncoder::add_to(EncoderHostStatistics& statistics) const {
  const BatchQueueStatistics texts = texts_.statistics(), pictures = pictures_.statistics();
  statistics.cache_hits += hits_;
  statistics.cache_misses += misses_;
  statistics.text_batches += texts.batches;
  statistics.texts += texts.items;
  statistics.picture_batches += pictures.batches;
  statistics.pictures += pictures.items;
  statistics.waiting += texts.waiting + pictures.waiting;
  statistics.refused += texts.refused + pictures.refused;
  statistics.encode_seconds += texts.seconds + pictures.seconds;
  ++statistics.models_loaded;
}

}  // namespace sightline::pipeline
