#include "train/internal/catalogue_batches.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>

namespace sightline::train {
namespace {

constexpr std::size_t kEncodeBatch = 64, kTextGroups = 4;
constexpr std::uint32_t kNone = ~std::uint32_t{0};

torch::Tensor empty_pixels(std::size_t n, const CataloguePictures& pictures) {
  return torch::empty({static_cast<std::int64_t>(n), 3,
                       static_cast<std::int64_t>(pictures.height()),
                       static_cast<std::int64_t>(pictures.width())});
}

std::span<float> row_of(const torch::Tensor& pixels, std::size_t i, std::size_t size) {
  return {pixels.data_ptr<float>() + i * size, size};
}

void copy_rows(const torch::Tensor& rows, encoders::EmbeddingBatch& to, std::size_t first) {
  const torch::Tensor here = rows.cpu().contiguous();
  std::copy_n(here.data_ptr<float>(), here.numel(), to.row(first).data());
}

}  // namespace

struct CatalogueBatches::Pair {
  std::size_t picture;
  std::uint32_t caption;
  std::uint64_t seed;
  std::vector<std::int32_t> ids;
};

CatalogueBatches::CatalogueBatches(const Catalogue& catalogue, const CataloguePictures& pictures,
                                   std::span<const std::size_t> trained,
                                   const encoders::Tokenizer& tokenizer, std::size_t max_tokens,
                                   std::size_t batch, std::uint64_t seed)
    : catalogue_(catalogue),
      pictures_(pictures),
      trained_(trained.begin(), trained.end()),
      tokenizer_(tokenizer),
      max_tokens_(max_tokens),
      batch_(std::min(batch, trained.size())),
      seed_(seed) {}

Result<TrainBatch> CatalogueBatches::draw(std::uint64_t step) const {
  Random of_epoch(seed_ * 0x9e3779b97f4a7c15ULL + step / steps_per_epoch());
  std::vector<std::size_t> order(trained_);
  for (std::size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[of_epoch.below(i)]);
  }
  Random own(of_epoch.next() + step);
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < batch_; ++i) {
    const std::size_t picture = order[(step % steps_per_epoch()) * batch_ + i];
    const auto& captions = catalogue_.captions_of[picture];
    const std::uint32_t caption = captions[own.below(captions.size())];
    const std::uint64_t look = own.next();
    pairs.push_back(
        {picture, caption, look, tokenizer_.encode(catalogue_.captions[caption], max_tokens_)});
  }
  std::ranges::stable_sort(pairs, {}, [](const Pair& pair) { return pair.ids.size(); });

  TrainBatch batch;
  batch.pixels = empty_pixels(batch_, pictures_);
  SIGHTLINE_TRY_DO(draw_pictures(pairs, batch.pixels));
  batch.concepts = torch::empty({static_cast<std::int64_t>(batch_)}, torch::kLong);
  std::int64_t* concept_id = batch.concepts.data_ptr<std::int64_t>();
  for (const Pair& pair : pairs) *concept_id++ = static_cast<std::int64_t>(pair.caption);
  const std::size_t groups = std::min(kTextGroups, pairs.size());
  for (std::size_t g = 0; g < groups; ++g) {
    std::vector<std::vector<std::int32_t>> texts;
    for (std::size_t i = pairs.size() * g / groups; i < pairs.size() * (g + 1) / groups; ++i) {
      texts.push_back(std::move(pairs[i].ids));
    }
    batch.texts.push_back({text_ids(texts, tokenizer_.end_id())});
  }
  return batch;
}

Result<void> CatalogueBatches::draw_pictures(std::span<const Pair> pairs,
                                             torch::Tensor& pixels) const {
  std::mutex mutex;
  std::optional<Status> failed;
  at::parallel_for(
      0, static_cast<std::int64_t>(pairs.size()), 1, [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          Random look(pairs[i].seed);
          const auto drawn = pictures_.draw_changed(pairs[i].picture, look,
                                                    row_of(pixels, i, pictures_.row_size()));
          if (drawn) continue;
          const std::lock_guard lock(mutex);
          failed = drawn.error();
        }
      });
  if (failed) return *failed;
  return {};
}

Result<EmbeddedCatalogue> CatalogueBatches::embed(std::span<const std::size_t> which,
                                                  const DualEncoder& encoder) const {
  const torch::NoGradGuard no_grad;
  EmbeddedCatalogue out;
  std::vector<std::uint32_t> asked;                                     // places in the catalogue
  std::vector<std::uint32_t> place(catalogue_.captions.size(), kNone);  // in `asked`
  for (std::size_t first = 0; first < which.size(); first += kEncodeBatch) {
    const std::size_t n = std::min(kEncodeBatch, which.size() - first);
    const torch::Tensor pixels = empty_pixels(n, pictures_);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t picture = which[first + i];
      SIGHTLINE_TRY_DO(pictures_.draw_plain(picture, row_of(pixels, i, pictures_.row_size())));
      auto& own = out.captions_of.emplace_back();
      for (const std::uint32_t caption : catalogue_.captions_of[picture]) {
        if (place[caption] == kNone) {
          place[caption] = static_cast<std::uint32_t>(asked.size());
          asked.push_back(caption);
        }
        own.push_back(place[caption]);
      }
    }
    const torch::Tensor rows = encoder.images(pixels.to(encoder.device()));
    if (first == 0) {
      out.pictures = encoders::EmbeddingBatch(which.size(), static_cast<std::size_t>(rows.size(1)));
    }
    copy_rows(rows, out.pictures, first);
  }
  out.captions = encoders::EmbeddingBatch(asked.size(), out.pictures.dim());
  for (std::size_t first = 0; first < asked.size(); first += kEncodeBatch) {
    std::vector<std::vector<std::int32_t>> ids;
    for (std::size_t i = first; i < std::min(asked.size(), first + kEncodeBatch); ++i) {
      ids.push_back(tokenizer_.encode(catalogue_.captions[asked[i]], max_tokens_));
    }
    copy_rows(encoder.texts(text_ids(ids, tokenizer_.end_id()).to(encoder.device())), out.captions,
              first);
  }
  return out;
}

}  // namespace sightline::train
