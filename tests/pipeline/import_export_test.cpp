// Import and export, below the command line: named vectors, going on, FAISS files, lines.
#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexPQ.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/MetaIndexes.h>
#include <faiss/VectorTransform.h>
#include <faiss/index_io.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <stop_token>

#include "core/npy.h"
#include "pipeline/data_folder.h"
#include "pipeline/internal/line_file.h"
#include "pipeline/vector_export.h"
#include "pipeline/vector_import.h"
#include "tests/support/temp_dir.h"

namespace sightline::pipeline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::TempDir;

struct LinesCase {
  std::string name, text;
  std::uint64_t count;
  std::vector<std::string> lines;
};
class Lines : public testing::TestWithParam<LinesCase> {};
TEST_P(Lines, AreCountedAndRead) {
  const TempDir dir;
  const auto path = dir.write("lines.txt", GetParam().text);
  EXPECT_EQ(LineFile::count(path, Deadline::never()).value(), GetParam().count);
  LineFile file = LineFile::open(path).value();
  std::vector<std::string> lines;
  for (std::string line; file.next(line).value();) lines.push_back(line);
  EXPECT_EQ(lines, GetParam().lines);
  LineTable table = LineTable::open(path, Deadline::never()).value();
  ASSERT_EQ(table.num_lines(), GetParam().count);
  for (std::size_t i = table.num_lines(); i-- > 0;) EXPECT_EQ(table.line(i).value(), lines[i]);
  LineFile rest = LineFile::open(path).value();
  ASSERT_TRUE(rest.skip(1));
  std::string second;
  EXPECT_EQ(rest.next(second).value(), lines.size() > 1);
  if (lines.size() > 1) {
    EXPECT_EQ(second, lines[1]);
  }
}
INSTANTIATE_TEST_SUITE_P(Cases, Lines,
                         testing::ValuesIn(std::vector<LinesCase>{
                             {"Empty", "", 0, {}},
                             {"One", "a", 1, {"a"}},
                             {"OneEnded", "a\n", 1, {"a"}},
                             {"Windows", "a\r\nb\r\n", 2, {"a", "b"}},
                             {"ByteOrderMark", "\xEF\xBB\xBF{}\n{}", 2, {"{}", "{}"}},
                             {"BlankInside", "a\n\nb\n", 3, {"a", "", "b"}},
                             {"BlankAtTheEnd", "a\nb\n\n \t\r\n\n", 2, {"a", "b", "", " \t", ""}},
                             {"BlankAlone", "\n\n", 0, {"", ""}},
                         }),
                         [](const auto& info) { return info.param.name; });

class ImportExport : public testing::Test {
 protected:
  ImportExport() : pool_({.num_threads = 2}) {
    folder_ = DataFolder::open(dir_ / "data", Access::kWrite, {}, pool_).value();
  }
  Result<ImportReport> import(const ImportOptions& options, std::stop_token stop = {},
                              const ReportJob& progress = {}) {
    return import_vectors(*folder_, "c", options, pool_, progress, stop);
  }
  std::vector<StoredPoint> points_of(const std::string& name) {
    const auto store = folder_->open_collection(name).value();
    return store->scroll(std::nullopt, 100'000, {true, true}).value();
  }
  static std::vector<float> random_rows(std::size_t count, std::size_t dim, bool unit = false) {
    std::mt19937 engine(4);
    std::normal_distribution<float> number;
    std::vector<float> rows(count * dim);
    for (float& value : rows) value = number(engine);
    for (std::size_t i = 0; unit && i < count; ++i) {
      float squares = 0;
      for (std::size_t k = 0; k < dim; ++k) squares += rows[i * dim + k] * rows[i * dim + k];
      for (std::size_t k = 0; k < dim; ++k) rows[i * dim + k] /= std::sqrt(squares);
    }
    return rows;
  }
  std::filesystem::path write_npy(const std::vector<float>& rows, std::size_t dim) {
    const std::array<std::uint64_t, 2> shape = {rows.size() / dim, dim};
    return dir_.write("v.npy", npy_bytes(shape, rows));
  }

  TempDir dir_;
  ComputePool pool_;
  std::unique_ptr<DataFolder> folder_;
};

TEST_F(ImportExport, KeepsNamedVectorsAndWhichPointLacksThem) {
  CollectionConfig config;
  config.vectors[""] = {.dim = 2, .metric = Metric::kEuclid};
  config.vectors["text/1"] = {.dim = 3, .metric = Metric::kDot, .index = "Flat"};
  config.vectors["text/1"].model = {"sum", "white", "name", "/path", "fp32"};
  const auto store = folder_->create_collection("from", config).value();
  std::vector<WriteOp> ops;
  ops.emplace_back(UpsertPoint{PointId(7), {{"", {1, 2}}, {"text/1", {3, 4, 5}}}, {{"a", 1}}});
  ops.emplace_back(UpsertPoint{PointId(UINT64_MAX), {{"text/1", {6, 7, 8}}}});
  ops.emplace_back(UpsertPoint{PointId::parse("6f1c1f2e-0d5b-4c5f-9a5e-0123456789ab").value(),
                               {{"", {0, -1}}},
                               {{"b", nullptr}}});
  ops.emplace_back(UpsertPoint{PointId(9), {}, {{"bare", true}}});
  ASSERT_TRUE(store->write(std::move(ops)));
  const auto report = export_collection(*store, dir_ / "export", {}, Deadline::never());
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->files.at("text/1"), "vectors.text%2F1.npy");
  EXPECT_TRUE(std::filesystem::exists(dir_ / "export" / "vectors.text%2F1.npy"));

