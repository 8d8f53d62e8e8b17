#include "image/preprocess.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace sightline::image {
namespace {

using testing::AllOf;
using testing::HasSubstr;

PreprocessSpec spec_of(std::string_view config) {
  const auto spec = parse_preprocess_spec(Json::parse(config));
  EXPECT_TRUE(spec) << spec.error().message;
  return spec ? *spec : PreprocessSpec{};
}

Image filled(std::size_t width, std::size_t height, std::uint8_t red, std::uint8_t green,
             std::uint8_t blue) {
  Image picture{width, height, {}};
  for (std::size_t i = 0; i < width * height; ++i) {
    picture.rgb.insert(picture.rgb.end(), {red, green, blue});
  }
  return picture;
}

struct FormCase {
  std::string name;
  std::string config;
  std::string normal_form;  // to_json(), where it differs from the defaults of the class
};
class PreprocessForms : public testing::TestWithParam<FormCase> {};

Json defaults(std::string_view processor) {
  Json json = Json::parse(R"({"do_resize": true, "do_center_crop": false, "do_rescale": true,
      "do_normalize": true, "resample": "bicubic", "rescale_factor": 0.00392156862745098})");
  const Json clip_mean = {0.48145466, 0.4578275, 0.40821073};
  const Json clip_std = {0.26862954, 0.26130258, 0.27577711};
  json["image_mean"] = processor == "siglip" ? Json{0.5, 0.5, 0.5} : clip_mean;
  json["image_std"] = processor == "siglip" ? Json{0.5, 0.5, 0.5} : clip_std;
  if (processor == "clip") {
    json["do_center_crop"] = true;
    json["size"] = {{"shortest_edge", 224}};
    json["crop_size"] = {{"height", 224}, {"width", 224}};
  } else {
    const int edge = processor == "siglip" ? 224 : 384;
    json["size"] = {{"height", edge}, {"width", edge}};
  }
  return json;
}

TEST_P(PreprocessForms, AreReadAsTransformersDoes) {
  const FormCase& c = GetParam();
  const auto spec = parse_preprocess_spec(Json::parse(c.config));
  ASSERT_TRUE(spec) << spec.error().message;
  const Json changes = Json::parse(c.normal_form);
  Json expected = defaults(changes.at("like").get<std::string>());
  for (const auto& [key, value] : changes.items()) {
    if (value.is_null()) {
      expected.erase(key);
    } else if (key != "like") {
      expected[key] = value;
    }
  }
  EXPECT_EQ(spec->to_json(), expected);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, PreprocessForms,
    testing::ValuesIn(std::vector<FormCase>{
        {"NothingIsClip", "{}", R"({"like": "clip"})"},
        {"ClipDefaults", R"({"image_processor_type": "CLIPImageProcessor"})",
         R"({"like": "clip"})"},
        {"ClipHistoric",
         R"({"feature_extractor_type": "CLIPFeatureExtractor", "size": 40, "crop_size": 48,
             "do_resize": true, "do_center_crop": true, "resample": 3})",
         R"({"like": "clip", "size": {"shortest_edge": 40},
             "crop_size": {"height": 48, "width": 48}})"},
        {"ClipDicts",
         R"({"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 336},
             "crop_size": {"height": 336, "width": 320}})",
         R"({"like": "clip", "size": {"shortest_edge": 336},
             "crop_size": {"height": 336, "width": 320}})"},
        {"ClipExactSize",
         R"({"image_processor_type": "CLIPImageProcessor", "do_center_crop": false,
             "size": {"height": 96, "width": 64}})",
         R"({"like": "clip", "size": {"height": 96, "width": 64}, "do_center_crop": false,
             "crop_size": null})"},
        {"ClipCropAlone", R"({"image_processor_type": "CLIPImageProcessor", "do_resize": false})",
         R"({"like": "clip", "do_resize": false, "size": null, "resample": null})"},
        {"ClipFastWithNulls",
         R"({"image_processor_type": "CLIPImageProcessorFast", "crop_size": null, "resample": null,
             "do_pad": null, "size": {"height": null, "width": null, "shortest_edge": 64}})",
         R"({"like": "clip", "size": {"shortest_edge": 64}})"},
        {"NewTypeWinsOverOld",
         R"({"image_processor_type": "SiglipImageProcessor",
             "feature_extractor_type": "CLIPFeatureExtractor"})",
         R"({"like": "siglip"})"},
        {"SiglipInteger", R"({"image_processor_type": "SiglipImageProcessor", "size": 256})",
         R"({"like": "siglip", "size": {"height": 256, "width": 256}})"},
        {"SiglipBilinear",
         R"({"image_processor_type": "SiglipImageProcessor", "resample": 2, "do_center_crop": true,
             "size": {"height": 256, "width": 128}, "image_mean": 0.25})",
         R"({"like": "siglip", "size": {"height": 256, "width": 128}, "resample": "bilinear",
             "image_mean": [0.25, 0.25, 0.25]})"},
        {"SiglipPlain",
         R"({"image_processor_type": "SiglipImageProcessor", "do_rescale": false,
             "do_normalize": false, "resample": "BICUBIC"})",
         R"({"like": "siglip", "do_rescale": false, "do_normalize": false, "rescale_factor": null,
             "image_mean": null, "image_std": null})"},
        {"BlipDefaults", R"({"image_processor_type": "BlipImageProcessor"})",
         R"({"like": "blip"})"},
        {"BlipIntegerAndNoCrop",
         R"({"image_processor_type": "BlipImageProcessor", "size": 364, "crop_size": 100,
             "do_center_crop": true})",
         R"({"like": "blip", "size": {"height": 364, "width": 364}})"},
        {"ClassOfTheProcessor", R"({"processor_class": "Blip2Processor"})", R"({"like": "blip"})"},
        {"List", R"({"image_processor_type": "BlipImageProcessor", "size": [32, 48]})",
         R"({"like": "blip", "size": {"height": 32, "width": 48}})"},
    }),
    [](const auto& test) { return test.param.name; });

