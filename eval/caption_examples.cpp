#include "eval/caption_examples.h"

#include <algorithm>
#include <fstream>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <sstream>

#include "index/kernels/kernels.h"

namespace sightline::eval {
namespace {

constexpr std::size_t kMissedFrom = 11;  // rank
// Pixels of the sheet.
constexpr int kPicture = 96, kCell = 112, kMargin = 12, kTitle = 34, kCaption = 36, kLine = 13;
constexpr std::size_t kLetters = 17, kLines = 2;  // of a caption
const cv::Scalar kInk(60, 60, 60), kPaper(255, 255, 255);

/// `count` of `all` at even distances.
std::vector<CaptionExample> evenly(const std::vector<CaptionExample>& all, std::size_t count) {
  if (all.size() <= count) return all;
  std::vector<CaptionExample> some;
  for (std::size_t i = 0; i < count; ++i) {
    some.push_back(all[(2 * i + 1) * all.size() / (2 * count)]);
  }
  return some;
}

std::vector<std::string> lines_of(const std::string& caption) {
  std::string ascii = caption;
  std::ranges::replace_if(
      ascii, [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
  std::istringstream in(ascii);
  std::vector<std::string> lines;
  for (std::string word; in >> word;) {
    const bool fits = !lines.empty() && lines.back().size() + word.size() < kLetters;
    if (fits) {
      lines.back() += ' ' + word;
    } else {
      lines.push_back(word);
    }
  }
  if (lines.size() > kLines) {
    lines.resize(kLines);
    lines.back() += "...";
  }
  return lines;
}

class Sheet {
 public:
  Sheet(std::size_t num_columns, int height)
      : image_(height, 2 * kMargin + static_cast<int>(num_columns) * kCell, CV_8UC3, kPaper) {}

  void title(const std::string& words) {
    text(words, {kMargin, y_ + 22}, 0.5);
    y_ += kTitle;
  }

  void pictures(std::span<const ExamplePicture> examples, image::Image ExamplePicture::*which) {
    for (std::size_t i = 0; i < examples.size(); ++i) put(examples[i].*which, x_of(i), y_);
    y_ += kPicture + 6;
  }

  void captions(std::span<const ExamplePicture> examples) {
    for (std::size_t i = 0; i < examples.size(); ++i) {
      int y = y_ + kLine - 2;
      for (const std::string& line : lines_of(examples[i].caption)) {
        text(line, {x_of(i), y}, 0.36);
        y += kLine;
      }
    }
    y_ += kCaption;
  }

  const cv::Mat& image() const { return image_; }

 private:
  static int x_of(std::size_t column) { return kMargin + static_cast<int>(column) * kCell; }

  /// As large as fits into its square, in the middle of it.
  void put(const image::Image& picture, int x, int y) {
    if (picture.rgb.empty()) return;
    const int width = static_cast<int>(picture.width), height = static_cast<int>(picture.height);
    // OpenCV has no view of constant pixels; these are only read.
    const cv::Mat pixels(height, width, CV_8UC3, const_cast<std::uint8_t*>(picture.rgb.data()));
    const double scale = static_cast<double>(kPicture) / std::max(width, height);
    const cv::Size size(std::max(1, cvRound(width * scale)), std::max(1, cvRound(height * scale)));
    cv::Mat small;
    cv::resize(pixels, small, size, 0, 0, cv::INTER_AREA);
    cv::cvtColor(small, small, cv::COLOR_RGB2BGR);
    small.copyTo(image_(cv::Rect(x + (kPicture - size.width) / 2, y + (kPicture - size.height) / 2,
                                 size.width, size.height)));
  }
  void text(const std::string& words, cv::Point where, double size) {
    cv::putText(image_, words, where, cv::FONT_HERSHEY_SIMPLEX, size, kInk, 1, cv::LINE_AA);
  }

  cv::Mat image_;
  int y_ = 4;
};

}  // namespace

Result<CaptionExamples> choose_caption_examples(const CaptionedEmbeddings& embeddings,
                                                std::size_t count, const Deadline& deadline) {
  const auto& [pictures, captions, captions_of] = embeddings;
  std::vector<const std::byte*> rows(pictures.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = std::as_bytes(pictures.row(i)).data();
  std::vector<std::vector<std::uint32_t>> pictures_of(captions.size());
  for (std::size_t i = 0; i < captions_of.size(); ++i) {
    for (const std::uint32_t caption : captions_of[i]) {
      pictures_of[caption].push_back(static_cast<std::uint32_t>(i));
    }
  }
  CaptionExamples examples;
  std::vector<float> scores(rows.size());
  for (std::uint32_t caption = 0; caption < pictures_of.size(); ++caption) {
    SIGHTLINE_TRY_DO(deadline.check("choosing examples"));
    if (pictures_of[caption].empty()) continue;
    index::kernels().inner_products(captions.row(caption).data(), rows.data(), rows.size(),
                                    pictures.dim(), scores.data());
    const auto score_of = [&](std::uint32_t picture) { return scores[picture]; };
    CaptionExample example{caption};
    example.found = static_cast<std::uint32_t>(std::ranges::max_element(scores) - scores.begin());
    example.wanted = *std::ranges::max_element(pictures_of[caption], {}, score_of);
    const float wanted = scores[example.wanted];
    for (std::uint32_t i = 0; i < scores.size(); ++i) {
      const bool has_caption = std::ranges::find(captions_of[i], caption) != captions_of[i].end();
      example.rank += scores[i] >= wanted && !has_caption ? 1 : 0;
    }
    ++example.rank;
    if (example.rank == 1) examples.hits.push_back(example);
    if (example.rank >= kMissedFrom) examples.misses.push_back(example);
  }
  return CaptionExamples{evenly(examples.hits, count), evenly(examples.misses, count)};
}

bool is_example_file(const std::filesystem::path& file) {
  const std::string ending = file.extension().string();
  return ending == ".png" || ending == ".jpg" || ending == ".jpeg";
}

Result<void> draw_caption_examples(std::span<const ExamplePicture> hits,
                                   std::span<const ExamplePicture> misses,
                                   const std::filesystem::path& file) {
  if (!is_example_file(file)) {
    return invalid_argument(file.string() + ": examples are drawn as .png, .jpg or .jpeg");
  }
  std::vector<unsigned char> bytes;
  try {
    const std::size_t columns = std::max({hits.size(), misses.size(), std::size_t{5}});
    const int height = 2 * kTitle + 2 * kCaption + 3 * (kPicture + 6) + 2 * kMargin;
    Sheet sheet(columns, height);
    sheet.title("Found first");
    sheet.pictures(hits, &ExamplePicture::found);
    sheet.captions(hits);
    sheet.title("Not among the first ten: wanted above, found first below");
    sheet.pictures(misses, &ExamplePicture::wanted);
    sheet.captions(misses);
    sheet.pictures(misses, &ExamplePicture::found);
    if (!cv::imencode(file.extension().string(), sheet.image(), bytes)) {
      return internal_error("the examples cannot be encoded");
    }
  } catch (const cv::Exception& e) {
    return internal_error(std::string("drawing examples: ") + e.what());
  }
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) return io_error("cannot write " + file.string());
  return {};
}

}  // namespace sightline::eval
