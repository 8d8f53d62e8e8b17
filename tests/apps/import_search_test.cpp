// Vectors from outside: import, search, what is refused, what is skipped, and going on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <csignal>
#include <limits>
#include <sstream>
#include <thread>

#include "tests/apps/vectors.h"

namespace sightline::apps::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using namespace std::chrono_literals;

class Import : public ::testing::Test {
 protected:
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
  /// {"row": i, "parity": "even"|"odd"} for every row.
  std::string write_payload(std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
      text += dump_json(Json{{"row", i}, {"parity", i % 2 == 0 ? "even" : "odd"}}) + "\n";
    }
    return write("payload.jsonl", text);
  }
  Json search(const std::string& queries, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"search", "--vectors", queries, "--collection", "c"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_json(arguments);
  }
  void expect_error(const Finished& finished, int code, const std::string& part) {
    EXPECT_EQ(finished.code, code) << finished.err;
    EXPECT_THAT(finished.out, IsEmpty());
    EXPECT_THAT(finished.last_error_line(), StartsWith("sightline: error: "));
    EXPECT_THAT(finished.last_error_line(), HasSubstr(part));
  }
  std::vector<std::string> collections() {
    const Finished finished = run({"collection", "list", "--json"});
    std::vector<std::string> names;
    if (finished.code != 0) return names;  // there is no data folder yet
    const Json list = finished.json()["collections"];
    for (const Json& entry : list) names.push_back(entry["name"]);
    return names;
  }

  Sandbox box_;
};

TEST_F(Import, MakesACollectionThatAnswersVectors) {
  const Vectors vectors = Vectors::random(2500, 24);
  const std::string file = write("v.npy", vectors.npy());
  const Json report =
      run_json({"import", "c", "--vectors", file, "--payload", write_payload(2500)});
  EXPECT_EQ(report["collection"], "c");
  EXPECT_EQ(report["points"], 2500);
  EXPECT_EQ(report["skipped"], Json::object());
  EXPECT_EQ(report["dim"], 24);
  EXPECT_EQ(report["metric"], "cosine");
  ASSERT_TRUE(report["index"].is_array());
  std::uint64_t num_rows = 0;
  for (const Json& shard : report["index"]) num_rows += shard["live"].get<std::uint64_t>();
  EXPECT_EQ(num_rows, 2500U);
  EXPECT_GE(report["seconds"]["load"].get<double>(), 0);
  EXPECT_GE(report["seconds"]["build"].get<double>(), 0);
  EXPECT_GT(report["points_per_second"].get<double>(), 0);
  EXPECT_EQ(report["interrupted"], false);

  const Vectors queries = Vectors::random(5, 24, 7);
  const Json answer = search(write("q.npy", queries.npy()), {"--top-k", "4"});
  ASSERT_EQ(answer["results"].size(), 5U);
  for (std::size_t i = 0; i < 5; ++i) {
    const Json& hits = answer["results"][i]["hits"];
    const auto wanted = nearest("cosine", vectors, queries.row(i), 4);
    EXPECT_EQ(ids_of(hits), std::vector<std::uint64_t>(wanted.begin(), wanted.end()));
    for (std::size_t k = 0; k < hits.size(); ++k) {
      EXPECT_EQ(hits[k]["rank"], k + 1);
      EXPECT_EQ(hits[k]["payload"]["row"], hits[k]["id"]);
      EXPECT_NEAR(hits[k]["score"].get<double>(),
                  score("cosine", queries.row(i), vectors.row(wanted[k]), 24), 1e-5);
    }
  }
  EXPECT_GE(answer["timings_ms"]["search"].get<double>(), 0);
  EXPECT_EQ(answer["plan"]["num_points"], 2500);
  EXPECT_EQ(answer["plan"]["num_allowed"], 2500);
  EXPECT_EQ(answer["plan"]["num_queries"], 5);
}