  const auto imported = import({.folder = dir_ / "export"});
  ASSERT_TRUE(imported) << imported.error().message;
  EXPECT_EQ(imported->num_points, 4U);
  EXPECT_THAT(imported->skipped, IsEmpty());
  const auto before = points_of("from"), after = points_of("c");
  ASSERT_EQ(after.size(), before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(after[i].id, before[i].id);
    EXPECT_EQ(after[i].payload, before[i].payload);
    ASSERT_EQ(after[i].vectors.size(), before[i].vectors.size());
    for (std::size_t k = 0; k < before[i].vectors.size(); ++k) {
      EXPECT_EQ(after[i].vectors[k].name, before[i].vectors[k].name);
      EXPECT_EQ(after[i].vectors[k].values, before[i].vectors[k].values);
    }
  }
  const CollectionConfig& copied = imported->config;
  EXPECT_EQ(copied.vectors.at("text/1").model.checksum, "sum");
  EXPECT_EQ(copied.vectors.at("text/1").index, "Flat");
}

TEST_F(ImportExport, AnExportOfWhatChangesMeanwhileFails) {
  ASSERT_TRUE(import({.vectors = write_npy(random_rows(3000, 4), 4)}));
  const auto store = folder_->open_collection("c").value();
  bool changed = false;
  const auto report = export_collection(
      *store, dir_ / "export",
      [&](const JobProgress& progress) {
        if (std::exchange(changed, true) || progress.done >= 3000) return;
        std::vector<WriteOp> ops;
        ops.emplace_back(DeletePoint{PointId(2999)});
        EXPECT_TRUE(store->write(std::move(ops)));
      },
      Deadline::never());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, StatusCode::kFailedPrecondition);
  EXPECT_FALSE(std::filesystem::exists(dir_ / "export" / "manifest.json"));
}

