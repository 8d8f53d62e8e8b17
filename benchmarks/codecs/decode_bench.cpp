// Measures what ingest does to one picture besides encoding, each step alone, on one thread.
// Unit: megapixels of the picture per second ("MP"). Data: tests/data/preprocess/images (a
// progressive JPEG of 1600 x 1200, a baseline one, a lossy WebP, a PNG with alpha).
#include <benchmark/benchmark.h>

#include <filesystem>
#include <string>

#include "codecs/facts.h"

namespace sightline::codecs {
namespace {

struct Picture {
  std::vector<std::byte> bytes;
  ImageHeader header;
  image::Image pixels, small;
};

Picture load(const std::string& file) {
  const std::filesystem::path folder =
      std::filesystem::path(SIGHTLINE_TEST_DATA) / "preprocess/images";
  Picture picture;
  picture.bytes = *read_file(folder / file);
  picture.header = *parse_header(picture.bytes);
  picture.pixels = *decode(picture.bytes, {});
  picture.small = *shrink(picture.pixels.view(), 256);
  return picture;
}

template <typename Step>
void run(benchmark::State& state, const std::string& file, Step step) {
  const Picture picture = load(file);
  for (auto _ : state) step(picture);
  const double pixels = static_cast<double>(picture.pixels.width * picture.pixels.height);
  state.counters["MP"] = benchmark::Counter(static_cast<double>(state.iterations()) * pixels / 1e6,
                                            benchmark::Counter::kIsRate);
}

void register_all() {
  for (const std::string file : {"large_1600x1200.jpg", "landscape_640x427.jpg",
                                 "lossy_400x300.webp", "alpha_256x200.png"}) {
    const auto add = [&](const std::string& step, auto function) {
      benchmark::RegisterBenchmark((step + "/" + file).c_str(),
                                   [file, function](auto& state) { run(state, file, function); });
    };
    add("header", [](const Picture& p) { benchmark::DoNotOptimize(parse_header(p.bytes)); });
    add("decode", [](const Picture& p) { benchmark::DoNotOptimize(decode(p.bytes, {})); });
    add("sha256", [](const Picture& p) { benchmark::DoNotOptimize(sha256(p.bytes)); });
    add("metadata", [](const Picture& p) { benchmark::DoNotOptimize(read_metadata(p.bytes)); });
    add("perceptual_hash",
        [](const Picture& p) { benchmark::DoNotOptimize(perceptual_hash(p.pixels.view())); });
    add("shrink", [](const Picture& p) { benchmark::DoNotOptimize(shrink(p.pixels.view(), 256)); });
    add("small_thumbnail",
        [](const Picture& p) { benchmark::DoNotOptimize(make_thumbnail(p.small.view())); });
    add("small_hash",
        [](const Picture& p) { benchmark::DoNotOptimize(perceptual_hash(p.small.view())); });
    add("thumbnail",
        [](const Picture& p) { benchmark::DoNotOptimize(make_thumbnail(p.pixels.view(), 256)); });
  }
}

}  // namespace
}  // namespace sightline::codecs

int main(int argc, char** argv) {
  sightline::codecs::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
