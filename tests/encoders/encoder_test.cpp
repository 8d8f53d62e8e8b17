// From a model folder to embeddings: parity with the reference, errors, checksums, precisions.
#include "encoders/encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <stop_token>
#include <thread>

#include "encoders/safetensors.h"
#include "tests/support/fake_clock.h"
#include "tests/support/temp_dir.h"

namespace sightline::encoders {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing_support::FakeClock;
using testing_support::TempDir;

const fs::path kData = SIGHTLINE_TEST_DATA;
const char* const kFixtures[] = {"clip-vit-tiny", "clip-vit-tiny-gelu"};

EncoderOptions options_for(const fs::path& folder, Precision precision = Precision::kFloat32) {
  EncoderOptions options;
  options.model = folder.string();
  options.device = Device::kCpu;
  options.precision = precision;
  return options;
}

std::unique_ptr<Encoder> load(const fs::path& folder, Precision precision = Precision::kFloat32) {
  auto encoder = load_encoder(options_for(folder, precision));
  if (!encoder) throw std::runtime_error(encoder.error().message);
  return *std::move(encoder);
}

struct Recorded {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

Recorded recorded(const std::string& fixture, const std::string& name) {
  const Checkpoint golden = Checkpoint::open(kData / fixture / "golden.safetensors").value();
  const TensorView* view = golden.find(name);
  SIGHTLINE_CHECK(view != nullptr && view->dtype == DType::kF32);
  Recorded result{view->shape, std::vector<float>(view->bytes.size() / sizeof(float))};
  std::memcpy(result.values.data(), view->bytes.data(), view->bytes.size());
  return result;
}

image::PixelBatch recorded_pixels(const std::string& fixture, const std::string& name) {
  const Recorded pixels = recorded(fixture, name);
  image::PixelBatch batch(static_cast<std::size_t>(pixels.shape[0]),
                          static_cast<std::size_t>(pixels.shape[2]),
                          static_cast<std::size_t>(pixels.shape[3]));
  for (std::size_t i = 0; i < batch.size(); ++i)
    std::copy_n(pixels.values.data() + i * batch.row_size(), batch.row_size(), batch.row(i).data());
  return batch;
}

Json notes(const std::string& fixture) {
  return read_json_file(kData / fixture / "golden.json").value();
}

std::vector<std::string> recorded_texts(const std::string& fixture) {
  return notes(fixture)["texts"].get<std::vector<std::string>>();
}

void expect_rows(const EmbeddingBatch& got, const Recorded& wanted, const Json& tolerance) {
  ASSERT_EQ(got.values().size(), wanted.values.size());
  const double atol = tolerance["atol"], rtol = tolerance["rtol"];
  for (std::size_t i = 0; i < wanted.values.size(); ++i)
    ASSERT_NEAR(got.values()[i], wanted.values[i], atol + rtol * std::abs(wanted.values[i])) << i;
}

double cosine(std::span<const float> a, std::span<const float> b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += double{a[i]} * b[i];
    aa += double{a[i]} * a[i];
    bb += double{b[i]} * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

// Tests keep the checksum cache in a folder of their own.
class EncoderTest : public ::testing::Test {
 protected:
  EncoderTest() { ::setenv("XDG_CACHE_HOME", cache_.path().c_str(), 1); }
  ~EncoderTest() override { ::unsetenv("XDG_CACHE_HOME"); }

  // A copy of a fixture's model files that a test may change.
  void copy_model(const std::string& fixture, const fs::path& to) {
    for (const char* name : {"config.json", "model.safetensors", "preprocessor_config.json",
                             "tokenizer.json", "tokenizer_config.json"}) {
      fs::copy_file(kData / fixture / name, to / name);
      fs::permissions(to / name, fs::perms::owner_all);
    }
  }
  void change_json(const fs::path& path, const std::function<void(Json&)>& change) {
    Json json = read_json_file(path).value();
    change(json);
    std::ofstream(path, std::ios::binary) << json.dump();
  }

  TempDir cache_;
};

TEST_F(EncoderTest, MatchesTheReference) {
  for (const std::string fixture : kFixtures) {
    SCOPED_TRACE(fixture);
    const auto encoder = load(kData / fixture);
    const Json tolerance = notes(fixture)["tolerance"];
    const auto pixels = recorded_pixels(fixture, "pixel_values");
    const auto texts = recorded_texts(fixture);
    const auto never = Deadline::never();
    expect_rows(encoder->encode_pixels(pixels, never).value(), recorded(fixture, "image_embeds"),
                tolerance);
    expect_rows(encoder->encode_pixels(pixels, never, Normalize::kNo).value(),
                recorded(fixture, "image_features"), tolerance);
    expect_rows(encoder->encode_texts(texts, never).value(), recorded(fixture, "text_embeds"),
                tolerance);
    expect_rows(encoder->encode_texts(texts, never, Normalize::kNo).value(),
                recorded(fixture, "text_features"), tolerance);
  }
}

TEST_F(EncoderTest, OtherPictureSizesInterpolatePositions) {
  const auto encoder = load(kData / "clip-vit-tiny");
  expect_rows(encoder
                  ->encode_pixels(recorded_pixels("clip-vit-tiny", "interp_pixel_values"),
                                  Deadline::never(), Normalize::kNo)
                  .value(),
              recorded("clip-vit-tiny", "interp_image_features"),
              notes("clip-vit-tiny")["tolerance"]);
}

TEST_F(EncoderTest, DescribesTheModel) {
  const auto encoder = load(kData / "clip-vit-tiny");
  const EncoderInfo& info = encoder->info();
  EXPECT_EQ(info.name, "clip-vit-tiny");
  EXPECT_EQ(info.architecture, "CLIPModel");
  EXPECT_EQ(info.dim, 32u);
  EXPECT_EQ(info.image_size, 32u);
  EXPECT_EQ(info.max_tokens, 77u);
  EXPECT_EQ(info.checksum.size(), 32u);
  EXPECT_NEAR(info.logit_scale, std::exp(2.65926), 1e-3);
  EXPECT_EQ(info.preprocess.output_height(), 32u);
  std::uint64_t parameters = 0;
  const Checkpoint weights = Checkpoint::open(kData / "clip-vit-tiny").value();
  for (const auto& [name, view] : weights.tensors())
    parameters += static_cast<std::uint64_t>(view.num_elements());
  EXPECT_EQ(info.num_parameters, parameters);
}

// A picture's embedding must not depend on its neighbours, nor on where a batch is cut.
TEST_F(EncoderTest, BatchesGiveWhatSingleInputsGive) {
  const auto encoder = load(kData / "clip-vit-tiny");
  const auto pixels = recorded_pixels("clip-vit-tiny", "pixel_values");
  image::PixelBatch many(256, pixels.height(), pixels.width());
  for (std::size_t i = 0; i < many.size(); ++i)
    std::copy_n(pixels.row(i % 3).data(), pixels.row_size(), many.row(i).data());
  const auto few = encoder->encode_pixels(pixels, Deadline::never()).value();
  const auto all = encoder->encode_pixels(many, Deadline::never()).value();
  for (std::size_t i = 0; i < many.size(); ++i)
    EXPECT_GT(cosine(all.row(i), few.row(i % 3)), 1.0 - 1e-6) << i;

  std::vector<std::string> texts;
  for (int i = 0; i < 256; ++i) {
    std::string text = "dog";
    for (int word = 0; word < i * 7 % 90; ++word) text += word % 2 == 0 ? " two" : " small";
    texts.push_back(text);
  }
  const auto batch = encoder->encode_texts(texts, Deadline::never()).value();
  for (const std::size_t i : {0u, 1u, 50u, 100u, 255u}) {
    const auto one = encoder->encode_texts({&texts[i], 1}, Deadline::never()).value();
    EXPECT_GT(cosine(batch.row(i), one.row(0)), 1.0 - 1e-6) << i;
  }
}

TEST_F(EncoderTest, RowsHaveUnitLength) {
  const auto encoder = load(kData / "clip-vit-tiny");
  const std::vector<std::string> texts{"", "a", std::string(10'000, 'x'), "\xFF\xFE", "\n"};
  const auto rows = encoder->encode_texts(texts, Deadline::never()).value();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    double squares = 0;
    for (const float value : rows.row(i)) squares += double{value} * value;
    EXPECT_NEAR(squares, 1.0, 1e-6);
  }
}

TEST_F(EncoderTest, HalfPrecisionStaysCloseToTheReference) {
  for (const std::string fixture : kFixtures) {
    const auto encoder = load(kData / fixture, Precision::kBFloat16);
    EXPECT_EQ(encoder->info().precision, Precision::kBFloat16);
    EXPECT_EQ(encoder->info().checksum, load(kData / fixture)->info().checksum);
    const auto image =
        encoder->encode_pixels(recorded_pixels(fixture, "pixel_values"), Deadline::never()).value();
    const auto wanted = recorded(fixture, "image_embeds");
    for (std::size_t i = 0; i < image.size(); ++i)
      EXPECT_GE(cosine(image.row(i), {wanted.values.data() + i * image.dim(), image.dim()}), 0.995);
  }
}

TEST_F(EncoderTest, RefusesBadBatches) {
  const auto encoder = load(kData / "clip-vit-tiny");
  const auto pixel_error = [&](std::size_t n, std::size_t height, std::size_t width) {
    return encoder->encode_pixels(image::PixelBatch(n, height, width), Deadline::never()).error();
  };
  EXPECT_EQ(pixel_error(0, 32, 32).code, StatusCode::kInvalidArgument);
  EXPECT_THAT(pixel_error(257, 32, 32).message, HasSubstr("257"));
  EXPECT_THAT(pixel_error(1, 36, 32).message, HasSubstr("32 x 36"));
  EXPECT_EQ(pixel_error(1, 0, 32).code, StatusCode::kInvalidArgument);
  EXPECT_EQ(pixel_error(1, 4, 4).code, StatusCode::kInvalidArgument);
  EXPECT_EQ(encoder->encode_texts({}, Deadline::never()).error().code,
            StatusCode::kInvalidArgument);
  const std::vector<std::string> many(257, "a");
  EXPECT_THAT(encoder->encode_texts(many, Deadline::never()).error().message, HasSubstr("257"));
}

TEST_F(EncoderTest, NumbersThatAreNotFiniteAreAnError) {
  const auto encoder = load(kData / "clip-vit-tiny");
  auto pixels = recorded_pixels("clip-vit-tiny", "pixel_values");
  pixels.row(1)[5] = std::nanf("");
  const auto rows = encoder->encode_pixels(pixels, Deadline::never());
  ASSERT_FALSE(rows);
  EXPECT_THAT(rows.error().message, HasSubstr("picture 1"));
}

TEST_F(EncoderTest, KeepsDeadlines) {
  const auto encoder = load(kData / "clip-vit-tiny");
  const auto pixels = recorded_pixels("clip-vit-tiny", "pixel_values");
  const std::vector<std::string> texts{"a"};
  FakeClock clock;
  const Deadline deadline = Deadline::after(std::chrono::milliseconds(10), clock);
  EXPECT_TRUE(encoder->encode_pixels(pixels, deadline));
  clock.advance(std::chrono::milliseconds(11));
  EXPECT_EQ(encoder->encode_pixels(pixels, deadline).error().code, StatusCode::kDeadlineExceeded);
  EXPECT_EQ(encoder->encode_texts(texts, deadline).error().code, StatusCode::kDeadlineExceeded);
  std::stop_source stop;
  stop.request_stop();
  const Deadline stopped = Deadline::never().with_stop(stop.get_token());
  EXPECT_EQ(encoder->encode_texts(texts, stopped).error().code, StatusCode::kCancelled);
}

TEST_F(EncoderTest, ThreadsShareOneEncoder) {
  const auto encoder = load(kData / "clip-vit-tiny");
  const auto texts = recorded_texts("clip-vit-tiny");
  const auto wanted = encoder->encode_texts(texts, Deadline::never()).value();
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) {
        const auto rows = encoder->encode_texts(texts, Deadline::never());
        for (std::size_t r = 0; r < wanted.size(); ++r)
          if (!rows || cosine(rows->row(r), wanted.row(r)) < 1.0 - 1e-6) ++wrong;
      }
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST_F(EncoderTest, LoadingNamesWhatIsWrong) {
  struct Fault {
    std::string name;
    std::function<void(const fs::path&)> damage;
    StatusCode code;
    std::string named;
  };
  const auto json = [this](const char* file, std::function<void(Json&)> change) {
    return [this, file, change](const fs::path& folder) { change_json(folder / file, change); };
  };
  const std::vector<Fault> faults{
      {"no config", [](const fs::path& f) { fs::remove(f / "config.json"); }, StatusCode::kNotFound,
       "config.json"},
      {"no weights", [](const fs::path& f) { fs::remove(f / "model.safetensors"); },
       StatusCode::kNotFound, "model.safetensors"},
      {"no tokenizer", [](const fs::path& f) { fs::remove(f / "tokenizer.json"); },
       StatusCode::kNotFound, "tokenizer.json"},
      {"no preprocessing", [](const fs::path& f) { fs::remove(f / "preprocessor_config.json"); },
       StatusCode::kNotFound, "preprocessor_config.json"},
      {"cut weights", [](const fs::path& f) { fs::resize_file(f / "model.safetensors", 500'000); },
       StatusCode::kCorruption, "model.safetensors"},
      {"other architecture",
       json("config.json", [](Json& j) { j["architectures"] = {"BertModel"}; }),
       StatusCode::kInvalidArgument, "BertModel"},
      {"no architecture",
       json("config.json",
            [](Json& j) {
              j.erase("architectures");
              j.erase("model_type");
            }),
       StatusCode::kInvalidArgument, "unknown architecture"},
      {"unknown activation",
       json("config.json", [](Json& j) { j["text_config"]["hidden_act"] = "mish"; }),
       StatusCode::kInvalidArgument, "mish"},
      {"more layers than weights",
       json("config.json", [](Json& j) { j["vision_config"]["num_hidden_layers"] = 4; }),
       StatusCode::kInvalidArgument, "missing weight vision_model.encoder.layers.3"},
      {"fewer layers than weights",
       json("config.json", [](Json& j) { j["vision_config"]["num_hidden_layers"] = 2; }),
       StatusCode::kInvalidArgument, "unexpected weight vision_model.encoder.layers.2"},
      {"other width",
       json("config.json", [](Json& j) { j["text_config"]["intermediate_size"] = 90; }),
       StatusCode::kInvalidArgument, "wrong shape: text_model.encoder.layers.0.mlp.fc1"},
      {"absurd width",
       json("config.json", [](Json& j) { j["text_config"]["hidden_size"] = 1LL << 40; }),
       StatusCode::kInvalidArgument, "text_config.hidden_size is 1099511627776"},
      {"heads that do not divide",
       json("config.json", [](Json& j) { j["text_config"]["num_attention_heads"] = 5; }),
       StatusCode::kInvalidArgument, "it must divide hidden_size 48"},
      {"width is text",
       json("config.json", [](Json& j) { j["vision_config"]["hidden_size"] = "64"; }),
       StatusCode::kInvalidArgument, "vision_config.hidden_size is \"64\""},
      {"other picture size",
       json("preprocessor_config.json", [](Json& j) { j["crop_size"] = j["size"] = 40; }),
       StatusCode::kInvalidArgument, "40 x 40"},
      {"vocabulary beyond the model",
       json("tokenizer.json", [](Json& j) { j["model"]["vocab"]["zzz"] = 5000; }),
       StatusCode::kInvalidArgument, "5000"},
  };
  for (const Fault& fault : faults) {
    SCOPED_TRACE(fault.name);
    const TempDir folder;
    copy_model("clip-vit-tiny", folder.path());
    fault.damage(folder.path());
    const auto encoder = load_encoder(options_for(folder.path()));
    ASSERT_FALSE(encoder);
    EXPECT_EQ(encoder.error().code, fault.code) << encoder.error().message;
    EXPECT_THAT(encoder.error().message, HasSubstr(fault.named));
  }
  EXPECT_EQ(load_encoder(options_for("/no/such/folder")).error().code, StatusCode::kNotFound);
  EXPECT_THAT(
      load_encoder(options_for(kData / "clip-vit-tiny", Precision::kFloat16)).error().message,
      HasSubstr("fp16 needs a GPU"));
}

TEST_F(EncoderTest, OlderConfigurationsMeanTheSame) {
  const TempDir folder;
  copy_model("clip-vit-tiny", folder.path());
  const std::string checksum = load(folder.path())->info().checksum;
  change_json(folder / "config.json", [](Json& j) {
    j.erase("architectures");
    j["text_config_dict"] = j["text_config"];
    j["vision_config_dict"] = j["vision_config"];
    j["text_config"] = nullptr;
    j["vision_config"] = {{"hidden_size", 999}, {"image_size", nullptr}};
    j["initializer_factor"] = 2.0;
  });
  EXPECT_EQ(load(folder.path())->info().checksum, checksum);
}

TEST_F(EncoderTest, ChecksumFollowsMeaningNotStorage) {
  const TempDir folder;
  copy_model("clip-vit-tiny", folder.path());
  const std::string checksum = load(folder.path())->info().checksum;
  EXPECT_EQ(checksum, load(kData / "clip-vit-tiny")->info().checksum);

  // Two shards in place of one file.
  const Checkpoint weights = Checkpoint::open(kData / "clip-vit-tiny").value();
  std::map<std::string, TensorView, std::less<>> first, second;
  Json weight_map;
  for (const auto& [name, view] : weights.tensors()) {
    auto& shard = first.size() <= second.size() ? first : second;
    shard[name] = view;
    weight_map[name] = &shard == &first ? "1.safetensors" : "2.safetensors";
  }
  first["text_model.embeddings.position_ids"] = {DType::kU8, {0}, {}};
  weight_map["text_model.embeddings.position_ids"] = "1.safetensors";
  ASSERT_TRUE(write_safetensors(folder / "1.safetensors", first));
  ASSERT_TRUE(write_safetensors(folder / "2.safetensors", second));
  folder.write("model.safetensors.index.json", Json{{"weight_map", weight_map}}.dump());
  fs::remove(folder / "model.safetensors");
  EXPECT_EQ(load(folder.path())->info().checksum, checksum);

  // The older tokenizer files.
  fs::remove(folder / "tokenizer.json");
  for (const char* name : {"vocab.json", "merges.txt"})
    fs::copy_file(kData / "clip-vit-tiny" / name, folder / name);
  EXPECT_EQ(load(folder.path())->info().checksum, checksum);
}

TEST_F(EncoderTest, ChecksumNoticesEveryPart) {
  const std::string checksum = load(kData / "clip-vit-tiny")->info().checksum;
  const auto changed = [&](const std::function<void(const fs::path&)>& change) {
    const TempDir folder;
    copy_model("clip-vit-tiny", folder.path());
    change(folder.path());
    return load(folder.path())->info().checksum;
  };
  EXPECT_NE(checksum, changed([](const fs::path& f) {  // one bit of one weight
              std::fstream file(f / "model.safetensors",
                                std::ios::in | std::ios::out | std::ios::binary);
              file.seekg(-4, std::ios::end);
              const int byte = file.get();
              file.seekp(-4, std::ios::end);
              file.put(static_cast<char>(byte ^ 1));
            }));
  EXPECT_NE(checksum, changed([this](const fs::path& f) {
              change_json(f / "config.json", [](Json& j) { j["text_config"]["eos_token_id"] = 2; });
            }));
  EXPECT_NE(checksum, changed([this](const fs::path& f) {
              change_json(f / "config.json",
                          [](Json& j) { j["vision_config"]["hidden_act"] = "gelu"; });
            }));
  EXPECT_NE(checksum, changed([this](const fs::path& f) {
              change_json(f / "preprocessor_config.json", [](Json& j) { j["resample"] = 2; });
            }));
  EXPECT_NE(checksum, changed([this](const fs::path& f) {
              change_json(f / "tokenizer.json", [](Json& j) {
                auto& merges = j["model"]["merges"];
                std::swap(merges[0], merges[1]);
              });
            }));
}

TEST_F(EncoderTest, ChecksumIsCachedWhileNoFileChanges) {
  const TempDir folder;
  copy_model("clip-vit-tiny", folder.path());
  const auto long_ago = fs::file_time_type::clock::now() - std::chrono::hours(1);
  for (const auto& entry : fs::directory_iterator(folder.path()))
    fs::last_write_time(entry.path(), long_ago);
  const std::string checksum = load(folder.path())->info().checksum;
  const fs::path cache = cache_ / "sightline/checksums.json";
  ASSERT_TRUE(fs::exists(cache));

  // What the cache says is believed while size and time stay the same ...
  const std::string invented(32, 'f');
  change_json(cache, [&](Json& j) {
    for (Json& entry : j["folders"]) entry["checksum"] = invented;
  });
  EXPECT_EQ(load(folder.path())->info().checksum, invented);
  // ... and no longer.
  fs::last_write_time(folder / "tokenizer_config.json", long_ago + std::chrono::seconds(1));
  EXPECT_EQ(load(folder.path())->info().checksum, checksum);

  // A damaged or unwritable cache is none.
  for (const char* text : {"", "[]", "{\"format\": \"1\", \"folders\": 5}",
                           "{\"format\": \"1\", \"folders\": {\"x\": 1}}"}) {
    std::ofstream(cache, std::ios::binary) << text;
    EXPECT_EQ(load(folder.path())->info().checksum, checksum) << text;
  }
  fs::remove_all(cache_ / "sightline");
  cache_.write("sightline", "a file where the folder should be");
  EXPECT_EQ(load(folder.path())->info().checksum, checksum);
}

TEST_F(EncoderTest, CheckModelReports) {
  const Json fine = check_model(kData / "clip-vit-tiny-gelu").value();
  EXPECT_EQ(fine["architecture"], "CLIPModel");
  EXPECT_EQ(fine["dim"], 24);
  EXPECT_EQ(fine["dtype"], "F32");
  EXPECT_EQ(fine["checksum"], load(kData / "clip-vit-tiny-gelu")->info().checksum);
  EXPECT_EQ(fine["parameters"], load(kData / "clip-vit-tiny-gelu")->info().num_parameters);
  EXPECT_TRUE(fine["missing"].empty());
  EXPECT_TRUE(fine["problems"].empty());
  EXPECT_EQ(fine["unused"],
            Json({"text_model.embeddings.position_ids", "vision_model.embeddings.position_ids"}));

  const TempDir folder;
  copy_model("clip-vit-tiny", folder.path());
  const Checkpoint weights = Checkpoint::open(kData / "clip-vit-tiny").value();
  auto tensors = weights.tensors();
  tensors["extra"] = tensors.at("logit_scale");
  tensors.erase("logit_scale");
  ASSERT_TRUE(write_safetensors(folder / "model.safetensors", tensors));
  fs::remove(folder / "tokenizer.json");
  const Json faulty = check_model(folder.path()).value();
  EXPECT_EQ(faulty["missing"], Json({"logit_scale"}));
  EXPECT_EQ(faulty["unused"], Json({"extra"}));
  EXPECT_EQ(faulty["problems"].size(), 2u) << faulty["problems"];

  tensors = weights.tensors();
  auto& fc1 = tensors.at("text_model.encoder.layers.0.mlp.fc1.weight");
  fc1.shape = {48, 96};
  ASSERT_TRUE(write_safetensors(folder / "model.safetensors", tensors));
  const Json misshapen = check_model(folder.path()).value();
  EXPECT_EQ(misshapen["missing"], Json({"text_model.encoder.layers.0.mlp.fc1.weight"}));
  EXPECT_EQ(misshapen["wrong_shape"].size(), 1u);
  EXPECT_EQ(check_model(folder / "nothing").error().code, StatusCode::kNotFound);
}

TEST_F(EncoderTest, FindsTheEmbeddedModelByVariable) {
  const TempDir models;
  fs::create_directory(models / "embedded");
  copy_model("clip-vit-tiny", models / "embedded");
  ::setenv("SIGHTLINE_MODELS_DIR", models.path().c_str(), 1);
  EncoderOptions options;
  options.device = Device::kCpu;
  const auto encoder = load_encoder(options);
  ::unsetenv("SIGHTLINE_MODELS_DIR");
  ASSERT_TRUE(encoder) << encoder.error().message;
  EXPECT_EQ((*encoder)->info().name, "embedded");
  EXPECT_EQ(resolve_model_folder("no-such-model").error().code, StatusCode::kNotFound);
}

TEST(Precision, NamesRoundTrip) {
  for (const Precision precision : {Precision::kFloat32, Precision::kBFloat16, Precision::kFloat16})
    EXPECT_EQ(parse_precision(precision_name(precision)).value(), precision);
  EXPECT_THAT(parse_precision("int8").error().message, HasSubstr("int8"));
}

}  // namespace
}  // namespace sightline::encoders
