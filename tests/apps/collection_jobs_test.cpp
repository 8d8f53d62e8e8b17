// The life of a collection: export, optimize, payload indexes, snapshot, restore, verify, repair.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iomanip>
#include <limits>
#include <set>
#include <sstream>

#include "tests/apps/vectors.h"

namespace sightline::apps::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

/// A collection "c" of 600 points with UUIDs and payloads.
class CollectionJobs : public ::testing::Test {
 protected:
  static constexpr std::size_t kNumRows = 600, kDim = 16;

  void SetUp() override {
    vectors_ = Vectors::random(kNumRows, kDim);
    std::string ids, payload;
    for (std::size_t i = 0; i < kNumRows; ++i) {
      ids += id_of(i) + "\n";
      payload += dump_json(payload_of(i)) + "\n";
    }
    run_json({"import", "c", "--metric", "euclid", "--vectors", write("v.npy", vectors_.npy()),
              "--ids", write("ids.txt", ids), "--payload", write("p.jsonl", payload)});
    queries_ = write("q.npy", Vectors::random(4, kDim, 3).npy());
  }

  static std::string id_of(std::size_t i) {
    if (i % 2 == 0) return std::to_string(i);
    std::ostringstream text;
    text << "00000000-0000-4000-8000-" << std::setw(12) << std::setfill('0') << i;
    return text.str();
  }
  static Json payload_of(std::size_t i) {
    return {{"year", 1900 + i % 100},
            {"title", "Grüße " + std::to_string(i)},
            {"big", std::numeric_limits<std::uint64_t>::max() - i},
            {"ratio", static_cast<double>(i) / 3},
            {"tags", {"a", i % 3 == 0 ? "b" : "c"}},
            {"none", nullptr}};
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
  std::string write(const std::string& name, const std::string& bytes) {
    return box_.dir().write(name, bytes);
  }
  Json results_of(const std::string& collection) {
    return run_json(
        {"search", "--vectors", queries_, "--collection", collection, "--exact"})["results"];
  }
  void expect_error(const Finished& finished, int code, const std::string& part) {
    EXPECT_EQ(finished.code, code) << finished.err;
    EXPECT_THAT(finished.last_error_line(), StartsWith("sightline: error: "));
    EXPECT_THAT(finished.last_error_line(), HasSubstr(part));
  }
  std::vector<std::string> collections() {
    std::vector<std::string> names;
    const Json list = run_json({"collection", "list"})["collections"];
    for (const Json& entry : list) names.push_back(entry["name"]);
    return names;
  }
  /// Flips one bit in the middle of a file.
  static void damage(const std::filesystem::path& file) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(std::filesystem::file_size(file) / 2);
    stream.seekg(middle);
    const char byte = static_cast<char>(stream.get() ^ 4);
    stream.seekp(middle);
    stream.put(byte);
  }

  Sandbox box_;
  Vectors vectors_;
  std::string queries_;
};

TEST_F(CollectionJobs, InfoShowsShardsAndIndexes) {
  run_json({"collection", "index", "c", "year", "--type", "integer"});
  const Json info = run_json({"collection", "info", "c"});
  EXPECT_EQ(info["name"], "c");
  EXPECT_EQ(info["num_points"], kNumRows);
  EXPECT_EQ(info["vectors"][""]["metric"], "euclid");
  EXPECT_EQ(info["vectors"][""]["index"], "auto");
  EXPECT_EQ(info["payload_indexes"], (Json{{"year", "integer"}}));
  EXPECT_TRUE(info["memory_bytes"].is_number_unsigned());
  EXPECT_TRUE(info["mapped_bytes"].is_number_unsigned());
  ASSERT_THAT(info["shards"], Not(IsEmpty()));
  for (const char* key : {"vector", "type", "rows", "live", "memory_bytes", "mapped_bytes"}) {
    EXPECT_TRUE(info["shards"][0].contains(key)) << key;
  }
  const Finished text = run({"collection", "info", "c"});
  EXPECT_THAT(text.out, HasSubstr("year (integer)"));
  EXPECT_THAT(text.out, HasSubstr("euclid"));
}

