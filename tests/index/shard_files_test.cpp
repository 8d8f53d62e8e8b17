// What open_shard_files() makes of files that are not as they were written. That it opens what was
// is shown by shard_builder_test.
#include <gmock/gmock.h>

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/json.h"
#include "index/internal/shard_data.h"
#include "index/internal/shard_manifest.h"
#include "index/shard_builder.h"
#include "index/sidecar.h"
#include "tests/index/shard_rows.h"
#include "tests/support/temp_dir.h"

namespace sightline::index {
namespace {

using testing::HasSubstr;
using testing_support::read_file;
using testing_support::TempDir;

constexpr std::size_t kDim = 8;
constexpr std::size_t kRows = 60;

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// Everything that a ShardData says, and every byte that it points at.
std::string contents(const ShardData& data) {
  std::string all = to_string(data.spec) + std::to_string(data.nprobe) + "," +
                    std::to_string(data.ef_search) + "," + std::to_string(data.refine) + "," +
                    std::to_string(data.half_vectors) + "," + std::to_string(data.max_shift);
  const auto add = [&](const auto& values) {
    const auto raw = std::as_bytes(std::span(values.data(), values.size()));
    all.append(reinterpret_cast<const char*>(raw.data()), raw.size());
  };
  add(data.slots);
  add(data.versions);
  for (std::size_t row = 0; row < data.num_rows; ++row) {
    add(std::span(data.vector(row), data.row_bytes()));
  }
  for (const ShardData::List& list : data.lists) {
    add(std::span(list.codes, list.size * data.code_size));
    add(std::span(list.ids, list.size * 8));
  }
  add(data.centroids);
  add(data.sq_min);
  add(data.sq_difference);
  add(data.codebooks);
  add(data.hnsw_levels);
  add(data.hnsw_neighbours);
  return all;
}

class DamagedShard : public testing::TestWithParam<std::string> {
 protected:
  DamagedShard() : rows_(kRows, kDim, 5) {
    const auto options = build_options(GetParam(), kDim, Distance::kL2);
    const auto built = build_shard(folder_, rows_.refs(), options, nullptr, Deadline::never());
    EXPECT_TRUE(built) << built.error().message;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      files_[entry.path().filename()] = read_file(entry.path());
    }
    contents_ = contents(*open(true).value());
  }

  Result<std::unique_ptr<ShardData>> open(bool verify_all) const {
    return open_shard_files(folder_, kDim, Distance::kL2, verify_all);
  }
  void put(const std::string& name, std::string_view content) const {
    put_file(folder_ / name, content);
  }

  /// Opens in both ways. Whatever is found wrong must be called corruption; what opens must be
  /// unchanged if every byte was verified, and safe to walk otherwise.
  void check(const std::string& name, const std::string& what) const {
    for (const bool verify_all : {true, false}) {
      const auto opened = open(verify_all);
      if (opened) {
        const std::string found = contents(**opened);
        EXPECT_TRUE(!verify_all || found == contents_) << name << ", " << what;
        EXPECT_EQ(verify_shard_files(folder_).has_value(), found == contents_);
      } else {
        EXPECT_EQ(opened.error().code, StatusCode::kCorruption)
            << name << ", " << what << ": " << opened.error().message;
        EXPECT_THAT(opened.error().message, HasSubstr(folder_.string()));
      }
    }
  }

