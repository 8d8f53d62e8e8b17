#include "pipeline/encoder_host.h"

#include <atomic>
#include <thread>

#include "pipeline/query.h"
#include "tests/pipeline/ingest_fixture.h"
#include "tests/pipeline/pictures.h"

namespace sightline::pipeline {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::filesystem::path kModels = SIGHTLINE_TEST_DATA;

class EncoderHostTest : public IngestTest {
 protected:
  EncoderHostTest() { make(host_options()); }
  static EncoderHostOptions host_options() {
    EncoderHostOptions options;
    options.default_model = (kModels / "clip-vit-tiny").string();
    options.device = encoders::Device::kCpu;
    options.decode_bytes = 64 << 20;
    return options;
  }
  void make(EncoderHostOptions options) {
    host_ = std::make_unique<EncoderHost>(std::move(options), *pool_);
  }
  static std::vector<std::byte> bytes(const std::string& text) {
    const auto* data = reinterpret_cast<const std::byte*>(text.data());
    return {data, data + text.size()};
  }
  static std::vector<float> row_of(const encoders::EmbeddingBatch& batch, std::size_t i) {
    return {batch.row(i).begin(), batch.row(i).end()};
  }

  std::unique_ptr<EncoderHost> host_;
};

TEST_F(EncoderHostTest, LoadsTheDefaultOnceForManyCallers) {
  std::vector<HostedModel> models(8);
  std::vector<std::thread> threads;
  for (auto& model : models) threads.emplace_back([&] { model = host_->find("").value(); });
  for (auto& thread : threads) thread.join();
  for (const auto& model : models) EXPECT_EQ(model, models[0]);
  EXPECT_EQ(models[0]->info().checksum, tiny_encoder().info().checksum);
  EXPECT_EQ(host_->statistics().models_loaded, 1u);
  EXPECT_EQ(host_->find("clip-vit-tiny").value(), models[0]);
  EXPECT_EQ(host_->find((kModels / "clip-vit-tiny").string()).value(), models[0]);
}

TEST_F(EncoderHostTest, OnlyModelsBelowTheRootsMayBeNamed) {
  const auto refused = host_->find("clip-vit-tiny-gelu");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, StatusCode::kNotFound);
  EXPECT_THAT(refused.error().message,
              AllOf(HasSubstr("clip-vit-tiny-gelu"), HasSubstr("embedded")));
  EXPECT_FALSE(host_->find((kModels / "clip-vit-tiny-gelu").string()));

  auto options = host_options();
  options.roots = {kModels};
  make(options);
  const auto model = host_->find("clip-vit-tiny-gelu").value();
  EXPECT_EQ(model->info().checksum, other_encoder().info().checksum);
  EXPECT_EQ(host_->find((kModels / "clip-vit-tiny-gelu").string()).value(), model);
  EXPECT_FALSE(host_->find("../data/clip-vit-tiny-gelu/../../../encoders/embedded"));
  EXPECT_FALSE(host_->find("images"));

  const auto list = host_->list();
  ASSERT_GE(list.size(), 3u);
  EXPECT_TRUE(list[0].is_default);
  EXPECT_FALSE(list[0].loaded);
  const auto gelu = std::ranges::find(list, "clip-vit-tiny-gelu", &ModelListing::name);
  ASSERT_NE(gelu, list.end());
  EXPECT_TRUE(gelu->loaded);
  EXPECT_EQ(gelu->dim, model->info().dim);
}

TEST_F(EncoderHostTest, AFailureToLoadIsNotRemembered) {
  testing_support::TempDir models;
  auto options = host_options();
  options.roots = {models.path()};
  make(options);
  models.write("m/config.json", "{}");
  EXPECT_FALSE(host_->find("m"));
  for (const char* name : {"config.json", "model.safetensors", "preprocessor_config.json"}) {
    std::filesystem::remove(models / ("m/" + std::string(name)));
  }
  for (const auto& entry : std::filesystem::directory_iterator(kModels / "clip-vit-tiny"))
    std::filesystem::copy(entry.path(), models / ("m/" + entry.path().filename().string()));
  const auto model = host_->find("m");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ((*model)->info().checksum, tiny_encoder().info().checksum);
}

TEST_F(EncoderHostTest, FindsTheModelThatACollectionRecorded) {
  const auto info = store_->info().value();
  const auto model = host_->find(info, "");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ((*model)->info().checksum, tiny_encoder().info().checksum);
  EXPECT_EQ(host_->find(info, "none").error().code, StatusCode::kInvalidArgument);

  ModelIdentity other = identity_of(other_encoder().info(), codecs::AlphaRule::kDrop);
  EXPECT_EQ(host_->find(other).value()->info().checksum, other.checksum);
  EXPECT_EQ(alpha_of(other), codecs::AlphaRule::kDrop);

  ModelIdentity lost = other;
  lost.checksum = "0123456789abcdef";
  const auto refused = host_->find(lost);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.error().message,
              AllOf(HasSubstr("clip-vit-tiny-gelu (01234567)"),
                    HasSubstr(other_encoder().info().checksum.substr(0, 8))));
  EXPECT_EQ(host_->find(ModelIdentity{}).error().code, StatusCode::kFailedPrecondition);
}