struct BadForm {
  std::string name;
  std::string config;
  std::vector<std::string> message;  // what it must name
};
class PreprocessRefuses : public testing::TestWithParam<BadForm> {};

TEST_P(PreprocessRefuses, NamesKeyAndValue) {
  const auto spec = parse_preprocess_spec(Json::parse(GetParam().config));
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.error().code, StatusCode::kInvalidArgument);
  for (const std::string& part : GetParam().message) {
    EXPECT_THAT(spec.error().message, HasSubstr(part));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Cases, PreprocessRefuses,
    testing::ValuesIn(std::vector<BadForm>{
        {"Nearest", R"({"resample": 0})", {"resample is 0", "nearest", "bicubic"}},
        {"Lanczos", R"({"resample": 1})", {"resample is 1", "lanczos"}},
        {"Box", R"({"resample": 4})", {"resample is 4", "box"}},
        {"Hamming", R"({"resample": 5})", {"resample is 5", "hamming"}},
        {"NoSuchFilter", R"({"resample": 6})", {"resample is 6"}},
        {"NegativeFilter", R"({"resample": -1})", {"resample is -1"}},
        {"NamedFilter", R"({"resample": "lanczos"})", {"resample is \"lanczos\""}},
        {"OtherClass", R"({"image_processor_type": "SamImageProcessor"})", {"SamImageProcessor"}},
        {"VariableShapes",
         R"({"image_processor_type": "Siglip2ImageProcessor"})",
         {"Siglip2ImageProcessor"}},
        {"Sound",
         R"({"feature_extractor_type": "ClapFeatureExtractor"})",
         {"ClapFeatureExtractor"}},
        {"ClassIsNumber", R"({"image_processor_type": 3})", {"image_processor_type is 3"}},
        {"ZeroSize", R"({"size": 0})", {"size is 0", "1..4096"}},
        {"NegativeSize", R"({"size": -5})", {"size is -5", "1..4096"}},
        {"HugeSize", R"({"size": {"shortest_edge": 4097}})", {"size.shortest_edge is 4097"}},
        {"HugeCrop",
         R"({"crop_size": {"height": 64, "width": 5000}})",
         {"crop_size.width is 5000", "1..4096"}},
        {"FractionalSize", R"({"size": 22.5})", {"size is 22.5"}},
        {"TextSize", R"({"size": "224"})", {"size is \"224\""}},
        {"HalfSize", R"({"size": {"height": 64}})", {"size is {\"height\":64}"}},
        {"LongestEdge", R"({"size": {"longest_edge": 64}})", {"longest_edge"}},
        {"VariableOutput", R"({"do_center_crop": false})", {"do_center_crop", "shortest_edge 224"}},
        {"NothingFixesTheSize",
         R"({"do_center_crop": false, "do_resize": false})",
         {"do_resize", "do_center_crop"}},
        {"SiglipKeepsAspect",
         R"({"image_processor_type": "SiglipImageProcessor", "size": {"shortest_edge": 64}})",
         {"shortest_edge 64"}},
        {"FlagIsNumber", R"({"do_resize": 1})", {"do_resize is 1"}},
        {"TwoMeans", R"({"image_mean": [0.5, 0.5]})", {"image_mean is [0.5,0.5]"}},
        {"ZeroStd", R"({"image_std": [0.5, 0, 0.5]})", {"image_std", "above 0"}},
        {"TextFactor", R"({"rescale_factor": "1/255"})", {"rescale_factor"}},
        {"NotAnObject", "[]", {"array", "object"}},
    }),
    [](const auto& test) { return test.param.name; });

