#include "apps/encoder_recall.h"

#include <algorithm>
#include <future>
#include <unordered_map>

#include "apps/text_format.h"
#include "eval/caption_examples.h"
#include "pipeline/score_background.h"

namespace sightline::apps {
namespace {

constexpr std::size_t kBatch = 32;  // bounds memory, not speed

/// What could be read, with its embeddings.
struct Encoded {
  encoders::EmbeddingBatch pictures, captions;
  std::vector<std::vector<std::uint32_t>> captions_of;
  std::vector<std::size_t> places;  ///< Of the pictures in the manifest.
  std::vector<SkippedPicture> skipped;

  eval::CaptionedEmbeddings view() const { return {pictures, captions, captions_of}; }
};

std::size_t batch_size(const encoders::Encoder& encoder) {
  return std::min(kBatch, encoder.info().max_batch);
}

/// Reads up to a batch of pictures; the results say which of the rows are filled.
std::vector<Result<void>> read_batch(const pipeline::CaptionedManifest& manifest,
                                     std::span<const std::size_t> which,
                                     const codecs::DecodeOptions& decode,
                                     const image::PreprocessSpec& spec, ComputePool& pool,
                                     image::PixelBatch& pixels) {
  std::vector<std::future<Result<void>>> tasks;
  for (std::size_t i = 0; i < which.size(); ++i) {
    tasks.push_back(pool.submit(Priority::kDecode, [&, i]() -> Result<void> {
      SIGHTLINE_TRY(const image::Image picture, manifest.load(which[i], decode));
      return image::preprocess(picture.view(), spec, pixels.row(i));
    }));
  }
  for (auto& task : tasks) task.wait();  // they hold references
  std::vector<Result<void>> results;
  for (auto& task : tasks) results.push_back(task.get());
  return results;
}

/// The rows of `pixels` whose result is good, closed up.
image::PixelBatch good_rows(const image::PixelBatch& pixels,
                            const std::vector<Result<void>>& results) {
  const auto n = static_cast<std::size_t>(
      std::ranges::count_if(results, [](const auto& result) { return bool(result); }));
  image::PixelBatch good(n, pixels.height(), pixels.width());
  std::size_t next = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i]) std::ranges::copy(pixels.row(i), good.row(next++).begin());
  }
  return good;
}

encoders::EmbeddingBatch first_rows(const encoders::EmbeddingBatch& batch, std::size_t n) {
  encoders::EmbeddingBatch first(n, batch.dim());
  std::ranges::copy(batch.values().first(n * batch.dim()), first.values().begin());
  return first;
}

/// Fills everything but the embeddings of the captions; returns the captions that are asked.
Result<std::vector<std::string>> encode_pictures(CommandContext& context,
                                                 const encoders::Encoder& encoder,
                                                 const pipeline::CaptionedManifest& manifest,
                                                 std::span<const std::size_t> which,
                                                 const codecs::DecodeOptions& decode,
                                                 ProgressBar& bar, const Deadline& deadline,
                                                 Encoded& encoded) {
  const image::PreprocessSpec& spec = encoder.info().preprocess;
  std::vector<std::string> captions;
  std::unordered_map<std::uint32_t, std::uint32_t> places;  // of the manifest's captions
  encoders::EmbeddingBatch rows(which.size(), encoder.info().dim);
  for (std::size_t first = 0; first < which.size(); first += batch_size(encoder)) {
    SIGHTLINE_TRY_DO(deadline.check("encoding pictures"));
    bar.update(pipeline::JobProgress{"pictures",
                                     static_cast<double>(first) / static_cast<double>(which.size()),
                                     first, which.size()});
    const auto part = which.subspan(first, std::min(batch_size(encoder), which.size() - first));
    image::PixelBatch pixels(part.size(), spec.output_height(), spec.output_width());
    const auto results = read_batch(manifest, part, decode, spec, context.pool(), pixels);
    const std::size_t begin = encoded.captions_of.size();
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (!results[i]) {
        encoded.skipped.push_back({manifest.name(part[i]), results[i].error().message});
        continue;
      }
      encoded.places.push_back(part[i]);
      auto& own = encoded.captions_of.emplace_back();
      for (const std::uint32_t caption : manifest.captions_of(part[i])) {
        const auto place = static_cast<std::uint32_t>(captions.size());
        const auto [known, is_new] = places.try_emplace(caption, place);
        if (is_new) captions.push_back(manifest.captions()[caption]);
        own.push_back(known->second);
      }
    }
    if (encoded.captions_of.size() == begin) continue;
    const image::PixelBatch good = good_rows(pixels, results);
    SIGHTLINE_TRY(const auto batch, context.pool().run_wide(Priority::kQueryEncoding, [&] {
      return encoder.encode_pixels(good, deadline);
    }));
    for (std::size_t i = 0; i < batch.size(); ++i) {
      std::ranges::copy(batch.row(i), rows.row(begin + i).begin());
    }
  }
  encoded.pictures = first_rows(rows, encoded.captions_of.size());
  return captions;
}

