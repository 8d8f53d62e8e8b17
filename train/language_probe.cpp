#include "train/internal/language_probe.h"

#include <algorithm>
#include <array>
#include <map>

#include "codecs/decode.h"
#include "core/deadline.h"
#include "encoders/encoder.h"
#include "train/captions.h"
#include "train/internal/batch_maker.h"
#include "train/internal/evaluate.h"
#include "train/language_texts.h"

namespace sightline::train {
namespace fs = std::filesystem;
namespace {

constexpr std::array kSources{"emoji-apple", "stamps"};
constexpr std::array kLanguages{"en", "de", "es", "fr", "ja", "ru", "zh"};
constexpr std::size_t kBatch = 256;

/// Rows of the pictures, in their order.
Result<torch::Tensor> embed_pictures(const std::vector<fs::path>& files,
                                     const encoders::Encoder& encoder, const Deadline& deadline) {
  const auto& spec = encoder.info().preprocess;
  std::vector<torch::Tensor> rows;
  for (std::size_t first = 0; first < files.size(); first += kBatch) {
    const std::size_t n = std::min(kBatch, files.size() - first);
    image::PixelBatch pixels(n, spec.output_height(), spec.output_width());
    for (std::size_t i = 0; i < n; ++i) {
      SIGHTLINE_TRY(const auto bytes, codecs::read_file(files[first + i]));
      SIGHTLINE_TRY(const auto picture, codecs::decode(bytes, {}));
      SIGHTLINE_TRY_DO(image::preprocess(picture.view(), spec, pixels.row(i)));
    }
    SIGHTLINE_TRY(const auto batch, encoder.encode_pixels(pixels, deadline));
    rows.push_back(tensor_of(batch));
  }
  return torch::cat(rows);
}

HeldOutRecall recall_of_captions(const std::string& name, const torch::Tensor& images,
                                 const torch::Tensor& texts,
                                 const std::vector<std::string>& captions) {
  torch::Tensor concepts = torch::empty({static_cast<std::int64_t>(captions.size())}, torch::kLong);
  std::int64_t* to = concepts.data_ptr<std::int64_t>();
  for (const auto& caption : captions) *to++ = static_cast<std::int64_t>(title_hash(caption));
  HeldOutRecall recall = recall_of(images, texts, concepts);
  recall.source = name;
  return recall;
}

}  // namespace

Result<LanguageProbe> LanguageProbe::make(const std::vector<SourcePicture>& pictures,
                                          const fs::path& data, const fs::path& folder,
                                          std::stop_token stop) {
  encoders::EncoderOptions options;
  options.model = folder.string();
  SIGHTLINE_TRY(const auto encoder, encoders::load_encoder(options));
  LanguageProbe probe;
  for (const std::string source : kSources) {
    SIGHTLINE_TRY(const auto english, list_held_out(pictures, data, source, "en"));
    std::vector<fs::path> files;
    std::map<fs::path, std::int64_t> row_of;
    for (const auto& picture : english) {
      row_of.emplace(picture.image, static_cast<std::int64_t>(files.size()));
      files.push_back(picture.image);
    }
    if (files.empty()) continue;
    SIGHTLINE_TRY(const torch::Tensor rows,
                  embed_pictures(files, *encoder, Deadline::never().with_stop(stop)));
    for (const std::string language : kLanguages) {
      SIGHTLINE_TRY(const auto called, list_held_out(pictures, data, source, language));
      Set set{source + '.' + language, {}, {}};
      std::vector<std::int64_t> of;
      for (const auto& [image, caption] : called) {
        of.push_back(row_of.at(image));
        set.captions.push_back(caption);
      }
      if (of.empty()) continue;
      set.images = rows.index_select(0, torch::tensor(of, torch::kLong));
      probe.sets_.push_back(std::move(set));
    }
  }
  return probe;
}

std::vector<HeldOutRecall> LanguageProbe::measure(const DualEncoder& student,
                                                  const encoders::Tokenizer& tokenizer) const {
  const torch::NoGradGuard no_grad;
  std::vector<HeldOutRecall> out;
  for (const Set& set : sets_) {
    std::vector<torch::Tensor> rows;
    for (std::size_t first = 0; first < set.captions.size(); first += kBatch) {
      std::vector<std::vector<std::int32_t>> ids;
      for (std::size_t i = first; i < std::min(first + kBatch, set.captions.size()); ++i) {
        ids.push_back(tokenizer.encode(set.captions[i], tokenizer.model_max_length()));
      }
      rows.push_back(student.texts(text_ids(ids, tokenizer.pad_id())));
    }
    out.push_back(recall_of_captions(set.name, set.images, torch::cat(rows), set.captions));
  }
  return out;
}

Result<std::vector<HeldOutRecall>> LanguageProbe::measure_folder(const fs::path& folder,
                                                                 std::stop_token stop) const {
  encoders::EncoderOptions options;
  options.model = folder.string();
  SIGHTLINE_TRY(const auto encoder, encoders::load_encoder(options));
  const Deadline deadline = Deadline::never().with_stop(stop);
  std::vector<HeldOutRecall> out;
  for (const Set& set : sets_) {
    std::vector<torch::Tensor> rows;
    const std::size_t batch = std::min(kBatch, encoder->info().max_batch);
    for (std::size_t first = 0; first < set.captions.size(); first += batch) {
      const std::size_t n = std::min(batch, set.captions.size() - first);
      SIGHTLINE_TRY(const auto part,
                    encoder->encode_texts({set.captions.data() + first, n}, deadline));
      rows.push_back(tensor_of(part));
    }
    out.push_back(recall_of_captions(set.name, set.images, torch::cat(rows), set.captions));
  }
  return out;
}

}  // namespace sightline::train