TEST(PreprocessSpec, PublishedConfigsLoad) {
  const std::filesystem::path configs =
      std::filesystem::path(SIGHTLINE_TEST_DATA) / "preprocess/configs";
  for (const char* name : {"blip-itm-tiny", "blip2-itm-tiny", "clip-vit-tiny", "siglip-tiny"}) {
    const auto spec = load_preprocess_spec(configs / name);
    ASSERT_TRUE(spec) << spec.error().message;
    EXPECT_EQ(spec->output_height(), 32u) << name;
    EXPECT_EQ(spec->output_width(), 32u) << name;
    EXPECT_EQ(spec->filter, Filter::kBicubic) << name;
  }
  EXPECT_EQ(load_preprocess_spec(configs / "clip-vit-tiny-gelu")->output_height(), 40u);
  EXPECT_EQ(load_preprocess_spec(configs / "siglip2-tiny")->filter, Filter::kBilinear);

  const auto naflex = load_preprocess_spec(configs / "siglip2-naflex-tiny");
  ASSERT_FALSE(naflex);
  EXPECT_THAT(naflex.error().message,
              AllOf(HasSubstr("siglip2-naflex-tiny"), HasSubstr("Siglip2ImageProcessor")));
  const auto missing = load_preprocess_spec(configs / "none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, StatusCode::kNotFound);
}

TEST(Preprocess, SmallerThanTheCropIsCentredOnBlack) {
  const PreprocessSpec spec =
      spec_of(R"({"do_resize": false, "crop_size": {"height": 6, "width": 5},
      "do_rescale": false, "do_normalize": false})");
  const auto got = resize_and_crop(filled(2, 3, 9, 8, 7).view(), spec);
  ASSERT_TRUE(got) << got.error().message;
  // transformers pads ceil((new - old) / 2) in front: 2 of 3 columns, 2 of 3 rows.
  for (std::size_t y = 0; y < 6; ++y) {
    for (std::size_t x = 0; x < 5; ++x) {
      const bool inside = x >= 2 && x < 4 && y >= 2 && y < 5;
      EXPECT_EQ(got->rgb[(y * 5 + x) * 3], inside ? 9 : 0) << x << "," << y;
    }
  }
}

TEST(Preprocess, CropsTheMiddleRoundingDown) {
  Image ramp = filled(7, 4, 0, 0, 0);
  for (std::size_t i = 0; i < 28; ++i) ramp.rgb[3 * i] = static_cast<std::uint8_t>(i);
  const PreprocessSpec spec =
      spec_of(R"({"do_resize": false, "crop_size": {"height": 1, "width": 2}})");
  const auto got = resize_and_crop(ramp.view(), spec);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->rgb[0], 1 * 7 + 2);
  EXPECT_EQ(got->rgb[3], 1 * 7 + 3);
}

