// tests/data/preprocess: pictures -> pixels -> tensors, against Pillow and transformers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>

#include "codecs/decode.h"
#include "codecs/facts.h"
#include "core/checksum.h"
#include "image/preprocess.h"
#include "tests/codecs/test_pictures.h"

namespace sightline::codecs {
namespace {

std::filesystem::path folder() { return data_folder() / "preprocess"; }

const Json& expected() {
  static const Json json = [] {
    auto read = read_json_file(folder() / "expected.json");
    return read ? *read : Json();
  }();
  return json;
}

// The recorded processors in the words of preprocessor_config.json.
image::PreprocessSpec spec_of(const std::string& name) {
  const Json& processor = expected()["processors"][name];
  Json config = {{"size", processor["size"]},
                 {"resample", processor["resample"]},
                 {"image_mean", processor["mean"]},
                 {"image_std", processor["std"]},
                 {"image_processor_type", name.starts_with("clip")     ? "CLIPImageProcessor"
                                          : name.starts_with("siglip") ? "SiglipImageProcessor"
                                                                       : "BlipImageProcessor"}};
  if (processor.contains("crop_size")) config["crop_size"] = processor["crop_size"];
  const auto spec = image::parse_preprocess_spec(config);
  EXPECT_TRUE(spec) << spec.error().message;
  return spec ? *spec : image::PreprocessSpec();
}

image::Image load_dropping_alpha(const std::filesystem::path& path) {
  DecodeOptions options;
  options.alpha = AlphaRule::kDrop;
  auto picture = decode(load_file(path), options);
  EXPECT_TRUE(picture) << path << ": " << picture.error().message;
  return picture ? *std::move(picture) : image::Image{};
}

std::string hash_of(const image::Image& picture) {
  return to_hex(sha256(std::as_bytes(std::span(picture.rgb))));
}

const Json& source_of(const std::string& file) {
  for (const Json& source : expected()["sources"]) {
    if (source["image"] == file) return source;
  }
  static const Json none;
  return none;
}

// The pixels that the reference started from: a lossless decode where there is one.
image::Image reference_pixels(const std::string& file) {
  const Json& source = source_of(file);
  return load_dropping_alpha(folder() / (source.contains("decoded")
                                             ? source["decoded"].get<std::string>()
                                             : "images/" + file));
}

int worst(const image::Image& a, const image::Image& b) {
  if (a.rgb.size() != b.rgb.size()) return 256;
  int most = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i)
    most = std::max(most, std::abs(a.rgb[i] - b.rgb[i]));
  return most;
}

// Pillow clips 16-bit gray at 255, which leaves these two nearly white; here `value >> 8` is kept,
// as in the case whose pixels are named gray16shift8.
bool holds_clipping(const Json& c) {
  return c["image"] == "gray16_180x240.png" &&
         c["pixels"].get<std::string>().find("gray16shift8") == std::string::npos;
}

TEST(PreprocessParity, DecodersGiveTheRecordedPixels) {
  ASSERT_EQ(expected()["sources"].size(), 19u);
  for (const Json& source : expected()["sources"]) {
    const std::string file = source["image"];
    const image::Image got = load_dropping_alpha(folder() / "images" / file);
    EXPECT_EQ(Json({got.width, got.height}), source["size_loaded"]) << file;
    if (file == "gray16_180x240.png") continue;
    // JPEG and WebP decoders may round otherwise: 3 levels, CMYK 1.
    if (source.contains("decoded")) {
      const int tolerance = file.starts_with("cmyk")               ? 1
                            : file.ends_with("alpha_180x160.webp") ? 0
                                                                   : 3;
      EXPECT_LE(worst(got, reference_pixels(file)), tolerance) << file;
      EXPECT_EQ(hash_of(reference_pixels(file)), source["sha256_rgb"].get<std::string>()) << file;
    } else if (file.ends_with(".png")) {
      EXPECT_EQ(hash_of(got), source["sha256_rgb"].get<std::string>()) << file;
    }
  }
}

TEST(PreprocessParity, PixelsAreExact) {
  ASSERT_EQ(expected()["cases"].size(), 55u);
  std::size_t clipped = 0;
  for (const Json& c : expected()["cases"]) {
    const std::string file = c["image"], processor = c["processor"];
    const auto got = image::resize_and_crop(reference_pixels(file).view(), spec_of(processor));
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_EQ(Json({3, got->height, got->width}), c["shape"]);
    if (holds_clipping(c)) {
      ++clipped;
      EXPECT_NE(hash_of(*got), c["sha256_rgb"].get<std::string>());
    } else {
      EXPECT_EQ(hash_of(*got), c["sha256_rgb"].get<std::string>()) << file << ", " << processor;
    }
  }
  EXPECT_EQ(clipped, 2u);
}

TEST(PreprocessParity, LossyFilesGiveNearlyThePixelsOfTheReference) {
  for (const Json& c : expected()["cases"]) {
    const std::string file = c["image"];
    if (!source_of(file).contains("decoded")) continue;
    const image::PreprocessSpec spec = spec_of(c["processor"]);
    const auto lossless = image::resize_and_crop(reference_pixels(file).view(), spec);
    const auto lossy =
        image::resize_and_crop(load_dropping_alpha(folder() / "images" / file).view(), spec);
    ASSERT_TRUE(lossless && lossy);
    EXPECT_LE(worst(*lossless, *lossy), 3) << c["pixels"];
  }
}

TEST(PreprocessParity, ValuesMatchAtTheProbes) {
  for (const Json& c : expected()["cases"]) {
    if (holds_clipping(c)) continue;
    const image::PreprocessSpec spec = spec_of(c["processor"]);
    const std::size_t plane = spec.output_height() * spec.output_width();
    std::vector<float> values(3 * plane);
    ASSERT_TRUE(image::preprocess(reference_pixels(c["image"]).view(), spec, values));
    double sum = 0, squares = 0;
    for (const float value : values) sum += value;
    const double mean = sum / static_cast<double>(values.size());
    for (const float value : values) squares += (value - mean) * (value - mean);
    EXPECT_NEAR(mean, c["pixel_values"]["mean"].get<double>(), 2e-6) << c["pixels"];
    EXPECT_NEAR(std::sqrt(squares / static_cast<double>(values.size())),
                c["pixel_values"]["std"].get<double>(), 1e-5)
        << c["pixels"];
    for (const Json& probe : c["pixel_values"]["probes"]) {
      const std::size_t channel = probe[0], y = probe[1], x = probe[2];
      EXPECT_NEAR(values[channel * plane + y * spec.output_width() + x], probe[3].get<double>(),
                  1e-6)
          << c["pixels"] << " " << probe;
    }
  }
}

TEST(PreprocessParity, WholeTensorsAreEqual) {
  // safetensors: u64 length, JSON, then the values.
  const std::vector<std::byte> file = load_file(folder() / "pixel_values.safetensors");
  ASSERT_GT(file.size(), 8u);
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  ASSERT_LT(length, file.size());
  const auto* text = static_cast<const char*>(static_cast<const void*>(file.data() + 8));
  const Json header = Json::parse(std::string(text, length));
  std::size_t compared = 0;
  for (const auto& [name, tensor] : header.items()) {
    if (name == "__metadata__") continue;
    const std::size_t slash = name.find('/');
    const image::PreprocessSpec spec = spec_of(name.substr(slash + 1));
    std::vector<float> got(3 * spec.output_height() * spec.output_width()), want(got.size());
    ASSERT_TRUE(image::preprocess(reference_pixels(name.substr(0, slash)).view(), spec, got));
    std::memcpy(want.data(),
                file.data() + 8 + length + tensor["data_offsets"][0].get<std::size_t>(),
                want.size() * sizeof(float));
    EXPECT_THAT(got, testing::Pointwise(testing::FloatNear(1e-6f), want)) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 2u);
}

}  // namespace
}  // namespace sightline::codecs
