#include "eval/caption_recall.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

#include "core/compute_pool.h"
#include "index/kernels/kernels.h"

namespace sightline::eval {
namespace {

constexpr std::array<std::size_t, 3> kRanks{1, 5, 10};
constexpr std::size_t kBlock = 32;  // queries between two looks at the clock

using Lists = std::vector<std::vector<std::uint32_t>>;
using Sums = std::array<double, kRanks.size()>;

std::vector<const std::byte*> rows_of(const encoders::EmbeddingBatch& batch) {
  std::vector<const std::byte*> rows(batch.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i] = std::as_bytes(batch.row(i)).data();
  }
  return rows;
}

/// How the query whose right answers are `right` fares among `scores`.
void count(std::span<const float> scores, std::span<const std::uint32_t> right, Sums& sums) {
  float best = scores[right[0]];
  for (const std::uint32_t i : right) best = std::max(best, scores[i]);
  std::size_t before = 0, beside = 0, tied_right = 0;
  for (const float score : scores) {
    before += score > best ? 1 : 0;
    beside += score == best ? 1 : 0;
  }
  for (const std::uint32_t i : right) tied_right += scores[i] == best ? 1 : 0;
  for (std::size_t r = 0; r < kRanks.size(); ++r) {
    sums[r] += chance_within(before, beside - tied_right, tied_right, kRanks[r]);
  }
}

/// Runs a direction: row i of `queries` wants one of right[i] among `answers`.
Result<RecallAtRanks> run(const encoders::EmbeddingBatch& queries,
                          const encoders::EmbeddingBatch& answers, const Lists& right,
                          std::size_t num_threads, const std::function<void(double)>& progress,
                          const Deadline& deadline) {
  const auto rows = rows_of(answers);
  const std::size_t num_blocks = (queries.size() + kBlock - 1) / kBlock;
  std::vector<Sums> sums(num_blocks);  // by block: their order does not depend on the threads
  std::atomic<std::size_t> next{0};
  const auto work = [&](bool is_caller) {
    std::vector<float> scores(rows.size());
    for (std::size_t block; (block = next++) < num_blocks && deadline.check("eval");) {
      for (std::size_t i = block * kBlock; i < std::min(queries.size(), (block + 1) * kBlock);
           ++i) {
        index::kernels().inner_products(queries.row(i).data(), rows.data(), rows.size(),
                                        answers.dim(), scores.data());
        count(scores, right[i], sums[block]);
      }
      if (is_caller && progress) {
        progress(static_cast<double>(block + 1) / static_cast<double>(num_blocks));
      }
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < num_threads; ++i) helpers.emplace_back(work, false);
    work(true);
  }
  SIGHTLINE_TRY_DO(deadline.check("comparing pictures and captions"));
  Sums total{};
  for (const Sums& part : sums) {
    for (std::size_t r = 0; r < total.size(); ++r) total[r] += part[r];
  }
  const auto n = static_cast<double>(queries.size());
  return RecallAtRanks{total[0] / n, total[1] / n, total[2] / n};
}

Json to_json(const RecallAtRanks& recall) {
  return {
      {"recall_at_1", recall.at_1}, {"recall_at_5", recall.at_5}, {"recall_at_10", recall.at_10}};
}

}  // namespace

double chance_within(std::size_t num_before, std::size_t num_beside, std::size_t num_right,
                     std::size_t k) {
  if (k <= num_before) return 0;
  double all_wrong = 1;
  for (std::size_t i = 0; i < k - num_before; ++i) {
    if (i >= num_beside) return 1;
    all_wrong *=
        static_cast<double>(num_beside - i) / static_cast<double>(num_beside + num_right - i);
  }
  return 1 - all_wrong;
}

double CaptionRecall::mean() const {
  return (text_to_image.at_1 + text_to_image.at_5 + text_to_image.at_10 + image_to_text.at_1 +
          image_to_text.at_5 + image_to_text.at_10) /
         6;
}

Json to_json(const CaptionRecall& recall) {
  return {{"pictures", recall.num_pictures},
          {"captions", recall.num_captions},
          {"text_to_image", to_json(recall.text_to_image)},
          {"image_to_text", to_json(recall.image_to_text)}};
}

Result<CaptionRecall> caption_recall(const CaptionedEmbeddings& embeddings, std::size_t num_threads,
                                     const std::function<void(double)>& progress,
                                     const Deadline& deadline) {
  const auto& [pictures, captions, captions_of] = embeddings;
  if (pictures.size() == 0 || captions.size() == 0) {
    return invalid_argument("there are no pictures with captions to compare");
  }
  if (pictures.dim() != captions.dim() || captions_of.size() != pictures.size()) {
    return invalid_argument("pictures, captions and the list of which belong together do not fit");
  }
  if (num_threads == 0) num_threads = usable_cores();
  const Lists of_pictures(captions_of.begin(), captions_of.end());
  Lists of_captions(captions.size());
  for (std::size_t i = 0; i < of_pictures.size(); ++i) {
    if (of_pictures[i].empty()) return invalid_argument("a picture has no caption");
    for (const std::uint32_t caption : of_pictures[i]) {
      if (caption >= captions.size()) return invalid_argument("a caption is out of range");
      of_captions[caption].push_back(static_cast<std::uint32_t>(i));
    }
  }
  if (std::ranges::any_of(of_captions, [](const auto& list) { return list.empty(); })) {
    return invalid_argument("a caption belongs to no picture");
  }
  const auto half = [&](double from) {
    return [&progress, from](double share) {
      if (progress) progress(from + share / 2);
    };
  };
  CaptionRecall recall;
  recall.num_pictures = pictures.size();
  recall.num_captions = captions.size();
  SIGHTLINE_TRY(recall.text_to_image,
                run(captions, pictures, of_captions, num_threads, half(0), deadline));
  SIGHTLINE_TRY(recall.image_to_text,
                run(pictures, captions, of_pictures, num_threads, half(0.5), deadline));
  return recall;
}

}  // namespace sightline::eval
