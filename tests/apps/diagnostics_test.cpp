// model, tokenize, preprocess, embed, similarity: against what the reference model computed; and
// what people are told when the model that ships is asked for photographs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <numeric>

#include "encoders/safetensors.h"
#include "tests/apps/program.h"

namespace sightline::apps::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// What transformers computed for tests/data/clip-vit-tiny.
class Golden {
 public:
  Golden()
      : tensors_(encoders::Checkpoint::open(test_data("clip-vit-tiny/golden.safetensors")).value()),
        notes_(read_json_file(test_data("clip-vit-tiny/golden.json")).value()) {}

  std::vector<float> floats(const std::string& name) const {
    const encoders::TensorView* view = tensors_.find(name);
    EXPECT_NE(view, nullptr) << name;
    std::vector<float> values(view->bytes.size() / 4);
    std::memcpy(values.data(), view->bytes.data(), values.size() * 4);
    return values;
  }
  std::vector<std::string> texts() const { return notes_["texts"]; }
  std::vector<std::string> images() const {
    std::vector<std::string> files;
    for (const Json& name : notes_["images"]) {
      files.push_back(
          test_data("preprocess/images" / std::filesystem::path(name.get<std::string>())));
    }
    return files;
  }
  double atol() const { return notes_["tolerance"]["atol"]; }
  double rtol() const { return notes_["tolerance"]["rtol"]; }
  double logits_atol() const { return notes_["tolerance"]["logits_atol"]; }

 private:
  encoders::Checkpoint tensors_;
  Json notes_;
};

template <typename Got>
void expect_close(const Got& got, const std::vector<float>& wanted, double atol, double rtol) {
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    ASSERT_NEAR(got[i], wanted[i], atol + rtol * std::abs(wanted[i])) << "at " << i;
  }
}

TEST(Tokenize, GivesTheReferenceIdsForEveryCase) {
  Sandbox box;
  const Json cases = read_json_file(test_data("tokenizers/clip/cases.json")).value();
  Json texts = Json::array();
  for (const Json& one : cases["cases"]) texts.push_back(one["text"]);
  const auto input = box.dir().write("texts.json", dump_json(texts));
  // A folder of tokenizer files alone.
  const std::string model = test_data("tokenizers/clip");
  const Finished whole = box.run({"tokenize", "--model", model, "--input", input, "--json"});
  ASSERT_EQ(whole.code, 0) << whole.err;
  const Json rows = whole.json();
  const Finished cut =
      box.run({"tokenize", "--model", model, "--input", input, "--max-length", "77", "--json"});
  ASSERT_EQ(cut.code, 0) << cut.err;
  const Json cut_rows = cut.json();
  ASSERT_EQ(rows.size(), texts.size());
  ASSERT_EQ(cut_rows.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const Json& one = cases["cases"][i];
    EXPECT_EQ(rows[i]["ids"], one["ids"]) << texts[i];
    EXPECT_EQ(cut_rows[i]["ids"], one.contains("ids_truncated") ? one["ids_truncated"] : one["ids"])
        << texts[i];
  }
}

TEST(Tokenize, PadsToTheMaximumOrToTheLongest) {
  Sandbox box;
  const Json batch = read_json_file(test_data("tokenizers/clip/cases.json")).value()["batch"];
  const std::string model = test_data("tokenizers/clip");
  const auto input = box.dir().write("texts.json", dump_json(batch["texts"]));
  const Json full = box.run({"tokenize", "--model", model, "--input", input, "--max-length", "77",
                             "--pad", "--json"})
                        .json();
  ASSERT_EQ(full.size(), batch["ids"].size());
  for (std::size_t i = 0; i < full.size(); ++i) EXPECT_EQ(full[i]["ids"], batch["ids"][i]);
  const Json longest =
      box.run({"tokenize", "--model", model, "cat", "a photo of a cat", "--pad", "--json"}).json();
  EXPECT_EQ(longest[0]["ids"].size(), longest[1]["ids"].size());
  EXPECT_EQ(longest[0]["ids"].back(), 49407);
  const Finished plain = box.run({"tokenize", "--model", model, "cat"});
  EXPECT_EQ(plain.out, "49406 2368 49407\n");
}