  const ShardRows rows_;
  const TempDir dir_;
  const std::filesystem::path folder_ = dir_ / "shard";
  std::map<std::string, std::string> files_;
  std::string contents_;
};

TEST_P(DamagedShard, IsNoticedWhereverAFileIsCut) {
  for (const auto& [name, content] : files_) {
    for (std::size_t size = 0; size < content.size(); size += 1 + content.size() / 211) {
      put(name, content.substr(0, size));
      check(name, "cut to " + std::to_string(size));
    }
    put(name, content + "x");
    check(name, "longer");
    std::filesystem::remove(folder_ / name);
    const auto opened = open(false);
    ASSERT_FALSE(opened) << name;
    EXPECT_EQ(opened.error().code, StatusCode::kCorruption);
    EXPECT_THAT(opened.error().message, HasSubstr(name + " is missing"));
    put(name, content);
  }
}

TEST_P(DamagedShard, IsNoticedWhicheverBitIsFlipped) {
  for (const auto& [name, content] : files_) {
    std::string damaged = content;
    for (std::size_t at = 0; at < content.size(); at += 1 + content.size() / 997) {
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
      put(name, damaged);
      check(name, "bit flipped in byte " + std::to_string(at));
      damaged[at] = content[at];
    }
    put(name, content);
  }
  EXPECT_TRUE(verify_shard_files(folder_));
}

TEST_P(DamagedShard, OfMappedBytesIsFoundByVerify) {
  const std::string name = files_.contains("vectors") ? "vectors" : "index.faiss";
  std::string damaged = files_[name];
  damaged[read_shard_manifest(folder_).value().files.at(name).head.size] ^= 1;
  put(name, damaged);
  EXPECT_TRUE(open(false));
  const auto verified = verify_shard_files(folder_);
  ASSERT_FALSE(verified);
  EXPECT_EQ(verified.error().code, StatusCode::kCorruption);
  EXPECT_THAT(verified.error().message, HasSubstr((folder_ / name).string()));
  EXPECT_THAT(verified.error().message, HasSubstr("its bulk"));
}

/// Gives index.faiss a content and all checksums that belong to it: so the walk itself is tested.
void forge(const std::filesystem::path& folder, const std::string& content) {
  FailingCalls calls(FailingCalls::kNever);
  ShardManifest manifest = read_shard_manifest(folder).value();
  auto& file = manifest.files.find(kIndexFile)->second;
  const auto head_bytes = std::min<std::size_t>(file.head.size, content.size());
  file.head = region_of(bytes(content).first(head_bytes));
  file.bulk = region_of(bytes(content).subspan(head_bytes));
  const std::string source = sidecar_source(file);
  put_file(folder / kIndexFile, content);
  const SidecarKind& vectors_kind = manifest.half_vectors ? kHalfVectorsKind : kVectorsKind;
  for (const auto& [name, kind] :
       {std::pair(kRowsFile, kRowsKind), std::pair(kVectorsFile, vectors_kind)}) {
    const auto path = folder / name;
    if (!std::filesystem::exists(path)) continue;
    const std::string payload = read_file(path).substr(kSidecarHeaderBytes);
    std::filesystem::remove(path);
    const auto writer = SidecarWriter::create(path, kind, source, calls).value();
    ASSERT_TRUE(writer->append(bytes(payload)));
    const auto written = writer->finish().value();
    manifest.files.find(name)->second = {written.header, written.payload};
  }
  std::filesystem::remove(folder / kManifestFile);
  ASSERT_TRUE(write_shard_manifest(folder, manifest, calls));
}

TEST_P(DamagedShard, IsNoticedThoughItsChecksumsMatch) {
  const std::string& content = files_["index.faiss"];
  forge(folder_, content);
  EXPECT_EQ(contents(*open(true).value()), contents_);
  const std::size_t head = read_shard_manifest(folder_).value().files.at("index.faiss").head.size;
  std::size_t num_refused = 0;
  // Fields lie before centroids and codebooks, and behind them.
  const auto step = [&](std::size_t at) {
    if (at > head) return std::size_t{97};
    return at < 300 || head - at < 200 ? std::size_t{1} : 1 + head / 500;
  };
  for (std::size_t at = 0; at < content.size(); at += step(at)) {
    for (const std::uint64_t value : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 40,
                                      std::uint64_t{0x7fffffff}, std::uint64_t{61}}) {
      std::string forged = content;
      std::memcpy(forged.data() + at, &value, std::min(sizeof(value), content.size() - at));
      forge(folder_, forged);
      const auto opened = open(true);
      if (opened) {
        contents(**opened);  // nothing that it says leads out of its bytes
        continue;
      }
      ++num_refused;
      EXPECT_EQ(opened.error().code, StatusCode::kCorruption) << opened.error().message;
    }
  }
  EXPECT_GE(num_refused, 100U);
}

TEST_P(DamagedShard, IsNoticedThoughItIsCutWithMatchingChecksums) {
  const std::string& content = files_["index.faiss"];
  for (std::size_t size = 0; size < content.size(); size += 1 + content.size() / 499) {
    forge(folder_, content.substr(0, size));
    const auto opened = open(true);
    ASSERT_FALSE(opened) << size;
    EXPECT_EQ(opened.error().code, StatusCode::kCorruption) << opened.error().message;
  }
  forge(folder_, content + "xxxxxxxx");
  EXPECT_FALSE(open(true));
}

