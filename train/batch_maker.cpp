#include "train/internal/batch_maker.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>
#include <unordered_set>

namespace sightline::train {
namespace {

constexpr std::size_t kTextGroups = 4;

/// One pair before it is drawn.
struct Draw {
  std::size_t picture = 0;
  std::uint64_t seed = 0;
  std::vector<std::int32_t> ids;
};

/// `keep` of `total` numbers, ascending.
void choose(std::int64_t total, std::int64_t keep, Random& random, std::int64_t* out) {
  for (std::int64_t i = 0, left = keep; i < total && left > 0; ++i) {
    if (random.below(static_cast<std::uint64_t>(total - i)) < static_cast<std::uint64_t>(left)) {
      *out++ = i;
      --left;
    }
  }
}

}  // namespace

torch::Tensor text_ids(std::span<const std::vector<std::int32_t>> texts, std::int32_t pad) {
  std::size_t longest = 1;
  for (const auto& text : texts) longest = std::max(longest, text.size());
  torch::Tensor ids =
      torch::full({static_cast<std::int64_t>(texts.size()), static_cast<std::int64_t>(longest)},
                  pad, torch::kLong);
  std::int64_t* row = ids.data_ptr<std::int64_t>();
  for (const auto& text : texts) {
    std::ranges::copy(text, row);
    row += longest;
  }
  return ids;
}

BatchMaker::BatchMaker(std::span<const StoredPicture> pictures, const TrainConfig& config,
                       const encoders::Tokenizer& tokenizer, const image::PreprocessSpec& spec)
    : pictures_(pictures), config_(config), tokenizer_(tokenizer), spec_(spec) {
  // A title that a source draws many times (hundreds of stars) would crowd out the others: its
  // pictures share a weight that grows with the root of their number.
  std::map<std::pair<std::string, std::uint64_t>, double> repeats;
  std::unordered_set<std::uint64_t> concepts;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const auto& picture = pictures[i];
    const auto weight = config.source_weights.find(picture.source);
    if (picture.held_out || is_measured_only(picture.source)) continue;
    if (weight != config.source_weights.end() && weight->second <= 0) continue;
    trained_.push_back(i);
    concepts.insert(picture.concept_id);
    repeats[{picture.source, picture.concept_id}] += 1;
  }
  num_concepts_ = concepts.size();
  double sum = 0;
  for (const std::size_t i : trained_) {
    const auto& picture = pictures[i];
    const auto weight = config.source_weights.find(picture.source);
    sum += (weight == config.source_weights.end() ? 1.0 : weight->second) /
           std::sqrt(repeats[{picture.source, picture.concept_id}]);
    cumulative_.push_back(sum);
  }
}

TrainBatch BatchMaker::draw(const TrainPhase& phase, double strength, Random& random) const {
  Random own(random.next());
  std::vector<Draw> draws(phase.batch);
  for (Draw& draw : draws) {
    const double at = own.uniform(0, cumulative_.back());
    const auto found = std::ranges::upper_bound(cumulative_, at) - cumulative_.begin();
    draw.picture = trained_[std::min(static_cast<std::size_t>(found), trained_.size() - 1)];
    draw.seed = own.next();
    draw.ids = tokenizer_.encode(draw_caption(pictures_[draw.picture].words, config_.captions, own),
                                 config_.max_tokens);
  }
  std::ranges::stable_sort(draws, {}, [](const Draw& draw) { return draw.ids.size(); });

  const auto n = static_cast<std::int64_t>(draws.size());
  const auto size = static_cast<std::int64_t>(phase.image_size);
  TrainBatch batch;
  batch.pixels = torch::empty({n, 3, size, size}, torch::kFloat32);
  batch.concepts = torch::empty({n}, torch::kLong);
  const std::int64_t side = size / config_.model.vision.patch_size, patches = side * side;
  const auto keep =
      std::max<std::int64_t>(1, std::llround(phase.keep * static_cast<double>(patches)));
  if (keep < patches) batch.kept = torch::empty({n, keep}, torch::kLong);

  float* const pixels = batch.pixels.data_ptr<float>();
  std::int64_t* const concepts = batch.concepts.data_ptr<std::int64_t>();
  std::int64_t* const kept = keep < patches ? batch.kept.data_ptr<std::int64_t>() : nullptr;
  at::parallel_for(0, n, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Draw& draw = draws[static_cast<std::size_t>(i)];
      const StoredPicture& picture = pictures_[draw.picture];
      Random look(draw.seed);
      const auto row = static_cast<std::size_t>(3 * size * size);
      augment(picture, phase.image_size, spec_, config_.augment, strength, look,
              {pixels + static_cast<std::size_t>(i) * row, row});
      concepts[i] = static_cast<std::int64_t>(picture.concept_id);
      if (kept != nullptr) choose(patches, keep, look, kept + i * keep);
    }
  });

  const std::size_t groups = std::min(kTextGroups, draws.size());
  for (std::size_t g = 0; g < groups; ++g) {
    std::vector<std::vector<std::int32_t>> texts;
    for (std::size_t i = draws.size() * g / groups; i < draws.size() * (g + 1) / groups; ++i) {
      texts.push_back(std::move(draws[i].ids));
    }
    batch.texts.push_back({text_ids(texts, tokenizer_.pad_id())});
  }
  return batch;
}

}  // namespace sightline::train