TEST(Preprocess, GivesTheReferencePixels) {
  Sandbox box;
  const Golden golden;
  const std::vector<float> wanted = golden.floats("pixel_values");
  // A folder with preprocessor_config.json alone.
  std::filesystem::create_directories(box.path("only"));
  std::filesystem::copy(test_data("clip-vit-tiny/preprocessor_config.json"), box.path("only"));
  const std::size_t size = wanted.size() / golden.images().size();
  for (std::size_t i = 0; i < golden.images().size(); ++i) {
    const auto out = box.path("pixels.npy");
    const Finished run = box.run({"preprocess", "--model", box.path("only"), golden.images()[i],
                                  "--alpha", "drop", "--out", out, "--json"});
    ASSERT_EQ(run.code, 0) << run.err;
    EXPECT_EQ(run.json()["shape"], Json::array({3, 32, 32}));
    const Npy array = read_npy(out);
    EXPECT_EQ(array.shape, (std::vector<std::size_t>{3, 32, 32}));
    const auto begin = wanted.begin() + static_cast<std::ptrdiff_t>(i * size);
    // JPEG decoders differ by a step of 1/255 here and there.
    const bool lossy = golden.images()[i].ends_with(".jpg");
    expect_close(array.values, {begin, begin + static_cast<std::ptrdiff_t>(size)},
                 lossy ? 0.016 : 1e-6, 0);
  }
}

TEST(Preprocess, PutsTransparentPicturesOnWhiteUnlessTold) {
  Sandbox box;
  const std::string picture = test_data("preprocess/images/alpha_256x200.png");
  const auto values = [&](const std::vector<std::string>& flags) {
    std::vector<std::string> arguments = {"preprocess", "--model", tiny_model(),
                                          picture,      "--out",   box.path("o.npy")};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    EXPECT_EQ(box.run(arguments).code, 0);
    return read_npy(box.path("o.npy")).values;
  };
  EXPECT_EQ(values({}), values({"--alpha", "white"}));
  EXPECT_NE(values({}), values({"--alpha", "drop"}));
}

TEST(Preprocess, ABadConfigurationIsNamedOnce) {
  Sandbox box;
  box.dir().write("only/preprocessor_config.json", R"({"resample": 1})");
  const Finished run = box.run({"preprocess", "--model", box.path("only"),
                                test_data("preprocess/images/tiny_5x7.png"), "--out", "o.npy"});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.last_error_line(), HasSubstr("only/preprocessor_config.json: resample is 1; "));
}