TEST_F(ImportExport, GoesOnWhereItWasStopped) {
  auto rows = random_rows(14'500, 4);
  rows[4 * 100] = std::nanf("");
  rows[4 * 14'400] = std::nanf("");
  const ImportOptions options{.vectors = write_npy(rows, 4)};
  std::stop_source stop;
  std::uint64_t seen = 0;
  const auto first = import(options, stop.get_token(), [&](const JobProgress& progress) {
    EXPECT_EQ(progress.stage, "loading");
    seen = progress.done;
    if (progress.done >= 8'000) stop.request_stop();
  });
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_TRUE(first->interrupted);
  EXPECT_EQ(first->num_done, 8'000U);
  EXPECT_EQ(seen, 8'000U);
  EXPECT_EQ(first->num_points, 7'999U);
  EXPECT_EQ(first->skipped.at("not_finite"), 1U);
  const auto store = folder_->open_collection("c").value();
  const auto unfinished = unfinished_import(*store).value();
  ASSERT_TRUE(unfinished);
  EXPECT_EQ(unfinished->num_done, 8'000U);
  EXPECT_EQ(unfinished->num_rows, 14'500U);

  std::uint64_t least = UINT64_MAX;
  const auto second = import(options, {}, [&](const JobProgress& progress) {
    if (progress.stage == "loading") least = std::min(least, progress.done);
  });
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_FALSE(second->interrupted);
  EXPECT_EQ(least, 12'000U) << "what was there was not loaded again";
  EXPECT_EQ(second->num_points, 14'498U);
  EXPECT_EQ(second->skipped.at("not_finite"), 2U);
  EXPECT_FALSE(unfinished_import(*store).value());
  EXPECT_EQ(store->info()->num_sources, 0U) << "the record is gone";
  EXPECT_EQ(import(options).error().code, StatusCode::kAlreadyExists);
}

TEST_F(ImportExport, StoppedBeforeItBeganItLeavesNothing) {
  std::stop_source stop;
  stop.request_stop();
  const auto payload = dir_.write("p.jsonl", "{}\n");
  const auto report =
      import({.vectors = write_npy({1, 2}, 2), .payload = payload}, stop.get_token());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, StatusCode::kCancelled);
  EXPECT_THAT(folder_->list_collections().value(), IsEmpty());
}

TEST_F(ImportExport, TakesUpACollectionThatWasOnlyMade) {
  CollectionConfig config;
  config.vectors[""] = {.dim = 2, .metric = Metric::kCosine};
  ASSERT_TRUE(folder_->create_collection("c", config));
  const auto file = write_npy({1, 2, 3, 4, 5, 6}, 3);
  EXPECT_EQ(import({.vectors = file}).error().code, StatusCode::kAlreadyExists) << "another dim";
  const auto report = import({.vectors = write_npy({1, 2, 3, 4, 5, 6}, 2)});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->num_points, 3U);
}

TEST_F(ImportExport, AChangedFileIsAnotherImport) {
  const auto path = write_npy(random_rows(10'000, 4), 4);
  std::stop_source stop;
  ASSERT_TRUE(import({.vectors = path}, stop.get_token(),
                     [&](const JobProgress&) { stop.request_stop(); }));
  write_npy(random_rows(10'100, 4), 4);
  const auto refused = import({.vectors = path});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, StatusCode::kAlreadyExists);
  EXPECT_THAT(refused.error().message, HasSubstr("4000 of 10000 rows of an unfinished import"));
}

// --- FAISS ---------------------------------------------------------------------------------------

class ImportFaiss : public ImportExport {
 protected:
  static constexpr std::size_t kCount = 500, kDim = 8;

  std::filesystem::path write_index(const faiss::Index& index) {
    const auto path = dir_ / "index.faiss";
    faiss::write_index(&index, path.c_str());
    return path;
  }
  /// Point i (or the one with ids[i]) has row i.
  void expect_rows(const std::vector<float>& rows, const std::vector<std::int64_t>& ids = {}) {
    const auto points = points_of("c");
    ASSERT_EQ(points.size(), kCount);
    std::map<PointId, std::vector<float>> by_id;
    for (const StoredPoint& point : points) by_id[point.id] = point.vectors[0].values;
    for (std::size_t i = 0; i < kCount; ++i) {
      const auto id = ids.empty() ? i : static_cast<std::uint64_t>(ids[i]);
      const std::vector<float> row(rows.data() + i * kDim, rows.data() + (i + 1) * kDim);
      EXPECT_EQ(by_id[PointId(id)], row) << i;
    }
  }
};

TEST_F(ImportFaiss, FlatBringsVectorsMetricAndIds) {
  const auto rows = random_rows(kCount, kDim);
  faiss::IndexFlatL2 index(kDim);
  index.add(kCount, rows.data());
  const auto report = import({.faiss = write_index(index)});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->config.vectors.at("").metric, Metric::kEuclid);
  expect_rows(rows);
}

TEST_F(ImportFaiss, AProductOfUnitRowsIsACosine) {
  for (const bool unit : {true, false}) {
    const auto rows = random_rows(kCount, kDim, unit);
    faiss::IndexFlatIP index(kDim);
    index.add(kCount, rows.data());
    const auto report = import({.faiss = write_index(index)});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->config.vectors.at("").metric, unit ? Metric::kCosine : Metric::kDot);
    ASSERT_TRUE(folder_->delete_collection("c"));
    EXPECT_EQ(import({.faiss = write_index(index), .metric = Metric::kManhattan})
                  ->config.vectors.at("")
                  .metric,
              Metric::kManhattan)
        << "what is asked for holds";
    ASSERT_TRUE(folder_->delete_collection("c"));
  }
}

TEST_F(ImportFaiss, AnIdMapBringsItsIds) {
  const auto rows = random_rows(kCount, kDim);
  std::vector<std::int64_t> ids;
  for (std::size_t i = 0; i < kCount; ++i) {
    ids.push_back(static_cast<std::int64_t>(1'000'000'000'000 - 3 * i));
  }
  faiss::IndexFlatL2 flat(kDim);
  faiss::IndexIDMap index(&flat);
  index.add_with_ids(kCount, rows.data(), ids.data());
  std::string payload;
  for (std::size_t i = 0; i < kCount; ++i) payload += "{\"row\": " + std::to_string(i) + "}\n";
  const auto report =
      import({.payload = dir_.write("p.jsonl", payload), .faiss = write_index(index)});
  ASSERT_TRUE(report) << report.error().message;
  expect_rows(rows, ids);
  const auto store = folder_->open_collection("c").value();
  const std::vector<PointId> some = {PointId(static_cast<std::uint64_t>(ids[123]))};
  EXPECT_EQ(store->get(some, {})->front()->payload, (Json{{"row", 123}}));
}

TEST_F(ImportFaiss, InvertedListsGiveEachRowThePayloadOfItsId) {
  const auto rows = random_rows(kCount, kDim);
  faiss::IndexFlatL2 quantizer(kDim);
  faiss::IndexIVFFlat index(&quantizer, kDim, 4);
  index.train(kCount, rows.data());
  index.add(kCount, rows.data());
  std::string payload;
  for (std::size_t i = 0; i < kCount; ++i) payload += "{\"row\": " + std::to_string(i) + "}\n";
  const auto report =
      import({.payload = dir_.write("p.jsonl", payload), .faiss = write_index(index)});
  ASSERT_TRUE(report) << report.error().message;
  expect_rows(rows);
  for (const StoredPoint& point : points_of("c")) {
    EXPECT_EQ(point.payload["row"], point.id.number());
  }
}

TEST_F(ImportFaiss, HnswBringsItsVectors) {
  const auto rows = random_rows(kCount, kDim);
  faiss::IndexHNSWFlat index(kDim, 8);
  index.add(kCount, rows.data());
  ASSERT_TRUE(import({.faiss = write_index(index)}));
  expect_rows(rows);
}

TEST_F(ImportFaiss, LossyCodesNeedTheVectors) {
  const auto rows = random_rows(kCount, kDim);
  faiss::IndexPQ index(kDim, 2, 4);
  index.train(kCount, rows.data());
  index.add(kCount, rows.data());
  const auto file = write_index(index);
  const auto refused = import({.faiss = file});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("--vectors"));
  const auto other =
      import({.vectors = write_npy(random_rows(kCount - 1, kDim), kDim), .faiss = file});
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message, HasSubstr("499"));
  EXPECT_THAT(other.error().message, HasSubstr("500"));
  EXPECT_THAT(folder_->list_collections().value(), IsEmpty());
  const auto report = import({.vectors = write_npy(rows, kDim), .faiss = file});
  ASSERT_TRUE(report) << report.error().message;
  EXPECT_EQ(report->config.vectors.at("").metric, Metric::kEuclid);
  expect_rows(rows);
}

TEST_F(ImportFaiss, WhatIsNoIndexIsRefused) {
  for (const auto& path : {dir_.write("text", "this is no index"), dir_ / "none"}) {
    const auto refused = import({.faiss = path});
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr(path.filename().string()));
  }
  faiss::IndexFlatL2 index(kDim);
  const auto rows = random_rows(kCount, kDim);
  index.add(kCount, rows.data());
  faiss::RandomRotationMatrix rotation(kDim, kDim);
  const faiss::IndexPreTransform rotated(&rotation, &index);
  const auto transformed = import({.faiss = write_index(rotated)});
  ASSERT_FALSE(transformed);
  EXPECT_THAT(transformed.error().message, HasSubstr("PreTransform"));
  EXPECT_THAT(transformed.error().message, HasSubstr("give them with --vectors"));
  const auto both = import({.vectors = write_npy(rows, kDim), .faiss = write_index(index)});
  ASSERT_FALSE(both);
  EXPECT_THAT(both.error().message, HasSubstr("leave out --vectors"));
}

}  // namespace
}  // namespace sightline::pipeline