TEST_F(CollectionJobs, ExportAndImportRestoreEverything) {
  run_json({"collection", "index", "c", "year", "--type", "integer"});
  run_json({"collection", "index", "c", "tags", "--type", "keyword"});
  const std::string folder = box_.path("export");
  const Json report = run_json({"collection", "export", "c", folder});
  EXPECT_EQ(report["points"], kNumRows);
  EXPECT_EQ(report["folder"], folder);

  const Npy array = read_npy(folder + "/vectors.npy");
  ASSERT_EQ(array.shape, (std::vector<std::size_t>{kNumRows, kDim}));
  std::istringstream lines(testing_support::read_file(folder + "/points.jsonl"));
  std::set<std::string> ids;
  std::size_t row = 0;
  for (std::string line; std::getline(lines, line); ++row) {
    const Json point = parse_json(line, "points.jsonl").value();
    const Json& id = point["id"];
    const std::string text = id.is_string() ? id.get<std::string>() : id.dump();
    ids.insert(text);
    const std::size_t i = id.is_string() ? std::stoul(text.substr(24)) : id.get<std::size_t>();
    EXPECT_EQ(point["payload"], payload_of(i));
    EXPECT_TRUE(std::equal(vectors_.row(i), vectors_.row(i) + kDim,
                           array.values.begin() + static_cast<std::ptrdiff_t>(row * kDim)))
        << text;
  }
  EXPECT_EQ(row, kNumRows);
  EXPECT_EQ(ids.size(), kNumRows);
  const Json manifest = read_json_file(folder + "/manifest.json").value();
  EXPECT_EQ(manifest["num_points"], kNumRows);
  EXPECT_EQ(manifest["metric"], "euclid");
  EXPECT_EQ(manifest["dim"], kDim);
  EXPECT_EQ(manifest["payload_indexes"], (Json{{"tags", "keyword"}, {"year", "integer"}}));
  EXPECT_THAT(manifest["files"], SizeIs(2));

  const Json again = run_json({"import", "copy", folder + "/"});
  EXPECT_EQ(again["points"], kNumRows);
  EXPECT_EQ(again["metric"], "euclid");
  EXPECT_EQ(results_of("copy"), results_of("c"));
  EXPECT_EQ(run_json({"collection", "info", "copy"})["payload_indexes"],
            manifest["payload_indexes"]);
  // Out and in and out again: the same bytes.
  run_json({"collection", "export", "copy", box_.path("second")});
  for (const char* name : {"vectors.npy", "points.jsonl"}) {
    EXPECT_EQ(testing_support::read_file(folder + "/" + name),
              testing_support::read_file(box_.path("second") / name))
        << name;
  }
}

TEST_F(CollectionJobs, AnExportIsRefusedWhereSomethingElseIs) {
  box_.dir().write("full/mine.txt", "keep");
  const Finished full = run({"collection", "export", "c", box_.path("full")});
  expect_error(full, 1, "is not empty (it holds \"mine.txt\")");
  EXPECT_EQ(testing_support::read_file(box_.path("full/mine.txt")), "keep");
  expect_error(run({"collection", "export", "nothere", box_.path("new")}), 1, "nothere");
  EXPECT_FALSE(std::filesystem::exists(box_.path("new")));
  // What an export left that was killed is written anew.
  box_.dir().write("half/manifest.json.part", "");
  box_.dir().write("half/points.jsonl", "half a li");
  EXPECT_EQ(run_json({"collection", "export", "c", box_.path("half")})["points"], kNumRows);
  EXPECT_EQ(run_json({"import", "copy", box_.path("half")})["points"], kNumRows);
}

TEST_F(CollectionJobs, ADamagedExportIsRefusedByName) {
  const std::filesystem::path folder = box_.path("export");
  run_json({"collection", "export", "c", folder});
  struct Case {
    std::string part;
    std::function<void()> break_it;
  };
  std::filesystem::copy(folder, box_.path("good"));
  for (const Case& c : std::vector<Case>{
           {"vectors.npy: is not what was exported", [&] { damage(folder / "vectors.npy"); }},
           {"points.jsonl: is not what was exported", [&] { damage(folder / "points.jsonl"); }},
           {"points.jsonl", [&] { std::filesystem::remove(folder / "points.jsonl"); }},
           {"manifest.json", [&] { std::filesystem::remove(folder / "manifest.json"); }},
           {"manifest.json: has format 99",
            [&] { box_.dir().write("export/manifest.json", "{\"format\": 99}"); }},
           {"manifest.json: is not the manifest",
            [&] { box_.dir().write("export/manifest.json", "{\"format\": 1}"); }},
       }) {
    c.break_it();
    const Finished refused = run({"import", "copy", folder, "--json"});
    expect_error(refused, 1, c.part);
    EXPECT_THAT(refused.out, IsEmpty());
    EXPECT_THAT(collections(), Not(Contains("copy")));
    std::filesystem::remove_all(folder);
    std::filesystem::copy(box_.path("good"), folder);
  }
  // A manifest must not lead out of its folder.
  Json manifest = read_json_file(folder / "manifest.json").value();
  manifest["files"][0]["name"] = "../q.npy";
  box_.dir().write("export/manifest.json", dump_json(manifest));
  expect_error(run({"import", "copy", folder}), 1, "../q.npy");
}

TEST_F(CollectionJobs, OptimizeBuildsWhatIsAskedFor) {
  const Json before = results_of("c");
  const Json report = run_json({"collection", "optimize", "c", "--index", "IVF4,Flat"});
  EXPECT_EQ(report["collection"], "c");
  ASSERT_THAT(report["index"], Not(IsEmpty()));
  EXPECT_EQ(report["index"][0]["type"], "IVF4,Flat");
  EXPECT_GT(report["index"][0]["nprobe"].get<int>(), 0);
  EXPECT_EQ(run_json({"collection", "info", "c"})["vectors"][""]["index"], "IVF4,Flat");
  EXPECT_EQ(results_of("c"), before);
  const Json one =
      run_json({"search", "--vectors", queries_, "--collection", "c", "--nprobe", "1"});
  EXPECT_EQ(one["plan"]["strategy"], "approximate");
  EXPECT_LT(one["plan"]["num_scanned"].get<std::uint64_t>(), 4 * kNumRows);

  EXPECT_EQ(run_json({"collection", "optimize", "c"})["built"], 0) << "all is well already";
  EXPECT_GT(run_json({"collection", "optimize", "c", "--force"})["built"].get<int>(), 0);
  expect_error(run({"collection", "optimize", "c", "--index", "LSH"}), 1, "LSH");
  expect_error(run({"collection", "optimize", "nothere"}), 1, "nothere");
  EXPECT_THAT(run({"collection", "optimize", "c"}).out, HasSubstr("IVF4,Flat"));
}