TEST(Preprocess, WritesToStdout) {
  Sandbox box;
  const std::string picture = test_data("preprocess/images/tiny_5x7.png");
  const Finished run = box.run({"preprocess", "--model", tiny_model(), picture, "--out", "-"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.err, IsEmpty());
  const auto file = box.dir().write("stdout.npy", run.out);
  EXPECT_EQ(read_npy(file).shape, (std::vector<std::size_t>{3, 32, 32}));
}

TEST(Embed, GivesTheReferenceRowsInTheOrderOfTheInputs) {
  Sandbox box;
  const Golden golden;
  const std::vector<float> texts = golden.floats("text_embeds");
  const std::vector<float> images = golden.floats("image_embeds");
  const auto row = [](const std::vector<float>& rows, std::size_t i) {
    return std::vector<float>(rows.begin() + static_cast<std::ptrdiff_t>(i * 32),
                              rows.begin() + static_cast<std::ptrdiff_t>(i * 32 + 32));
  };
  const auto out = box.path("rows.npy");
  const Finished run =
      box.run({"embed", "--model", tiny_model(), "--alpha", "drop", "--text", golden.texts()[1],
               "--image", golden.images()[2], "--text", golden.texts()[0], "--image",
               golden.images()[0], "--out", out, "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.json()["shape"], Json::array({4, 32}));
  const Npy array = read_npy(out);
  ASSERT_EQ(array.shape, (std::vector<std::size_t>{4, 32}));
  expect_close(row(array.values, 0), row(texts, 1), golden.atol(), golden.rtol());
  expect_close(row(array.values, 1), row(images, 2), golden.atol(), golden.rtol());
  expect_close(row(array.values, 2), row(texts, 0), golden.atol(), golden.rtol());
  // From a JPEG, whose decoders differ by a step here and there.
  expect_close(row(array.values, 3), row(images, 0), 5e-3, 0);
}

TEST(Embed, RawIsBeforeNormalising) {
  Sandbox box;
  const Golden golden;
  std::vector<std::string> arguments = {"embed", "--model", tiny_model(),
                                        "--raw", "--out",   box.path("rows.npy")};
  for (const std::string& text : golden.texts())
    arguments.insert(arguments.end(), {"--text", text});
  ASSERT_EQ(box.run(arguments).code, 0);
  expect_close(read_npy(box.path("rows.npy")).values, golden.floats("text_features"), golden.atol(),
               golden.rtol());
}

TEST(Embed, PrintsJsonAndPlainNumbers) {
  Sandbox box;
  const Json answer =
      box.run({"embed", "--model", tiny_model(), "--text", "a cat", "--json"}).json();
  const std::vector<double> row = answer["embeddings"][0]["embedding"];
  ASSERT_EQ(row.size(), 32U);
  EXPECT_NEAR(std::inner_product(row.begin(), row.end(), row.begin(), 0.0), 1.0, 1e-5);
  EXPECT_EQ(answer["embeddings"][0]["text"], "a cat");
  const Finished plain = box.run({"embed", "--model", tiny_model(), "--text", "a cat"});
  std::istringstream numbers(plain.out);
  for (const double wanted : row) {
    double got = 0;
    ASSERT_TRUE(numbers >> got);
    EXPECT_NEAR(got, wanted, 1e-6);
  }
}

TEST(Similarity, GivesTheReferenceLogitsAndProbabilities) {
  Sandbox box;
  const Golden golden;
  std::vector<std::string> arguments = {"similarity",       "--model", tiny_model(),
                                        "--alpha",          "drop",    "--image",
                                        golden.images()[2], "--json",  "--text"};
  const auto texts = golden.texts();
  arguments.insert(arguments.end(), texts.begin(), texts.end());
  const Finished run = box.run(arguments);
  ASSERT_EQ(run.code, 0) << run.err;
  const Json answer = run.json();
  EXPECT_EQ(answer["texts"], Json(texts));
  const std::vector<float> logits = golden.floats("logits_per_image");
  const std::vector<float> probabilities = golden.floats("probs_per_image");
  for (std::size_t t = 0; t < texts.size(); ++t) {
    EXPECT_NEAR(answer["logits"][0][t], logits[2 * texts.size() + t], golden.logits_atol());
    EXPECT_NEAR(answer["softmax"][0][t], probabilities[2 * texts.size() + t], 1e-3);
    EXPECT_NEAR(answer["logits"][0][t].get<double>(),
                answer["cosine"][0][t].get<double>() * answer["logit_scale"].get<double>(), 1e-6);
  }
  const Finished table = box.run({"similarity", "--model", tiny_model(), "--image",
                                  golden.images()[2], "--text", "a", "--text", "b"});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("softmax"));
}

TEST(ModelCheck, DescribesAFolder) {
  Sandbox box;
  const Finished run = box.run({"model", "check", tiny_model(), "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  const Json report = run.json();
  EXPECT_EQ(report["architecture"], "CLIPModel");
  EXPECT_EQ(report["dim"], 32);
  EXPECT_THAT(report["missing"], IsEmpty());
  EXPECT_EQ(report["checksum"].get<std::string>().size(), 32U);
  EXPECT_EQ(box.run({"model", "check", tiny_model()}).code, 0);
}

TEST(ModelCheck, NamesWhatIsMissing) {
  Sandbox box;
  const auto folder = box.path("broken");
  std::filesystem::copy(tiny_model(), folder);
  {
    const auto whole = encoders::Checkpoint::open(tiny_model() + "/model.safetensors").value();
    auto tensors = whole.tensors();
    ASSERT_EQ(tensors.erase("text_projection.weight"), 1U);
    ASSERT_TRUE(encoders::write_safetensors(folder / "model.safetensors", tensors));
  }
  const Finished run = box.run({"model", "check", folder, "--json"});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.json()["missing"].dump(), HasSubstr("text_projection.weight"));
  EXPECT_THAT(run.last_error_line(), HasSubstr("text_projection.weight"));
  const Finished embed = box.run({"embed", "--model", folder, "--text", "a"});
  EXPECT_EQ(embed.code, 1);
  EXPECT_THAT(embed.last_error_line(), HasSubstr("text_projection.weight"));
}

/// What is wrong with a folder so that not even its tensors can be compared.
struct UnreadableCase {
  std::string name;
  std::function<void(const std::filesystem::path& folder)> spoil;
  std::string message;
  Json known;  ///< Some of the report.
};
class UnreadableModel : public ::testing::TestWithParam<UnreadableCase> {};

TEST_P(UnreadableModel, IsReportedAsFarAsItIsKnown) {
  const UnreadableCase& c = GetParam();
  Sandbox box;
  const auto folder = box.path("model");
  std::filesystem::copy(tiny_model(), folder);
  c.spoil(folder);
  const Finished run = box.run({"model", "check", folder, "--json"});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.last_error_line(), HasSubstr(c.message));
  const Json report = run.json();
  EXPECT_THAT(report["problems"].at(0).get<std::string>(), HasSubstr(c.message));
  EXPECT_TRUE(report.at("checksum").is_null());
  EXPECT_TRUE(report.at("missing").is_null());
  for (const auto& [key, value] : c.known.items()) EXPECT_EQ(report.at(key), value) << key;
  const Finished text = box.run({"model", "check", folder});
  EXPECT_EQ(text.code, 1);
  EXPECT_THAT(text.out, HasSubstr(c.message));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, UnreadableModel,
    ::testing::Values(
        UnreadableCase{"Architecture",
                       [](const auto& folder) {
                         Json config = read_json_file(folder / "config.json").value();
                         config["architectures"] = {"OtherModel"};
                         std::ofstream(folder / "config.json") << config;
                       },
                       "config.json: unknown architecture \"OtherModel\"",
                       {{"architecture", "OtherModel"}, {"dtype", "F32"}, {"dim", nullptr}}},
        UnreadableCase{"NoConfiguration",
                       [](const auto& folder) { std::filesystem::remove(folder / "config.json"); },
                       "config.json: no such file",
                       {{"architecture", nullptr}, {"dtype", "F32"}}},
        UnreadableCase{"SafetensorsHeader",
                       [](const auto& folder) {
                         std::ofstream(folder / "model.safetensors")
                             << "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F";
                       },
                       "model.safetensors: ",
                       {{"architecture", "CLIPModel"}, {"dim", 32}, {"parameters", nullptr}}},
        UnreadableCase{"NothingButTokens",
                       [](const auto& folder) {
                         std::filesystem::remove(folder / "config.json");
                         std::filesystem::remove(folder / "model.safetensors");
                       },
                       "config.json: no such file",
                       {{"dtype", nullptr}}}),
    [](const auto& info) { return info.param.name; });

TEST(ModelCheck, FailsWhereLoadingWouldFailForAnotherReason) {
  Sandbox box;
  const auto folder = box.path("surplus");
  std::filesystem::copy(tiny_model(), folder);
  {
    const auto whole = encoders::Checkpoint::open(tiny_model() + "/model.safetensors").value();
    auto tensors = whole.tensors();
    tensors["surplus.weight"] = tensors.at("logit_scale");
    ASSERT_TRUE(encoders::write_safetensors(folder / "model.safetensors", tensors));
  }
  const Finished run = box.run({"model", "check", folder, "--json"});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.json()["missing"], IsEmpty());
  EXPECT_THAT(run.last_error_line(), HasSubstr("surplus.weight"));
}

TEST(EmbeddedModel, IsFoundWhateverTheWorkingFolder) {
  const auto weights =
      std::filesystem::path(SIGHTLINE_SOURCE_DIR) / "encoders/embedded/model.safetensors";
  if (!std::filesystem::exists(weights) && std::getenv("SIGHTLINE_REQUIRE_MODELS") == nullptr) {
    GTEST_SKIP() << "no " << weights;
  }
  Sandbox box;
  const Finished run =
      box.run({"similarity", "--image", test_data("preprocess/images/tiny_5x7.png"), "--text",
               "a strawberry", "a school bus", "--json"});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.json()["model"], "embedded");
  const Finished check = box.run({"model", "check", "embedded", "--json"});
  ASSERT_EQ(check.code, 0) << check.err;
  EXPECT_THAT(check.json()["missing"], IsEmpty());
}

