// eval index: what is measured, and what --set changes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "tests/apps/vectors.h"

namespace sightline::apps::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

class EvalIndex : public ::testing::Test {
 protected:
  static constexpr std::size_t kNumRows = 4000, kDim = 16;

  void SetUp() override {
    std::string payload;
    for (std::size_t i = 0; i < kNumRows; ++i) {
      payload += "{\"part\": " + std::to_string(i % 10) + "}\n";
    }
    run_json({"import", "c", "--vectors",
              box_.dir().write("v.npy", Vectors::random(kNumRows, kDim).npy()), "--payload",
              box_.dir().write("p.jsonl", payload), "--index", "IVF32,Flat"});
  }
  Finished run(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--data", box_.path("data")});
    return box_.run(arguments);
  }
  Json run_json(std::vector<std::string> arguments) {
    arguments.push_back("--json");
    const Finished finished = run(arguments);
    EXPECT_EQ(finished.code, 0) << finished.err;
    return finished.json();
  }
  void expect_error(const Finished& finished, int code, const std::string& part) {
    EXPECT_EQ(finished.code, code) << finished.err;
    EXPECT_THAT(finished.out, IsEmpty());
    EXPECT_THAT(finished.last_error_line(), StartsWith("sightline: error: "));
    EXPECT_THAT(finished.last_error_line(), HasSubstr(part));
  }

  Sandbox box_;
};

TEST_F(EvalIndex, MeasuresRecallBySettingAndFilter) {
  const auto queries = box_.dir().write("q.npy", Vectors::random(30, kDim, 8).npy());
  const auto plot = box_.path("curve.png");
  const Json report =
      run_json({"eval", "index", "c", "--queries", queries, "--k", "5", "--filter",
                R"({"must": [{"key": "part", "match": {"value": 3}}]})", "--plot", plot});
  EXPECT_EQ(report["collection"], "c");
  EXPECT_EQ(report["k"], 5);
  EXPECT_EQ(report["num_queries"], 30);
  EXPECT_EQ(report["num_points"], kNumRows);
  EXPECT_EQ(report["setting"], "nprobe");
  EXPECT_EQ(report["stored_target_recall"], Json());
  ASSERT_THAT(report["curves"], SizeIs(2));
  const Json& plain = report["curves"][0];
  EXPECT_EQ(plain["exact"]["recall"], 1.0);
  ASSERT_FALSE(plain["sweep"].empty());
  EXPECT_EQ(plain["sweep"][0]["nprobe"], 1);
  EXPECT_LT(plain["sweep"][0]["recall"].get<double>(), 0.95);
  EXPECT_GE(plain["sweep"].back()["recall"].get<double>(), 0.95);
  EXPECT_GT(plain["smallest_setting"].get<int>(), 1);
  EXPECT_NEAR(report["curves"][1]["selectivity"].get<double>(), 0.1, 1e-9);
  EXPECT_THAT(testing_support::read_file(plot), StartsWith("\x89PNG"));

  const Finished nowhere = run({"eval", "index", "c", "--plot", "no-folder/x.png"});
  EXPECT_EQ(nowhere.code, 1);
  EXPECT_THAT(nowhere.err, HasSubstr("no-folder"));

  const Finished text = run({"eval", "index", "c", "--num-queries", "20"});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("IVF32,Flat"));
  EXPECT_THAT(text.out, HasSubstr("recall@10"));
  EXPECT_THAT(text.out, HasSubstr("Smallest nprobe with recall 0.950"));
}

TEST_F(EvalIndex, SetStoresTheTargetAndAppliesIt) {
  const auto nprobe = [&] {
    return run_json({"collection", "info", "c"})["shards"][0]["nprobe"].get<int>();
  };
  const int before = nprobe();
  const Json report =
      run_json({"eval", "index", "c", "--num-queries", "20", "--target", "0.6", "--set"});
  EXPECT_EQ(report["stored_target_recall"], 0.6);
  EXPECT_EQ(report["target_recall"], 0.6);
  EXPECT_EQ(run_json({"collection", "info", "c"})["vectors"][""]["target_recall"], 0.6);
  EXPECT_LT(nprobe(), before);
}

TEST_F(EvalIndex, WritesAreMeasuredInAFolderThatGoes) {
  const auto entries = [](const std::filesystem::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      names.push_back(entry.path().filename());
    std::sort(names.begin(), names.end());
    return names;
  };
  const auto before = entries(box_.path("data"));
  const Json report =
      run_json({"eval", "index", "c", "--num-queries", "20", "--writes", "6000"})["writes"];
  EXPECT_EQ(report["num_rows"], 6000);
  EXPECT_EQ(report["dim"], kDim);
  EXPECT_EQ(report["index"], "IVF32,Flat");
  EXPECT_EQ(report["shard_types"], Json::array({"IVF32,Flat"}));
  EXPECT_EQ(report["write"]["count"], 6);
  EXPECT_EQ(report["quiet"]["count"], 2000);
  EXPECT_GT(report["rows_per_second"].get<double>(), 0);
  EXPECT_GT(report["indexed_seconds"].get<double>(), report["load_seconds"].get<double>());
  EXPECT_GT(report["p99_ratio"].get<double>(), 0);
  EXPECT_EQ(entries(box_.path("data")), before);
  EXPECT_EQ(run_json({"collection", "info", "c"})["num_points"], kNumRows);

  const std::string elsewhere = box_.path("elsewhere");
  std::filesystem::create_directory(elsewhere);
  const Finished text = run(
      {"eval", "index", "c", "--num-queries", "20", "--writes", "3000", "--scratch", elsewhere});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("writes of 3,000 rows, built as IVF32,Flat: "));
  EXPECT_THAT(text.out, HasSubstr("search during a build"));
  EXPECT_THAT(entries(elsewhere), IsEmpty());
  expect_error(run({"eval", "index", "c", "--scratch", elsewhere}), 2, "--writes");
  expect_error(run({"eval", "index", "c", "--writes", "10", "--scratch", box_.path("nowhere")}), 1,
               "--scratch");
}

TEST_F(EvalIndex, NamesWhatIsWrong) {
  expect_error(run({"eval", "index"}), 2, "NAME");
  expect_error(run({"eval", "index", "c", "--set"}), 2, "--target");
  expect_error(run({"eval", "index", "c", "--target", "1.5"}), 2, "--target");
  expect_error(run({"eval", "index", "nothere"}), 1, "nothere");
  expect_error(run({"eval", "index", "c", "--filter", "{\"x\": 1}"}), 1, "x");
  const auto wrong = box_.dir().write("w.npy", Vectors::random(2, 3).npy());
  const Finished dims = run({"eval", "index", "c", "--queries", wrong});
  expect_error(dims, 1, "3 dimensions");
  expect_error(dims, 1, "have 16");
}

}  // namespace
}  // namespace sightline::apps::testing