TEST_F(Import, AnArrayOfOneDimensionIsOneQuery) {
  const Vectors vectors = Vectors::random(50, 8);
  run_json({"collection", "import", "c", "--vectors", write("v.npy", vectors.npy())});
  const std::array<std::uint64_t, 1> shape = {8};
  const std::vector<float> row(vectors.row(17), vectors.row(17) + 8);
  const Json answer = search(write("q.npy", npy_bytes(shape, row)), {"--top-k", "1"});
  ASSERT_EQ(answer["results"].size(), 1U);
  EXPECT_THAT(ids_of(answer["results"][0]["hits"]), ElementsAre(17));
  const Finished table = run({"search", "--vectors", box_.path("q.npy"), "--collection", "c"});
  EXPECT_THAT(table.out, StartsWith("rank"));
  EXPECT_THAT(table.out, HasSubstr("17"));
}

class Metrics : public Import, public ::testing::WithParamInterface<const char*> {};
TEST_P(Metrics, OrderAsTheirFormulaSays) {
  const std::string metric = GetParam();
  const Vectors vectors = Vectors::random(400, 12);
  const Json report =
      run_json({"import", "c", "--vectors", write("v.npy", vectors.npy()), "--metric", metric});
  EXPECT_EQ(report["metric"], metric);
  const Vectors queries = Vectors::random(3, 12, 5);
  const std::string file = write("q.npy", queries.npy());
  for (const std::vector<std::string>& how :
       std::vector<std::vector<std::string>>{{}, {"--exact"}}) {
    const Json answer = search(file, how);
    for (std::size_t i = 0; i < 3; ++i) {
      const auto wanted = nearest(metric, vectors, queries.row(i), 10);
      const Json& hits = answer["results"][i]["hits"];
      EXPECT_EQ(ids_of(hits), std::vector<std::uint64_t>(wanted.begin(), wanted.end()));
      const double best = score(metric, queries.row(i), vectors.row(wanted[0]), 12);
      const bool is_distance = metric == "euclid" || metric == "manhattan";
      EXPECT_NEAR(hits[0]["score"].get<double>(), is_distance ? -best : best, 1e-4);

      std::vector<std::string> limited = how;
      const double limit = hits[4]["score"];  // the largest distance, or the least score
      limited.insert(limited.end(), {"--min-score", dump_json(Json(limit))});
      EXPECT_EQ(search(file, limited)["results"][i]["hits"].size(), 5U);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(All, Metrics, ::testing::Values("cosine", "dot", "euclid", "manhattan"),
                         [](const auto& test) { return std::string(test.param); });

TEST_F(Import, TakesIdsFromAnArrayOrAText) {
  const Vectors vectors = Vectors::random(3, 4);
  const std::string file = write("v.npy", vectors.npy());
  std::string ids = npy_header(std::array<std::uint64_t, 1>{3});
  ids.replace(ids.find("<f4"), 3, "<i8");
  for (const std::int64_t id : {900'000'000'000LL, 5LL, -4LL}) {
    ids.append(reinterpret_cast<const char*>(&id), sizeof(id));
  }
  const Json from_array =
      run_json({"import", "a", "--vectors", file, "--ids", write("ids.npy", ids)});
  EXPECT_EQ(from_array["points"], 2);
  EXPECT_EQ(from_array["skipped"], (Json{{"bad_id", 1}}));

  const std::string uuid = "6f1c1f2e-0d5b-4c5f-9a5e-0123456789ab";
  const Json from_text = run_json(
      {"import", "c", "--vectors", file, "--ids", write("ids.txt", "7\r\n  " + uuid + "\n7\n\n")});
  EXPECT_EQ(from_text["points"], 2);
  EXPECT_EQ(from_text["skipped"], (Json{{"duplicate", 1}}));
  const Json hits = search(write("q.npy", vectors.npy()), {"--top-k", "1"})["results"];
  EXPECT_EQ(hits[0]["hits"][0]["id"], 7);
  EXPECT_EQ(hits[1]["hits"][0]["id"], uuid);
}

TEST_F(Import, AnIdThatCameInAnEarlierBatchIsADuplicate) {
  const std::size_t count = 2100;
  std::string ids;
  for (std::size_t i = 0; i < count; ++i) ids += std::to_string(i % 2000) + "\n";
  const Vectors vectors = Vectors::random(count, 4);
  const Json report = run_json(
      {"import", "c", "--vectors", write("v.npy", vectors.npy()), "--ids", write("ids.txt", ids)});
  EXPECT_EQ(report["points"], 2000);
  EXPECT_EQ(report["skipped"], (Json{{"duplicate", 100}}));
  // The first row keeps the id.
  const Json answer = search(write("q.npy", Vectors{4, {vectors.row(5), vectors.row(6)}}.npy()));
  EXPECT_EQ(answer["results"][0]["hits"][0]["id"], 5);
  EXPECT_NEAR(answer["results"][0]["hits"][0]["score"].get<double>(), 1.0, 1e-5);
}

TEST_F(Import, SkipsAndListsRowsThatCannotBeUsed) {
  Vectors vectors = Vectors::random(6, 4);
  vectors.values[1 * 4 + 2] = std::numeric_limits<float>::quiet_NaN();
  vectors.values[3 * 4] = std::numeric_limits<float>::infinity();
  std::fill_n(vectors.values.begin() + 4 * 4, 4, 0.0F);
  const std::string file = write("v.npy", vectors.npy());
  const std::string payload = write("p.jsonl", "{}\n{}\n[1]\n{}\n{}\n{\"a\": \xff}");
  const Finished finished = run({"import", "c", "--vectors", file, "--payload", payload, "--json"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const Json report = finished.json();
  EXPECT_EQ(report["points"], 1);
  EXPECT_EQ(report["skipped"], (Json{{"not_finite", 2}, {"zero_vector", 1}, {"bad_payload", 2}}));
  EXPECT_THAT(finished.err, HasSubstr("row 1 is left out (not_finite)"));
  std::istringstream lines(testing_support::read_file(report["skipped_file"].get<std::string>()));
  std::vector<std::pair<int, std::string>> listed;
  for (std::string line; std::getline(lines, line);) {
    const Json json = parse_json(line, "skipped.jsonl").value();
    listed.emplace_back(json["row"], json["reason"]);
  }
  EXPECT_THAT(listed, ElementsAre(std::pair(1, "not_finite"), std::pair(2, "bad_payload"),
                                  std::pair(3, "not_finite"), std::pair(4, "zero_vector"),
                                  std::pair(5, "bad_payload")));
  // Without a direction to lose, a row of zeros is as good as any.
  EXPECT_EQ(run_json({"import", "d", "--vectors", file, "--metric", "dot"})["skipped"],
            (Json{{"not_finite", 2}}));
}

TEST_F(Import, ConvertsHalfAndDouble) {
  // 1, 2, -2, 0.5 as float16 and float64.
  std::string half = npy_header(std::array<std::uint64_t, 2>{2, 2});
  half.replace(half.find("<f4"), 3, "<f2");
  for (const std::uint16_t value : {0x3C00, 0x4000, 0xC000, 0x3800}) {
    half.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  std::string wide = npy_header(std::array<std::uint64_t, 2>{2, 2});
  wide.replace(wide.find("<f4"), 3, "<f8");
  for (const double value : {1.0, 2.0, -2.0, 0.5}) {
    wide.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  const std::string queries = write("q.npy", Vectors{2, {1, 0}}.npy());
  for (const auto& [name, bytes] : {std::pair("half", half), std::pair("wide", wide)}) {
    run_json({"import", name, "--vectors", write("v.npy", bytes), "--metric", "dot"});
    const Json hits =
        run_json({"search", "--vectors", queries, "--collection", name})["results"][0]["hits"];
    EXPECT_THAT(ids_of(hits), ElementsAre(0, 1));
    EXPECT_EQ(hits[0]["score"], 1.0);
    EXPECT_EQ(hits[1]["score"], -2.0);
  }
}

TEST_F(Import, RefusesWhatDoesNotFitBeforeAnythingIsWritten) {
  const std::string vectors = write("v.npy", Vectors::random(10, 4).npy());
  const std::string nine = write("nine.jsonl", "{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n\n\n");
  const std::string eleven = write("eleven.txt", "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11");
  struct Case {
    std::vector<std::string> arguments;
    std::vector<std::string> parts;
  };
  const std::string flat =
      write("flat.npy", npy_bytes(std::array<std::uint64_t, 1>{4}, std::vector<float>{1, 2, 3, 4}));
  std::string ints = npy_header(std::array<std::uint64_t, 2>{0, 4});
  ints.replace(ints.find("<f4"), 3, "<i4");
  for (const Case& c : std::vector<Case>{
           {{"--vectors", vectors, "--payload", nine}, {"nine.jsonl", " 9 lines", " 10 vectors"}},
           {{"--vectors", vectors, "--ids", eleven}, {"eleven.txt", " 11 ids", " 10 vectors"}},
           {{"--vectors", vectors, "--payload", box_.path("none.jsonl")}, {"none.jsonl"}},
           {{"--vectors", box_.path("none.npy")}, {"none.npy: no such file"}},
           {{"--vectors", nine}, {"nine.jsonl: is no .npy file"}},
           {{"--vectors", flat}, {"flat.npy", "(4,)", "(n, dim)"}},
           {{"--vectors", write("ints.npy", ints)}, {"ints.npy", "<i4"}},
           {{"--vectors", vectors, "--index", "IVF7x"}, {"IVF7x"}},
           {{"--vectors", vectors, "--index", "IVF2,PQ3"}, {"PQ"}},
           {{"--vectors", vectors, "--metric", "manhattan", "--index", "IVF2,Flat"}, {"IVF2"}},
           {{"--vectors", vectors, "--ids", vectors}, {"v.npy", "(n,)"}},
           {{box_.path("work")}, {"manifest.json"}},
       }) {
    std::vector<std::string> arguments = {"import", "c", "--json"};
    arguments.insert(arguments.end(), c.arguments.begin(), c.arguments.end());
    const Finished finished = run(arguments);
    for (const std::string& part : c.parts) expect_error(finished, 1, part);
    EXPECT_THAT(collections(), IsEmpty());
  }
  expect_error(run({"import", "a/b", "--vectors", vectors}), 1, "a/b");
}

TEST_F(Import, RefusesACollectionThatIsThere) {
  const std::string vectors = write("v.npy", Vectors::random(10, 4).npy());
  run_json({"import", "films", "--vectors", vectors});
  expect_error(run({"import", "films", "--vectors", vectors}), 1,
               "collection \"films\" exists already");
  EXPECT_EQ(run_json({"collection", "info", "films"})["num_points"], 10);
}

TEST_F(Import, WrongUseEndsWithTwo) {
  const std::string vectors = write("v.npy", Vectors::random(10, 4).npy());
  expect_error(run({"import"}), 2, "NAME");
  expect_error(run({"import", "c"}), 2, "nothing to import");
  expect_error(run({"import", "c", "--vectors", vectors, "--metric", "hamming"}), 2, "--metric");
  expect_error(run({"import", "c", "--vectors", vectors, "--target-recall", "2"}), 2,
               "--target-recall");
  expect_error(run({"import", "c", "folder", "--vectors", vectors}), 2, "stands alone");
  expect_error(run({"search", "--vectors", vectors, "a dog"}), 2, "stands alone");
  expect_error(run({"search", "--vectors", vectors, "--html", "x.html"}), 2, "--vectors");
  expect_error(run({"search", "a dog", "--using", "x"}), 2, "--using");
  expect_error(run({"search", "--vectors", vectors, "--nprobe", "0"}), 2, "--nprobe");
}

TEST_F(Import, AnEmptyArrayIsAnEmptyCollection) {
  const Json report = run_json(
      {"import", "c", "--vectors", write("v.npy", npy_header(std::array<std::uint64_t, 2>{0, 4}))});
  EXPECT_EQ(report["points"], 0);
  EXPECT_EQ(report["dim"], 4);
  const Json answer = search(write("q.npy", Vectors::random(1, 4).npy()));
  EXPECT_THAT(answer["results"][0]["hits"], IsEmpty());
}

TEST_F(Import, QueriesThatDoNotFitAreRefusedWithBothNumbers) {
  run_json({"import", "c", "--vectors", write("v.npy", Vectors::random(10, 4).npy())});
  const std::vector<std::string> command = {"search", "--collection", "c", "--json", "--vectors"};
  const auto ask = [&](const std::string& file, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = command;
    arguments.push_back(file);
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  };
  const Finished wrong = ask(write("q.npy", Vectors::random(2, 3).npy()));
  expect_error(wrong, 1, "3 dimensions");
  expect_error(wrong, 1, "have 4");
  Vectors nan = Vectors::random(3, 4);
  nan.values[1 * 4] = std::numeric_limits<float>::quiet_NaN();
  expect_error(ask(write("nan.npy", nan.npy())), 1, "query 1");
  const std::string fine = write("fine.npy", Vectors::random(1, 4).npy());
  expect_error(ask(fine, {"--using", "text"}), 1, "no vector \"text\"");
  expect_error(ask(fine, {"--filter", "{\"must\": 1}"}), 1, "must");
  expect_error(ask(fine, {"--filter", "{"}), 1, "--filter");
  expect_error(ask(fine, {"--filter", ""}), 1, "--filter: is empty");
  expect_error(ask(fine, {"--filter", "@"}), 1, "--filter @");
  expect_error(ask(fine, {"--filter", "@nowhere.json"}), 1, "nowhere.json");
}

TEST_F(Import, FiltersNarrowTheAnswer) {
  const Vectors vectors = Vectors::random(300, 8);
  run_json(
      {"import", "c", "--vectors", write("v.npy", vectors.npy()), "--payload", write_payload(300)});
  const std::string queries = write("q.npy", Vectors::random(2, 8, 9).npy());
  const std::string odd = R"({"must": [{"key": "parity", "match": {"value": "odd"}}]})";
  const Json scanned = search(queries, {"--filter", odd, "--top-k", "200"});
  EXPECT_EQ(scanned["plan"]["num_allowed"], 150);
  EXPECT_DOUBLE_EQ(scanned["plan"]["selectivity"].get<double>(), 0.5);
  EXPECT_THAT(scanned["plan"]["warnings"].dump(), HasSubstr("parity"));
  EXPECT_EQ(scanned["plan"]["num_payloads_read"], 300) << "once, not for each query";
  for (const Json& result : scanned["results"]) {
    ASSERT_EQ(result["hits"].size(), 150U) << "all survivors, no padding";
    for (const Json& hit : result["hits"]) EXPECT_EQ(hit["payload"]["parity"], "odd");
  }
  EXPECT_EQ(run_json({"collection", "index", "c", "parity", "--type", "keyword"})["type"],
            "keyword");
  const Json indexed = search(queries, {"--filter", "@" + write("f.json", odd), "--top-k", "200"});
  EXPECT_EQ(indexed["results"], scanned["results"]);
  EXPECT_THAT(indexed["plan"]["warnings"], IsEmpty());
  EXPECT_EQ(indexed["plan"]["num_payloads_read"], 0);
  EXPECT_EQ(indexed["plan"]["num_estimated"], 150);
  const Json few =
      search(queries, {"--filter", R"({"must": [{"key": "row", "range": {"lt": 3}}]})"});
  EXPECT_EQ(few["results"][0]["hits"].size(), 3U);
  const Json none = search(queries, {"--filter", R"({"must": [{"has_id": []}]})"});
  EXPECT_THAT(none["results"][0]["hits"], IsEmpty());
}

/// An import halted once some of its rows are stored.
class HalfImport : public Import {
 protected:
  static constexpr std::size_t kNumRows = 120'000;

  void SetUp() override {
    vectors_ = Vectors::random(kNumRows, 32);
    vectors_.values[32] = std::numeric_limits<float>::quiet_NaN();  // row 1
    file_ = write("v.npy", vectors_.npy());
    running_ =
        box_.start({"import", "c", "--vectors", file_, "--json", "--data", box_.path("data")});
    // A start of the program, here and in num_points(), takes up to a second on a slow machine.
    const auto patience = std::chrono::steady_clock::now() + 300s;
    do {
      ASSERT_TRUE(running_->is_running()) << "it was done before it could be halted";
      ASSERT_LT(std::chrono::steady_clock::now(), patience);
      running_->send(SIGCONT);
      std::this_thread::sleep_for(40ms);
      running_->send(SIGSTOP);
    } while (num_points() == 0);
    stored_ = num_points();
    ASSERT_LT(stored_, kNumRows - 1) << "more rows are needed to catch it half-way";
  }
  std::uint64_t num_points() {
    const Finished finished = run({"collection", "info", "c", "--json"});
    return finished.code == 0 ? finished.json()["num_points"].get<std::uint64_t>() : 0;
  }
  void expect_whole(const Json& report) {
    EXPECT_EQ(report["points"], kNumRows - 1);
    EXPECT_EQ(report["skipped"], (Json{{"not_finite", 1}}));
    EXPECT_EQ(report["rows_done"], kNumRows);
    EXPECT_EQ(num_points(), kNumRows - 1);
    EXPECT_FALSE(run_json({"collection", "info", "c"}).contains("unfinished_import"));
    const Vectors queries{32, {vectors_.row(kNumRows - 1), vectors_.row(kNumRows - 1) + 32}};
    const Json answer = search(write("q.npy", queries.npy()), {"--top-k", "1", "--exact"});
    EXPECT_THAT(ids_of(answer["results"][0]["hits"]), ElementsAre(kNumRows - 1));
  }

  Vectors vectors_;
  std::string file_;
  std::unique_ptr<Running> running_;
  std::uint64_t stored_ = 0;
};

TEST_F(HalfImport, OthersSeeWhatIsThere) {
  const Json info = run_json({"collection", "info", "c"});
  EXPECT_EQ(info["unfinished_import"]["from"], file_);
  EXPECT_EQ(info["unfinished_import"]["rows"], kNumRows);
  const Finished asked = run({"search", "--vectors", write("q.npy", Vectors::random(1, 32).npy()),
                              "--collection", "c", "--json"});
  EXPECT_EQ(asked.code, 0) << asked.err;
  EXPECT_EQ(asked.json()["results"][0]["hits"].size(), 10U);
  EXPECT_THAT(asked.err, HasSubstr("is not whole"));
  expect_error(run({"import", "c", "--vectors", file_}), 1, "sightline import c");
}

TEST_F(HalfImport, GoesOnAfterKillMinusNine) {
  running_->send(SIGKILL);
  EXPECT_EQ(running_->wait().signal, SIGKILL);
  EXPECT_GE(num_points(), stored_);
  const std::string other = write("other.npy", Vectors::random(10, 32).npy());
  const Finished refused = run({"import", "c", "--vectors", other, "--json"});
  expect_error(refused, 1, "unfinished import of " + file_);
  expect_error(run({"import", "c", "--vectors", file_, "--metric", "dot"}), 1, "other options");
  expect_whole(run_json({"import", "c", "--vectors", file_}));
}

TEST_F(HalfImport, CtrlCEndsItInGoodOrder) {
  running_->send(SIGCONT);  // a halted process takes signals on another path of the kernel
  running_->send(SIGINT);
  const Finished stopped = running_->wait();
  EXPECT_EQ(stopped.signal, 0);
  ASSERT_EQ(stopped.code, 130) << stopped.err;
  const Json report = stopped.json();
  EXPECT_EQ(report["interrupted"], true);
  EXPECT_GE(report["points"].get<std::uint64_t>(), stored_);
  EXPECT_LT(report["rows_done"], kNumRows);
  EXPECT_THAT(stopped.last_error_line(), HasSubstr("run the same command to go on"));
  EXPECT_EQ(num_points(), report["points"]);
  expect_whole(run_json({"import", "c", "--vectors", file_}));
}

TEST_F(Import, ALargeArrayIsNotReadIntoMemory) {
  // 2 GiB of zeros that take no room on the disk; under cosine every row is left out.
  const std::uint64_t rows = 1 << 16, dim = 8192;
  const std::string file = write("v.npy", npy_header(std::array<std::uint64_t, 2>{rows, dim}));
  std::filesystem::resize_file(file, std::filesystem::file_size(file) + rows * dim * 4);
  const Finished finished =
      run({"import", "c", "--vectors", file, "--json", "--log-level", "error"});
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(finished.json()["skipped"], (Json{{"zero_vector", rows}}));
#ifndef __SANITIZE_ADDRESS__
  EXPECT_LT(usage.ru_maxrss, 1'000'000) << "KiB";
#endif
}

}  // namespace
}  // namespace sightline::apps::testing
