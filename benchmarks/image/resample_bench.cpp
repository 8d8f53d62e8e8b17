// Measures resizing a picture to the 224 x 224 window that a tower eats, on one thread.
// Unit: megapixels of the source per second ("MP"). Data: noise, 640 x 427 to 4000 x 3000.
// Ours is Pillow's antialiased filter on the window of the crop; OpenCV's INTER_AREA averages
// boxes and INTER_CUBIC reads 16 pixels an output pixel whatever the scale: other, cheaper
// functions, shown for the scale of things.
#include <benchmark/benchmark.h>

#include <vector>

#include "image/internal/resample_with.h"
#include "image/kernels/kernels.h"
#include "image/preprocess.h"
#ifdef SIGHTLINE_BENCH_OPENCV
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#endif

namespace sightline::image {
namespace {

constexpr std::size_t kEdge = 224;

struct Shape {
  std::size_t width, height;
};
constexpr Shape kShapes[] = {{640, 427}, {1600, 1200}, {4000, 3000}, {224, 224}, {100, 80}};

Image noise(const Shape& shape) {
  Image picture{shape.width, shape.height,
                std::vector<std::uint8_t>(shape.width * shape.height * 3)};
  std::uint32_t x = 1;
  for (std::uint8_t& value : picture.rgb) {
    x = x * 1664525u + 1013904223u;
    value = static_cast<std::uint8_t>(x >> 24);
  }
  return picture;
}

void count_pixels(benchmark::State& state, const Shape& shape) {
  state.counters["MP"] =
      benchmark::Counter(static_cast<double>(state.iterations()) *
                             static_cast<double>(shape.width * shape.height) / 1e6,
                         benchmark::Counter::kIsRate);
}

void whole(benchmark::State& state, const KernelTable* table, Shape shape, Filter filter) {
  const Image source = noise(shape);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        resample_with(*table, source.view(), kEdge, kEdge, filter, Window{0, 0, kEdge, kEdge}));
  }
  count_pixels(state, shape);
}

void clip_preprocess(benchmark::State& state, Shape shape) {
  const Image source = noise(shape);
  const auto spec = parse_preprocess_spec(Json::object());
  std::vector<float> out(3 * kEdge * kEdge);
  for (auto _ : state) {
    benchmark::DoNotOptimize(preprocess(source.view(), *spec, out));
    benchmark::ClobberMemory();
  }
  count_pixels(state, shape);
}

#ifdef SIGHTLINE_BENCH_OPENCV
void opencv(benchmark::State& state, Shape shape, int interpolation) {
  cv::setNumThreads(1);
  Image source = noise(shape);
  const cv::Mat from(static_cast<int>(shape.height), static_cast<int>(shape.width), CV_8UC3,
                     source.rgb.data());
  cv::Mat to;
  for (auto _ : state) {
    cv::resize(from, to, cv::Size(kEdge, kEdge), 0, 0, interpolation);
    benchmark::DoNotOptimize(to.data);
  }
  count_pixels(state, shape);
}
#endif

void register_all() {
  for (const Shape& shape : kShapes) {
    const std::string size =
        std::to_string(shape.width).append("x").append(std::to_string(shape.height));
    for (const KernelTable* table : supported_kernels()) {
      const std::string name = std::string(table->name) + "/" + size;
      benchmark::RegisterBenchmark(("bicubic/" + name).c_str(), whole, table, shape,
                                   Filter::kBicubic);
      benchmark::RegisterBenchmark(("bilinear/" + name).c_str(), whole, table, shape,
                                   Filter::kBilinear);
    }
    benchmark::RegisterBenchmark(("clip_preprocess/" + size).c_str(), clip_preprocess, shape);
#ifdef SIGHTLINE_BENCH_OPENCV
    benchmark::RegisterBenchmark(("opencv_area/" + size).c_str(), opencv, shape, cv::INTER_AREA);
    benchmark::RegisterBenchmark(("opencv_cubic/" + size).c_str(), opencv, shape, cv::INTER_CUBIC);
#endif
  }
}

}  // namespace
}  // namespace sightline::image

int main(int argc, char** argv) {
  sightline::image::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
