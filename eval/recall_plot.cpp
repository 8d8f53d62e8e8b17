#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "eval/index_report.h"

namespace sightline::eval {
namespace {

constexpr int kWidth = 960, kHeight = 600;
constexpr std::size_t kMaxName = 28;  // of a filter, in letters
constexpr int kLeft = 80, kRight = 40, kTop = 60, kBottom = 70;
const cv::Scalar kInk(60, 60, 60), kGrid(225, 225, 225), kPaper(255, 255, 255);

/// Okabe and Ito's colours, which everybody can tell apart (blue, green, red).
const std::array<cv::Scalar, 7> kColors = {cv::Scalar(178, 114, 0), cv::Scalar(0, 94, 213),
                                           cv::Scalar(115, 158, 0), cv::Scalar(167, 121, 204),
                                           cv::Scalar(0, 159, 230), cv::Scalar(233, 180, 86),
                                           cv::Scalar(0, 0, 0)};

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

/// Latency on a logarithmic axis, recall on a linear one.
class Plot {
 public:
  explicit Plot(const IndexReport& report);
  void draw_axes(const IndexReport& report);
  void draw_curve(const RecallCurve& curve, std::size_t index, std::size_t num_curves);
  const cv::Mat& image() const { return image_; }

 private:
  cv::Point at(double milliseconds, double recall) const;
  cv::Point at(const Measurement& measured) const { return at(measured.p50_ms, measured.recall); }
  void text(const std::string& words, cv::Point where, const cv::Scalar& color = kInk,
            double size = 0.45);
  void line(cv::Point from, cv::Point to, const cv::Scalar& color, int width = 1) {
    cv::line(image_, from, to, color, width, cv::LINE_AA);
  }

  cv::Mat image_;
  double min_log_ = 0, max_log_ = 1;  // of milliseconds, base 10
  double min_recall_ = 0;
};

Plot::Plot(const IndexReport& report) : image_(kHeight, kWidth, CV_8UC3, kPaper) {
  double shortest = 1e30, longest = 1e-30, lowest = report.target_recall;
  const auto see = [&](const Measurement& measured) {
    shortest = std::min(shortest, std::max(measured.p50_ms, 1e-6));
    longest = std::max(longest, measured.p50_ms);
    lowest = std::min(lowest, measured.recall);
  };
  for (const RecallCurve& curve : report.curves) {
    see(curve.calibrated);
    std::for_each(curve.sweep.begin(), curve.sweep.end(), see);
  }
  min_log_ = std::floor(std::log10(shortest) * 4) / 4;
  max_log_ = std::max(std::ceil(std::log10(longest) * 4) / 4, min_log_ + 0.25);
  min_recall_ = std::clamp(std::floor(lowest * 10 - 0.001) / 10, 0.0, 0.9);
}

cv::Point Plot::at(double milliseconds, double recall) const {
  const double x = (std::log10(std::max(milliseconds, 1e-6)) - min_log_) / (max_log_ - min_log_);
  const double y = (recall - min_recall_) / (1 - min_recall_);
  return {kLeft + static_cast<int>(std::lround(x * (kWidth - kLeft - kRight))),
          kHeight - kBottom - static_cast<int>(std::lround(y * (kHeight - kTop - kBottom)))};
}

void Plot::text(const std::string& words, cv::Point where, const cv::Scalar& color, double size) {
  cv::putText(image_, words, where, cv::FONT_HERSHEY_SIMPLEX, size, color, 1, cv::LINE_AA);
}

void Plot::draw_axes(const IndexReport& report) {
  const double left = std::pow(10, min_log_), right = std::pow(10, max_log_);
  const double range = 1 - min_recall_, step = range < 0.15 ? 0.02 : range < 0.25 ? 0.05 : 0.1;
  for (double recall = min_recall_; recall < 1 + step / 2; recall += step) {
    line(at(left, recall), at(right, recall), kGrid);
    text(number(recall), at(left, recall) + cv::Point(-52, 5));
  }
  for (double decade = std::pow(10, std::floor(min_log_)); decade <= right; decade *= 10) {
    for (const double milliseconds : {decade, 2 * decade, 5 * decade}) {
      if (milliseconds < left * 0.999 || milliseconds > right * 1.001) continue;
      line(at(milliseconds, min_recall_), at(milliseconds, 1), kGrid);
      text(number(milliseconds), at(milliseconds, min_recall_) + cv::Point(-10, 22));
    }
  }
  const cv::Point from = at(left, report.target_recall), to = at(right, report.target_recall);
  for (int x = from.x; x < to.x; x += 12) line({x, from.y}, {std::min(x + 6, to.x), to.y}, kInk);
  const std::string k = std::to_string(report.k);
  text("recall@" + k + " over p50 latency in ms; " + std::to_string(report.num_points) +
           " points, " + std::to_string(report.num_queries) + " queries, target " +
           number(report.target_recall),
       {kLeft, kTop - 30}, kInk, 0.55);
  std::string types = "steered by " + std::string(setting_name(report.setting)) + "; shards:";
  for (const std::string& type : report.shard_types) types += " " + type;
  text(types, {kLeft, kHeight - 20});
}

void Plot::draw_curve(const RecallCurve& curve, std::size_t index, std::size_t num_curves) {
  const cv::Scalar& color = kColors[index % kColors.size()];
  for (std::size_t i = 0; i < curve.sweep.size(); ++i) {
    const Measurement& measured = curve.sweep[i];
    if (i > 0) line(at(curve.sweep[i - 1]), at(measured), color, 2);
    cv::circle(image_, at(measured), 4, color, cv::FILLED, cv::LINE_AA);
    text(std::to_string(measured.setting), at(measured) + cv::Point(6, 14), color, 0.4);
  }
  cv::circle(image_, at(curve.calibrated), 8, color, 2, cv::LINE_AA);
  const int y = kHeight - kBottom - 20 * static_cast<int>(num_curves - index);
  std::string name = curve.filter.empty() ? "no filter" : curve.filter;
  if (name.size() > kMaxName) name.replace(kMaxName - 3, std::string::npos, "...");
  line({kWidth - kRight - 420, y - 5}, {kWidth - kRight - 395, y - 5}, color, 2);
  text(name + " (" + number(100 * curve.selectivity) + " % of points)", {kWidth - kRight - 388, y},
       color);
}

}  // namespace

Result<void> draw_recall(const IndexReport& report, const std::filesystem::path& path) {
  std::vector<unsigned char> png;
  try {
    Plot plot(report);
    plot.draw_axes(report);
    for (std::size_t i = 0; i < report.curves.size(); ++i)
      plot.draw_curve(report.curves[i], i, report.curves.size());
    if (!cv::imencode(".png", plot.image(), png))
      return internal_error("the recall curve could not be encoded as PNG");
  } catch (const cv::Exception& e) {
    return internal_error(std::string("drawing the recall curve: ") + e.what());
  }
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(png.data()), static_cast<std::streamsize>(png.size()));
  file.close();
  if (!file) return io_error(path.string() + ": the recall curve could not be written");
  return {};
}

}  // namespace sightline::eval