TEST_P(DamagedShard, RefusesWhatIsNotExpected) {
  const auto dim = open_shard_files(folder_, kDim + 1, Distance::kL2, true);
  ASSERT_FALSE(dim);
  EXPECT_EQ(dim.error().code, StatusCode::kFailedPrecondition);
  EXPECT_THAT(dim.error().message, HasSubstr("dim 8"));
  const auto distance = open_shard_files(folder_, kDim, Distance::kInnerProduct, true);
  ASSERT_FALSE(distance);
  EXPECT_EQ(distance.error().code, StatusCode::kFailedPrecondition);
  EXPECT_EQ(open_shard_files(dir_ / "other", kDim, Distance::kL2, true).error().code,
            StatusCode::kNotFound);
}

INSTANTIATE_TEST_SUITE_P(Types, DamagedShard,
                         testing::Values("Flat", "IVF5,Flat", "IVF5,SQ8", "IVF5,PQ4",
                                         "IVF5,PQ4,Refine(SQfp16)", "HNSW4"),
                         [](const auto& info) { return case_name(info.param); });

class ShardOfAnotherFormat : public testing::Test {
 protected:
  ShardOfAnotherFormat() : rows_(10, kDim, 5) {
    EXPECT_TRUE(build_shard(dir_ / "shard", rows_.refs(),
                            build_options("Flat", kDim, Distance::kL2), nullptr,
                            Deadline::never()));
  }
  /// shard.json changed, with the right checksum.
  Status open_changed(const std::function<void(Json&)>& change) const {
    Json json = read_json_file(dir_ / "shard/shard.json").value();
    change(json["shard"]);
    json["checksum"] = region_of(bytes(json["shard"].dump())).checksum;
    dir_.write("shard/shard.json", json.dump());
    const auto opened = open_shard_files(dir_ / "shard", kDim, Distance::kL2, true);
    EXPECT_FALSE(opened);
    return opened ? Status{} : opened.error();
  }

  const ShardRows rows_;
  const TempDir dir_;
};

TEST_F(ShardOfAnotherFormat, IsRefusedByName) {
  const Status newer = open_changed([](Json& shard) { shard["format"] = 3; });
  EXPECT_EQ(newer.code, StatusCode::kFailedPrecondition);
  EXPECT_THAT(newer.message, HasSubstr("has format 3; this program reads up to 2"));
}

TEST_F(ShardOfAnotherFormat, IsDamagedWhereItMakesNoSense) {
  const std::vector<std::function<void(Json&)>> changes = {
      [](Json& shard) { shard["format"] = "one"; },
      [](Json& shard) { shard["dim"] = -8; },
      [](Json& shard) { shard["num_rows"] = 0; },
      [](Json& shard) { shard["num_rows"] = std::uint64_t{1} << 40; },
      [](Json& shard) { shard["num_rows"] = 9; },
      [](Json& shard) { shard["spec"] = "auto"; },
      [](Json& shard) { shard["spec"] = "HNSW32"; },
      [](Json& shard) { shard["spec"] = "Flat?"; },
      [](Json& shard) { shard["distance"] = "cosine"; },
      [](Json& shard) { shard.erase("nprobe"); },
      [](Json& shard) { shard["files"].erase("rows"); },
      [](Json& shard) { shard["files"]["rows"]["head"]["bytes"] = std::uint64_t{1} << 63; },
      [](Json& shard) { shard["files"] = Json::array(); },
      [](Json& shard) { shard = 7; },
  };
  const std::string before = read_file(dir_ / "shard/shard.json");
  for (std::size_t i = 0; i < changes.size(); ++i) {
    dir_.write("shard/shard.json", before);
    const Status status = open_changed(changes[i]);
    // Another dim reads as another collection's shard.
    EXPECT_TRUE(status.code == StatusCode::kCorruption ||
                (i == 1 && status.code == StatusCode::kFailedPrecondition))
        << i << ": " << status.message;
  }
}

TEST_F(ShardOfAnotherFormat, NoticesRowsThatBelongToAnotherIndex) {
  const ShardRows others(10, kDim, 6);
  ASSERT_TRUE(build_shard(dir_ / "other", others.refs(), build_options("Flat", kDim, Distance::kL2),
                          nullptr, Deadline::never()));
  dir_.write("shard/rows", read_file(dir_ / "other/rows"));
  const Status status = open_changed([&](Json& shard) {
    const Json other = read_json_file(dir_ / "other/shard.json").value();
    shard["files"]["rows"] = other["shard"]["files"]["rows"];
  });
  EXPECT_EQ(status.code, StatusCode::kCorruption);
  EXPECT_THAT(status.message, HasSubstr("is stale"));
}

}  // namespace
}  // namespace sightline::index
