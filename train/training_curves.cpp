#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/json.h"
#include "train/internal/training_log.h"

namespace sightline::train {
namespace {

constexpr int kWidth = 960, kHeight = 360;  // of one panel
constexpr int kLeft = 80, kRight = 210, kTop = 50, kBottom = 50;
const cv::Scalar kInk(60, 60, 60), kGrid(225, 225, 225), kPaper(255, 255, 255);
/// Okabe and Ito's colours, which everybody can tell apart (blue, green, red).
const std::array<cv::Scalar, 7> kColors = {cv::Scalar(178, 114, 0), cv::Scalar(0, 94, 213),
                                           cv::Scalar(115, 158, 0), cv::Scalar(167, 121, 204),
                                           cv::Scalar(0, 159, 230), cv::Scalar(233, 180, 86),
                                           cv::Scalar(0, 0, 0)};

struct Point {
  double x, y;
};
using Curves = std::map<std::string, std::vector<Point>>;

std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", value);
  return text.data();
}

/// A round step that divides `range` into four to ten parts.
double round_step(double range) {
  const double decade = std::pow(10, std::floor(std::log10(range / 4)));
  for (const double factor : {5.0, 2.0}) {
    if (range / (decade * factor) >= 4) return decade * factor;
  }
  return decade;
}

/// One diagram on linear axes.
class Panel {
 public:
  Panel(cv::Mat image, const Curves& curves) : image_(std::move(image)) {
    for (const auto& [name, points] : curves) {
      for (const Point& p : points) {
        most_x_ = std::max(most_x_, p.x);
        least_y_ = std::min(least_y_, p.y);
        most_y_ = std::max(most_y_, p.y);
      }
    }
    if (!(most_y_ > least_y_)) {
      least_y_ = 0;
      most_y_ = std::max(1.0, most_y_);
    }
    const double step = round_step(most_y_ - least_y_);
    least_y_ = std::floor(least_y_ / step) * step;
    most_y_ = std::ceil(most_y_ / step) * step;
    if (!(most_x_ > 0)) most_x_ = 1;
  }

  void draw(const std::string& title, const Curves& curves) {
    text(title, {kLeft, kTop - 20}, kInk, 0.55);
    const double step_y = round_step(most_y_ - least_y_), step_x = round_step(most_x_);
    for (double y = least_y_; y < most_y_ + step_y / 2; y += step_y) {
      line(at({0, y}), at({most_x_, y}), kGrid);
      text(number(std::abs(y) < step_y / 1000 ? 0 : y), at({0, y}) + cv::Point(-56, 5));
    }
    for (double x = 0; x < most_x_ * 1.001; x += step_x) {
      line(at({x, least_y_}), at({x, most_y_}), kGrid);
      text(number(x), at({x, least_y_}) + cv::Point(-10, 22));
    }
    std::size_t i = 0;
    for (const auto& [name, points] : curves) {
      const cv::Scalar& color = kColors[i % kColors.size()];
      for (std::size_t k = 1; k < points.size(); ++k)
        line(at(points[k - 1]), at(points[k]), color, 2);
      if (points.size() == 1) cv::circle(image_, at(points[0]), 3, color, cv::FILLED, cv::LINE_AA);
      const int y = kTop + 15 + 22 * static_cast<int>(i++);
      line({kWidth - kRight + 15, y - 5}, {kWidth - kRight + 35, y - 5}, color, 2);
      text(name, {kWidth - kRight + 42, y}, color);
    }
  }

 private:
  cv::Point at(const Point& p) const {
    const double x = p.x / most_x_, y = (p.y - least_y_) / (most_y_ - least_y_);
    return {kLeft + static_cast<int>(std::lround(x * (kWidth - kLeft - kRight))),
            kHeight - kBottom - static_cast<int>(std::lround(y * (kHeight - kTop - kBottom)))};
  }
  void text(const std::string& words, cv::Point where, const cv::Scalar& color = kInk,
            double size = 0.45) {
    cv::putText(image_, words, where, cv::FONT_HERSHEY_SIMPLEX, size, color, 1, cv::LINE_AA);
  }
  void line(cv::Point from, cv::Point to, const cv::Scalar& color, int width = 1) {
    cv::line(image_, from, to, color, width, cv::LINE_AA);
  }

  cv::Mat image_;  // a window onto the whole
  double most_x_ = 0, least_y_ = 1e300, most_y_ = -1e300;
};

struct RunCurves {
  std::string seen = "pictures";  ///< Or "texts": thousands of them are the x of both.
  Curves loss, recall;            ///< Recall at 10, by held-out set.
};

RunCurves read_curves(std::istream& log) {
  RunCurves curves;
  for (std::string line; std::getline(log, line);) {
    const Json entry = Json::parse(line, nullptr, false);
    if (!entry.is_object()) continue;
    const bool is_texts = entry.contains("texts_seen");
    if (is_texts) curves.seen = "texts";
    const auto seen = entry.find(is_texts ? "texts_seen" : "pictures_seen");
    if (seen == entry.end()) continue;
    const double x = seen->get<double>() / 1000;
    if (entry.contains("loss") && entry["loss"].is_number()) {
      curves.loss["loss"].push_back({x, entry["loss"].get<double>()});
    }
    if (!entry.contains("recall")) continue;
    for (const auto& [source, recall] : entry["recall"].items()) {
      curves.recall[source].push_back({x, recall.value("recall_at_10", 0.0)});
    }
  }
  return curves;
}

}  // namespace

Result<void> draw_training_curves(const std::filesystem::path& log,
                                  const std::filesystem::path& png) {
  std::ifstream in(log, std::ios::binary);
  if (!in) return not_found(log.string() + " is missing: there is nothing to draw");
  const auto [seen, loss, recall] = read_curves(in);
  const std::string over = " over thousands of " + seen + " seen";
  std::vector<unsigned char> bytes;
  try {
    cv::Mat image(2 * kHeight, kWidth, CV_8UC3, kPaper);
    if (!loss.empty()) {
      Panel(image(cv::Rect(0, 0, kWidth, kHeight)), loss).draw("loss" + over, loss);
    }
    if (!recall.empty()) {
      Panel(image(cv::Rect(0, kHeight, kWidth, kHeight)), recall)
          .draw("held-out recall at 10" + over, recall);
    }
    if (!cv::imencode(".png", image, bytes)) return internal_error("curves cannot be encoded");
  } catch (const cv::Exception& e) {
    return internal_error(std::string("drawing curves: ") + e.what());
  }
  std::ofstream out(png, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  out.close();
  if (!out) return io_error(png.string() + ": the curves cannot be written");
  return {};
}

}  // namespace sightline::train