TEST_F(EncoderHostTest, TextsComeFromTheCacheTheSecondTime) {
  const auto model = host_->find("").value();
  const std::vector<std::string> texts{"a red square", "a blue circle", "a red square"};
  const auto direct = tiny_encoder().encode_texts(texts, Deadline::never()).value();
  const auto first = model->encode_texts(texts, Deadline::never()).value();
  const auto second = model->encode_texts(texts, Deadline::never()).value();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    EXPECT_THAT(row_of(second, i), testing::Pointwise(testing::FloatNear(1e-6F), row_of(first, i)));
    for (std::size_t k = 0; k < direct.dim(); ++k)
      ASSERT_NEAR(first.row(i)[k], direct.row(i)[k], 1e-5);
  }
  const auto statistics = host_->statistics();
  EXPECT_EQ(statistics.cache_misses, 3u);
  EXPECT_EQ(statistics.cache_hits, 3u);
  EXPECT_EQ(statistics.cache_entries, 2u);
  EXPECT_EQ(statistics.texts, 3u);
  EXPECT_EQ(statistics.text_batches, 1u);
  EXPECT_DOUBLE_EQ(statistics.mean_text_batch(), 3.0);
}

TEST_F(EncoderHostTest, TheLeastRecentlyUsedTextGoesFirst) {
  auto options = host_options();
  options.cached_texts = 2;
  make(options);
  const auto model = host_->find("").value();
  const auto ask = [&](std::string text) {
    ASSERT_TRUE(model->encode_texts({&text, 1}, Deadline::never()));
  };
  for (const char* text : {"a", "b", "a", "c", "a"}) ask(text);  // "b" went for "c"
  EXPECT_EQ(host_->statistics().cache_hits, 2u);
  ask("b");
  EXPECT_EQ(host_->statistics().cache_misses, 4u);
  EXPECT_EQ(host_->statistics().cache_entries, 2u);
}

TEST_F(EncoderHostTest, ABrokenPictureFailsAlone) {
  const auto model = host_->find("").value();
  const std::string png = testing_support::make_png(1);
  const std::vector<Picture> pictures{
      {"one.png", bytes(png)},
      {"text.png", bytes("not a picture")},
      {"", picture("two.png", 2)},
      {"gone.png", pictures_ / "upload.tmp"},
      {"cut.png", bytes(png.substr(0, png.size() / 2))},
  };
  const auto encoded =
      model->encode_pictures(pictures, codecs::AlphaRule::kWhite, Deadline::never()).value();
  ASSERT_EQ(encoded.rows.size(), 5u);
  ASSERT_TRUE(encoded.rows[0]);
  ASSERT_TRUE(encoded.rows[2]);
  EXPECT_EQ(encoded.rows[0]->size(), model->info().dim);
  EXPECT_THAT(encoded.rows[1].error().message, HasSubstr("text.png"));
  EXPECT_EQ(encoded.rows[3].error().code, StatusCode::kNotFound);
  EXPECT_THAT(encoded.rows[3].error().message,
              AllOf(HasSubstr("gone.png"), testing::Not(HasSubstr("upload.tmp"))));
  EXPECT_EQ(encoded.rows[4].error().code, StatusCode::kCorruption);

  index(pictures_ / "two.png");
  const auto stored = point_of("two.png")->vectors[0].values;
  for (std::size_t k = 0; k < stored.size(); ++k)
    ASSERT_NEAR((*encoded.rows[2])[k], stored[k], 1e-5);
  EXPECT_EQ(host_->statistics().pictures, 2u);
}

TEST_F(EncoderHostTest, RequestsOfManyThreadsShareBatches) {
  auto options = host_options();
  options.cached_texts = 0;
  make(options);
  const auto model = host_->find("").value();
  std::vector<std::string> texts;
  for (int i = 0; i < 8; ++i) texts.push_back("picture number " + std::to_string(i));
  const auto expected = tiny_encoder().encode_texts(texts, Deadline::never()).value();
  std::atomic<int> num_wrong{0};
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const auto rows = model->encode_texts({&texts[t], 1}, Deadline::never());
        double product = 0;
        for (std::size_t k = 0; rows && k < expected.dim(); ++k)
          product += double{rows->row(0)[k]} * expected.row(t)[k];
        if (product < 0.9999) ++num_wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(num_wrong, 0);
  const auto statistics = host_->statistics();
  EXPECT_EQ(statistics.texts, 160u);
  EXPECT_GT(statistics.mean_text_batch(), 1.5);
}

TEST_F(EncoderHostTest, QueriesAskThroughTheHost) {
  for (std::uint32_t i = 0; i < 5; ++i) picture(std::to_string(i) + ".png", i);
  index();
  const auto hosted = QueryPipeline(*store_, host_->find("").value(), codecs::AlphaRule::kWhite);
  const auto direct = QueryPipeline::create(*store_, &tiny_encoder(), {}, *pool_).value();
  Query query;
  query.operands = {{TextOperand{"a red square"}}, {ImageOperand{pictures_ / "3.png"}, 0.5}};
  const auto expected = direct.search(query, Deadline::never()).value();
  const std::string png = testing_support::make_png(3);
  query.operands[1].what = ImageOperand{"", bytes(png), "3.png"};
  const auto answer = hosted.search(query, Deadline::never()).value();
  ASSERT_EQ(answer.hits.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(answer.hits[i].id, expected.hits[i].id);
    EXPECT_NEAR(answer.hits[i].score, expected.hits[i].score, 1e-5);
  }
  EXPECT_EQ(answer.timings_ms.count("decode"), 1u);

  query.operands = {{ImageOperand{"", bytes("nothing"), "x.png"}}};
  EXPECT_THAT(hosted.search(query, Deadline::never()).error().message, HasSubstr("x.png"));
  query.operands = {{TextOperand{"a"}}};
  query.vector_name = "other";
  EXPECT_EQ(hosted.search(query, Deadline::never()).error().code, StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sightline::pipeline