Result<void> encode_captions(CommandContext& context, const encoders::Encoder& encoder,
                             std::span<const std::string> captions, ProgressBar& bar,
                             const Deadline& deadline, Encoded& encoded) {
  encoded.captions = encoders::EmbeddingBatch(captions.size(), encoder.info().dim);
  for (std::size_t first = 0; first < captions.size(); first += batch_size(encoder)) {
    bar.update(pipeline::JobProgress{
        "captions", static_cast<double>(first) / static_cast<double>(captions.size()), first,
        captions.size()});
    const auto part =
        captions.subspan(first, std::min(batch_size(encoder), captions.size() - first));
    SIGHTLINE_TRY(const auto batch, context.pool().run_wide(Priority::kQueryEncoding, [&] {
      return encoder.encode_texts(part, deadline);
    }));
    for (std::size_t i = 0; i < batch.size(); ++i) {
      std::ranges::copy(batch.row(i), encoded.captions.row(first + i).begin());
    }
  }
  return {};
}

}  // namespace

Json to_json(std::span<const SkippedPicture> skipped) {
  Json list = Json::array();
  for (const auto& [image, reason] : skipped)
    list.push_back({{"image", image}, {"reason", reason}});
  return list;
}

Result<MeasuredEncoder> measure_encoder(CommandContext& context, const encoders::Encoder& encoder,
                                        const pipeline::CaptionedManifest& manifest,
                                        std::span<const std::size_t> which,
                                        const codecs::DecodeOptions& decode,
                                        std::size_t num_examples, ProgressBar& bar,
                                        const Deadline& deadline) {
  Encoded encoded;
  SIGHTLINE_TRY(const auto captions,
                encode_pictures(context, encoder, manifest, which, decode, bar, deadline, encoded));
  if (encoded.captions_of.empty()) {
    return invalid_argument("none of the " + std::to_string(which.size()) +
                            " pictures can be read" +
                            (encoded.skipped.empty() ? "" : ": " + encoded.skipped[0].reason));
  }
  SIGHTLINE_TRY_DO(encode_captions(context, encoder, captions, bar, deadline, encoded));
  MeasuredEncoder measured;
  SIGHTLINE_TRY(measured.recall, eval::caption_recall(
                                     encoded.view(), context.pool().num_threads(),
                                     [&](double share) {
                                       bar.update(pipeline::JobProgress{"comparing", share, 0, 0});
                                     },
                                     deadline));
  auto threshold = eval::fit_match_threshold(
      encoded.view(), encoder.info().strong_spreads.value_or(pipeline::kStrongSpreads), deadline);
  if (threshold) {
    measured.threshold = *threshold;
  } else if (threshold.error().code != StatusCode::kFailedPrecondition) {
    return threshold.error();
  }
  if (num_examples > 0) {
    SIGHTLINE_TRY(const auto examples,
                  eval::choose_caption_examples(encoded.view(), num_examples, deadline));
    const auto named = [&](const eval::CaptionExample& example) {
      return FoundCaption{captions[example.caption], encoded.places[example.wanted],
                          encoded.places[example.found]};
    };
    for (const auto& example : examples.hits) measured.hits.push_back(named(example));
    for (const auto& example : examples.misses) measured.misses.push_back(named(example));
  }
  measured.skipped = std::move(encoded.skipped);
  return measured;
}

std::string recall_table(const eval::CaptionRecall& recall) {
  TextTable table({{"", Align::kLeft},
                   {"R@1", Align::kRight},
                   {"R@5", Align::kRight},
                   {"R@10", Align::kRight},
                   {"queries", Align::kRight}});
  const auto add = [&](const char* name, const eval::RecallAtRanks& ranks, std::size_t queries) {
    table.add_row({name, format_fixed(ranks.at_1, 3), format_fixed(ranks.at_5, 3),
                   format_fixed(ranks.at_10, 3), format_count(queries)});
  };
  add("text to image", recall.text_to_image, recall.num_captions);
  add("image to text", recall.image_to_text, recall.num_pictures);
  return table.render();
}

std::string threshold_table(const eval::MatchThreshold& threshold) {
  TextTable table({{"strong matches", Align::kLeft},
                   {"spreads", Align::kRight},
                   {"precision", Align::kRight},
                   {"recall", Align::kRight},
                   {"F1", Align::kRight},
                   {"per query", Align::kRight},
                   {"none", Align::kRight}});
  const auto add = [&](const char* name, const eval::MatchQuality& quality) {
    table.add_row({name, format_fixed(quality.spreads, 2), format_fixed(quality.precision, 3),
                   format_fixed(quality.recall, 3), format_fixed(quality.f1, 3),
                   format_fixed(quality.pictures_per_query, 1),
                   format_fixed(quality.queries_without, 2)});
  };
  add("in use", threshold.used);
  add("best", threshold.best);
  return table.render();
}

}  // namespace sightline::apps