TEST_F(CollectionJobs, PayloadIndexesAreMadeListedAndDropped) {
  run_json({"collection", "index", "c", "year", "--type", "integer"});
  run_json({"collection", "index", "c", "title", "--type", "text"});
  EXPECT_EQ(run_json({"collection", "index", "c"})["payload_indexes"],
            (Json{{"title", "text"}, {"year", "integer"}}));
  EXPECT_THAT(run({"collection", "index", "c"}).out, HasSubstr("title"));
  EXPECT_EQ(run_json({"collection", "index", "c", "year", "--drop"})["dropped"], true);
  EXPECT_EQ(run_json({"collection", "index", "c"})["payload_indexes"], (Json{{"title", "text"}}));
  expect_error(run({"collection", "index", "c", "year", "--drop"}), 1,
               "no index on field \"year\"");
  expect_error(run({"collection", "index", "c", "a[", "--type", "text"}), 1, "a[");
  expect_error(run({"collection", "index", "c", "year"}), 2, "--type");
  expect_error(run({"collection", "index", "c", "--drop"}), 2, "FIELD");
  expect_error(run({"collection", "index", "c", "year", "--type", "text", "--drop"}), 2, "--drop");
  expect_error(run({"collection", "index", "c", "year", "--type", "number"}), 2, "--type");
}

TEST_F(CollectionJobs, SnapshotAndRestoreKeepEverything) {
  run_json({"collection", "index", "c", "year", "--type", "integer"});
  const std::string tar = box_.path("c.tar");
  const Json report = run_json({"collection", "snapshot", "c", tar});
  EXPECT_EQ(report["bytes"], std::filesystem::file_size(tar));
  expect_error(run({"collection", "snapshot", "c", tar}), 1, "c.tar");
  expect_error(run({"collection", "snapshot", "nothere", box_.path("n.tar")}), 1, "nothere");
  EXPECT_FALSE(std::filesystem::exists(box_.path("n.tar")));

  const Json restored = run_json({"collection", "restore", "copy", tar});
  EXPECT_EQ(restored["num_points"], kNumRows);
  EXPECT_EQ(results_of("copy"), results_of("c"));
  EXPECT_EQ(run_json({"collection", "info", "copy"})["payload_indexes"],
            (Json{{"year", "integer"}}));
  expect_error(run({"collection", "restore", "copy", tar}), 1, "copy");
  expect_error(run({"collection", "restore", "d", box_.path("none.tar")}), 1, "none.tar");
  damage(tar);
  expect_error(run({"collection", "restore", "d", tar, "--json"}), 1, "c.tar");
  EXPECT_THAT(collections(), Not(Contains("d")));
}

TEST_F(CollectionJobs, VerifyNamesDamageAndRepairEndsIt) {
  const Json sound = run_json({"collection", "verify", "c"});
  EXPECT_EQ(sound["sound"], true);
  EXPECT_THAT(sound["damage"], IsEmpty());
  EXPECT_THAT(run({"collection", "verify", "c"}).out, HasSubstr("is sound"));
  expect_error(run({"collection", "verify", "nothere"}), 1, "nothere");

  const Json before = results_of("c");
  // The largest file of the sealed shard.
  std::filesystem::path largest;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(box_.path("data/collections/c/shards"))) {
    if (entry.is_regular_file() &&
        (largest.empty() || entry.file_size() > std::filesystem::file_size(largest))) {
      largest = entry.path();
    }
  }
  ASSERT_FALSE(largest.empty());
  damage(largest);
  const Finished broken = run({"collection", "verify", "c", "--json"});
  expect_error(broken, 1, "damaged in 1 places");
  EXPECT_EQ(broken.json()["sound"], false);
  ASSERT_THAT(broken.json()["damage"], SizeIs(1));
  EXPECT_THAT(broken.json()["damage"][0].get<std::string>(),
              HasSubstr(largest.filename().string()));
  EXPECT_THAT(run({"collection", "verify", "c"}).out, HasSubstr(largest.filename().string()));

  const Json repaired = run_json({"collection", "repair", "c"});
  EXPECT_THAT(repaired["lost"], IsEmpty()) << "a shard is derived: nothing is lost with it";
  EXPECT_THAT(repaired["rebuilt"], SizeIs(1));
  EXPECT_EQ(run_json({"collection", "verify", "c"})["sound"], true);
  EXPECT_EQ(results_of("c"), before);
}

}  // namespace
}  // namespace sightline::apps::testing
