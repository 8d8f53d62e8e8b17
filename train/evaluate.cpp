#include "train/internal/evaluate.h"

#include <map>
#include <string>

#include "codecs/decode.h"
#include "core/deadline.h"
#include "encoders/encoder.h"
#include "train/augment.h"
#include "train/internal/batch_maker.h"

namespace sightline::train {
namespace {

constexpr std::size_t kBatch = 256;

using Members = std::vector<const StoredPicture*>;

std::map<std::string, Members> held_out(const PictureStore& store) {
  std::map<std::string, Members> sources;
  for (const auto& picture : store.pictures()) {
    if (picture.held_out) sources[picture.source].push_back(&picture);
  }
  return sources;
}

torch::Tensor concepts_of(const Members& members) {
  torch::Tensor out = torch::empty({static_cast<std::int64_t>(members.size())}, torch::kLong);
  std::int64_t* to = out.data_ptr<std::int64_t>();
  for (const auto* picture : members) *to++ = static_cast<std::int64_t>(picture->concept_id);
  return out;
}

/// The picture as the searching program would see it.
Result<void> preprocess_stored(const StoredPicture& picture, const image::PreprocessSpec& spec,
                               std::span<float> out) {
  if (picture.file.extension() == ".png") {
    SIGHTLINE_TRY(const auto bytes, codecs::read_file(picture.file));
    SIGHTLINE_TRY(const auto pixels, codecs::decode(bytes, {}));
    return image::preprocess(pixels.view(), spec, out);
  }
  image::Image square{kSide, kSide, std::vector<std::uint8_t>(kSide * kSide * 3)};
  for (std::size_t i = 0; i < kSide * kSide; ++i) {
    const std::uint8_t* p = picture.rgba.data() + i * 4;
    for (std::size_t c = 0; c < 3; ++c) {
      square.rgb[i * 3 + c] = static_cast<std::uint8_t>(std::min(255, p[c] + 255 - p[3]));
    }
  }
  return image::preprocess(square.view(), spec, out);
}

}  // namespace

torch::Tensor tensor_of(const encoders::EmbeddingBatch& batch) {
  return torch::from_blob(
             const_cast<float*>(batch.values().data()),
             {static_cast<std::int64_t>(batch.size()), static_cast<std::int64_t>(batch.dim())},
             torch::kFloat32)
      .clone();
}

HeldOutRecall recall_of(const torch::Tensor& images, const torch::Tensor& texts,
                        const torch::Tensor& concepts) {
  HeldOutRecall out;
  const std::int64_t n = concepts.numel();
  out.num_pictures = static_cast<std::size_t>(n);
  if (n == 0) return out;
  const torch::Tensor scores = torch::mm(texts, images.t());
  const torch::Tensor same = concepts.unsqueeze(1).eq(concepts.unsqueeze(0));
  // Rank of the best true picture: how many stand before it.
  const torch::Tensor best = std::get<0>(scores.masked_fill(same.logical_not(), -1e30).max(1));
  const torch::Tensor before = scores.gt(best.unsqueeze(1)).sum(1);
  const auto share = [&](std::int64_t k) {
    return before.lt(k).to(torch::kFloat64).mean().item<double>();
  };
  out.at_1 = share(1);
  out.at_5 = share(5);
  out.at_10 = share(10);
  return out;
}

std::vector<HeldOutRecall> evaluate_encoder(const DualEncoder& encoder, const PictureStore& store,
                                            const encoders::Tokenizer& tokenizer,
                                            const image::PreprocessSpec& spec,
                                            std::size_t max_tokens) {
  const torch::NoGradGuard no_grad;
  std::vector<HeldOutRecall> out;
  const std::size_t size = spec.output_height(), area = 3 * size * size;
  const auto side = static_cast<std::int64_t>(size);
  for (const auto& [source, members] : held_out(store)) {
    std::vector<torch::Tensor> images, texts;
    for (std::size_t first = 0; first < members.size(); first += kBatch) {
      const std::size_t n = std::min(kBatch, members.size() - first);
      torch::Tensor pixels =
          torch::empty({static_cast<std::int64_t>(n), 3, side, side}, torch::kFloat32);
      std::vector<std::vector<std::int32_t>> ids;
      for (std::size_t i = 0; i < n; ++i) {
        const StoredPicture& picture = *members[first + i];
        draw_plain(picture, size, spec, {pixels.data_ptr<float>() + i * area, area});
        ids.push_back(tokenizer.encode(picture.words.title, max_tokens));
      }
      images.push_back(encoder.images(pixels.to(encoder.device())).cpu());
      texts.push_back(encoder.texts(text_ids(ids, tokenizer.pad_id()).to(encoder.device())).cpu());
    }
    out.push_back(recall_of(torch::cat(images), torch::cat(texts), concepts_of(members)));
    out.back().source = source;
  }
  return out;
}

Result<std::vector<HeldOutRecall>> evaluate_folder(const std::filesystem::path& folder,
                                                   const PictureStore& store,
                                                   std::stop_token stop) {
  encoders::EncoderOptions options;
  options.model = folder.string();
  SIGHTLINE_TRY(const auto encoder, encoders::load_encoder(options));
  const auto& spec = encoder->info().preprocess;
  const Deadline deadline = Deadline::never().with_stop(stop);
  std::vector<HeldOutRecall> out;
  for (const auto& [source, members] : held_out(store)) {
    std::vector<torch::Tensor> images, texts;
    const std::size_t batch = std::min(kBatch, encoder->info().max_batch);
    for (std::size_t first = 0; first < members.size(); first += batch) {
      const std::size_t n = std::min(batch, members.size() - first);
      image::PixelBatch pixels(n, spec.output_height(), spec.output_width());
      std::vector<std::string> titles;
      for (std::size_t i = 0; i < n; ++i) {
        SIGHTLINE_TRY_DO(preprocess_stored(*members[first + i], spec, pixels.row(i)));
        titles.push_back(members[first + i]->words.title);
      }
      SIGHTLINE_TRY(const auto image_rows, encoder->encode_pixels(pixels, deadline));
      SIGHTLINE_TRY(const auto text_rows, encoder->encode_texts(titles, deadline));
      images.push_back(tensor_of(image_rows));
      texts.push_back(tensor_of(text_rows));
    }
    out.push_back(recall_of(torch::cat(images), torch::cat(texts), concepts_of(members)));
    out.back().source = source;
  }
  return out;
}

}  // namespace sightline::train