TEST(Preprocess, LongSideIsTruncated) {
  // 10 * 7 / 3 = 23.33: the crop of 23 columns fits exactly, one of 24 is padded.
  const Image source = filled(7, 3, 200, 200, 200);
  const auto fits = resize_and_crop(
      source.view(), spec_of(R"({"size": 10, "crop_size": {"height": 10, "width": 23}})"));
  const auto padded = resize_and_crop(
      source.view(), spec_of(R"({"size": 10, "crop_size": {"height": 10, "width": 24}})"));
  ASSERT_TRUE(fits && padded);
  EXPECT_EQ(fits->rgb[0], 200);
  EXPECT_EQ(padded->rgb[0], 0);
  EXPECT_EQ(padded->rgb[3], 200);
}

TEST(Preprocess, PlanesHoldRescaledAndNormalisedValues) {
  const PreprocessSpec spec = spec_of(R"({"size": 2, "crop_size": 2})");
  std::vector<float> values(12);
  ASSERT_TRUE(preprocess(filled(2, 2, 255, 128, 0).view(), spec, values));
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_FLOAT_EQ(values[i], (1.0f - 0.48145466f) / 0.26862954f);
    EXPECT_FLOAT_EQ(values[4 + i], (128.0f / 255.0f - 0.4578275f) / 0.26130258f);
    EXPECT_FLOAT_EQ(values[8 + i], -0.40821073f / 0.27577711f);
  }
}

TEST(Preprocess, StepsCanBeLeftOut) {
  const Image source = filled(2, 2, 255, 128, 0);
  std::vector<float> values(12);
  ASSERT_TRUE(preprocess(source.view(),
                         spec_of(R"({"size": 2, "crop_size": 2, "do_normalize": false})"), values));
  EXPECT_FLOAT_EQ(values[4], 128.0f / 255.0f);
  ASSERT_TRUE(preprocess(source.view(), spec_of(R"({"size": 2, "crop_size": 2, "do_rescale": false,
                                     "image_mean": 100, "image_std": 2})"),
                         values));
  EXPECT_FLOAT_EQ(values[4], 14.0f);
}

TEST(Preprocess, RefusesEmptyPicturesAndWrongOutputs) {
  const PreprocessSpec spec = spec_of(R"({"size": 2, "crop_size": 2})");
  std::vector<float> values(12);
  const auto empty = preprocess(ImageView{}, spec, values);
  ASSERT_FALSE(empty);
  EXPECT_THAT(empty.error().message, HasSubstr("must not be empty"));
  values.resize(11);
  const auto small = preprocess(filled(2, 2, 0, 0, 0).view(), spec, values);
  ASSERT_FALSE(small);
  EXPECT_THAT(small.error().message, AllOf(HasSubstr("11 floats"), HasSubstr("3 x 2 x 2")));
}

TEST(Preprocess, ThinPicturesCostNothing) {
  const PreprocessSpec spec = spec_of("{}");
  std::vector<float> values(3 * 224 * 224);
  for (const auto& [width, height] : {std::pair{1, 30'000}, {30'000, 1}, {1, 1}}) {
    const Image line =
        filled(static_cast<std::size_t>(width), static_cast<std::size_t>(height), 255, 255, 255);
    const auto start = std::chrono::steady_clock::now();
    ASSERT_TRUE(preprocess(line.view(), spec, values));
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(200));
    EXPECT_FLOAT_EQ(values.back(), (1.0f - 0.40821073f) / 0.27577711f);
  }
}

TEST(PixelBatch, RowsFollowEachOther) {
  PixelBatch batch(3, 2, 4);
  EXPECT_EQ(batch.row_size(), 24u);
  batch.row(2)[0] = 5;
  EXPECT_EQ(batch.values()[48], 5);
  EXPECT_EQ(batch.values().size(), 72u);
}

}  // namespace
}  // namespace sightline::image