/// A collection of `photographs` that name their camera, and `drawings`.
struct HintCase {
  std::string name;
  int photographs, drawings;
  std::string model;
  std::vector<std::string> query;
  bool told;
};
class PhotographHint : public ::testing::TestWithParam<HintCase> {};

TEST_P(PhotographHint, IsGivenOnceWhereTheEmbeddedModelIsAskedForPhotographs) {
  const HintCase& c = GetParam();
  Sandbox box;
  box.dir().write("queries.txt", "a dog\na cat\n");
  std::filesystem::create_directories(box.path("pictures"));
  for (int i = 0; i < c.photographs; ++i) {
    std::filesystem::copy(test_data("images/facts.jpg"),
                          box.path("pictures/photo" + std::to_string(i) + ".jpg"));
  }
  for (int i = 0; i < c.drawings; ++i) {
    box.write_picture("pictures/drawing" + std::to_string(i) + ".bmp", static_cast<unsigned>(i));
  }
  const Finished indexed = box.run({"index", box.path("pictures").string(), "--model", c.model});
  ASSERT_EQ(indexed.code, 0) << indexed.err;
  EXPECT_THAT(indexed.err, ::testing::Not(HasSubstr("photographs")));
  std::vector<std::string> arguments{"search"};
  for (const std::string& argument : c.query) {
    arguments.push_back(argument == "queries.txt" ? box.path(argument).string() : argument);
  }
  const Finished found = box.run(arguments);
  ASSERT_EQ(found.code, 0) << found.err;
  const std::size_t first = found.err.find("bring-your-own-model.md");
  EXPECT_EQ(first != std::string::npos, c.told) << found.err;
  if (c.told) {
    EXPECT_EQ(found.err.find("bring-your-own-model.md", first + 1), std::string::npos);
  }
  EXPECT_THAT(found.out, ::testing::Not(HasSubstr("bring-your-own")));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, PhotographHint,
    ::testing::Values(HintCase{"Most", 3, 1, "embedded", {"a", "dog"}, true},
                      HintCase{"ManyQueries", 2, 0, "embedded", {"--queries", "queries.txt"}, true},
                      HintCase{"Json", 3, 1, "embedded", {"a dog", "--json"}, true},
                      HintCase{"Half", 2, 2, "embedded", {"a dog"}, false},
                      HintCase{"Drawings", 0, 3, "embedded", {"a dog"}, false},
                      HintCase{"Quiet", 3, 1, "embedded", {"a dog", "--quiet"}, false},
                      HintCase{"AnotherModel", 3, 1, tiny_model(), {"a dog"}, false}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sightline::apps::testing
