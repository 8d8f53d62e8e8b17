#include <chrono>
#include <fstream>
#include <thread>

#include "tests/http/api_fixture.h"
#include "tests/pipeline/pictures.h"

namespace sightline::http {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using testing_support::make_png;

class ApiJobs : public ApiTest {
 protected:
  void write_pictures(int count) const {
    for (int i = 0; i < count; ++i) {
      std::ofstream(allowed_ / ("p" + std::to_string(i) + ".png"), std::ios::binary)
          << make_png(static_cast<std::uint32_t>(i));
    }
  }
  Json wait_for(const std::string& id) {
    for (int i = 0; i < 600; ++i) {
      const Json job = get("/v1/jobs/" + id).json();
      if (job["state"] != "queued" && job["state"] != "running") return job;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    ADD_FAILURE() << "the job does not end";
    return nullptr;
  }
};

TEST_F(ApiJobs, IndexesAFolder) {
  write_pictures(6);
  std::ofstream(allowed_ / "bad.png") << "broken";
  const Reply started =
      post("/v1/jobs", {{"collection", "photos"}, {"paths", {allowed_.path().string()}}});
  ASSERT_EQ(started.status, 202) << started.body;
  const std::string id = started.json()["id"];
  EXPECT_EQ(started.headers.find("location"), "/v1/jobs/" + id);
  const Json job = wait_for(id);
  EXPECT_EQ(job["state"], "done") << job;
  EXPECT_EQ(job["report"]["indexed"], 6);
  EXPECT_EQ(job["report"]["skipped"]["not_a_picture"], 1);
  EXPECT_EQ(job["progress"]["seen"], 7);
  EXPECT_THAT(get("/v1/jobs").json()["jobs"], SizeIs(1));
  EXPECT_THAT(post("/v1/search", {{"collection", "photos"}}).json()["hits"], SizeIs(6));

  EXPECT_EQ(remove("/v1/jobs/" + id).json()["state"], "done");
}

TEST_F(ApiJobs, Failures) {
  EXPECT_EQ(get("/v1/jobs/77").status, 404);
  EXPECT_EQ(remove("/v1/jobs/77").status, 404);
  const auto refused = [&](const Json& body) { return post("/v1/jobs", body); };
  EXPECT_EQ(refused(Json::object()).status, 422);
  EXPECT_EQ(refused({{"paths", {"relative"}}}).status, 422);
  EXPECT_EQ(refused({{"paths", {"relative"}}}).error("param"), "paths[0]");
  EXPECT_EQ(refused({{"paths", {7}}}).status, 422);
  EXPECT_EQ(refused({{"paths", {"/etc"}}}).status, 403);
  EXPECT_THAT(refused({{"paths", {"/etc"}}}).error(), HasSubstr("/etc"));
  EXPECT_EQ(refused({{"paths", {(allowed_ / "nothere").string()}}}).status, 404);
  EXPECT_EQ(refused({{"paths", {"/"}}, {"unknown", 1}}).status, 422);
}

TEST_F(ApiJobs, ModelsAreToldOfAtOnce) {
  write_pictures(1);
  const auto start = [&](const std::string& collection, const std::string& model) {
    return post(
        "/v1/jobs",
        {{"collection", collection}, {"model", model}, {"paths", {allowed_.path().string()}}});
  };
  for (const std::string outside : {"/etc", "/not-there", "../../../etc"}) {
    const Reply refused = start("new", outside);
    EXPECT_EQ(refused.status, 403) << outside;
    EXPECT_EQ(refused.error(), "model: " + outside + ": is not in a folder that requests may name");
  }
  for (const std::string missing : {"nothere", "org/nothere", "/nothere"}) {
    const std::string model =
        missing.starts_with('/') ? allowed_.path().string() + missing : missing;
    const Reply refused = start("new", model);
    EXPECT_EQ(refused.status, 404) << model;
    EXPECT_THAT(refused.error(), HasSubstr("there is no model \"" + model + "\""));
  }
  EXPECT_THAT(get("/v1/jobs").json()["jobs"], testing::IsEmpty());

  // The default's folder, its name, and those of the model that the collection has.
  for (const std::string& own :
       {encoders_->options().default_model, std::string("clip-vit-tiny"), std::string()}) {
    const Reply started = start("photos", own);
    ASSERT_EQ(started.status, 202) << own << started.body;
    EXPECT_EQ(wait_for(started.json()["id"])["state"], "done") << own;
  }
  pipeline::CollectionConfig config;
  config.vectors[""].dim = 4;
  ASSERT_TRUE(folder_->create_collection("outside", config));
  const Reply without = start("outside", "");
  EXPECT_EQ(without.status, 409) << "as uploads";
  EXPECT_THAT(without.error(), HasSubstr("no default vector that a model makes"));
  config.vectors[""].model = {"0123456789abcdef", "white", "own", "/models/own", "fp32"};
  ASSERT_TRUE(folder_->create_collection("moved", config));
  EXPECT_EQ(start("moved", "/models/other").status, 403);
  const Reply moved = start("moved", "/models/own");
  ASSERT_EQ(moved.status, 202) << moved.body;
  EXPECT_THAT(wait_for(moved.json()["id"])["error"].get<std::string>(), HasSubstr("not here"));
}

TEST_F(ApiJobs, KeysSeeJobsOfTheirCollections) {
  write_pictures(1);
  const std::string id =
      post("/v1/jobs", {{"collection", "a"}, {"paths", {allowed_.path().string()}}}).json()["id"];
  wait_for(id);
  principal_.collections = {"b"};
  EXPECT_EQ(get("/v1/jobs/" + id).status, 404);
  EXPECT_EQ(remove("/v1/jobs/" + id).status, 404);
  EXPECT_THAT(get("/v1/jobs").json()["jobs"], testing::IsEmpty());
  EXPECT_EQ(post("/v1/jobs", {{"collection", "a"}, {"paths", {allowed_.path().string()}}}).status,
            403);
}

}  // namespace
}  // namespace sightline::http
