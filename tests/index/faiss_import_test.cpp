#include "index/faiss_import.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIDMap.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/IndexPQ.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/IndexRefine.h>
#include <faiss/IndexScalarQuantizer.h>
#include <faiss/VectorTransform.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>
#include <gmock/gmock.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "index/internal/faiss_compat.h"
#include "index/shard_builder.h"
#include "tests/index/shard_rows.h"
#include "tests/support/temp_dir.h"

namespace sightline::index {
namespace {

using testing::HasSubstr;
using testing_support::TempDir;

constexpr std::size_t kDim = 8;
constexpr std::size_t kRows = 300;
constexpr std::size_t kLists = 7;

const ShardRows& rows() {
  static const ShardRows kept(kRows, kDim, 3);
  return kept;
}

/// Ids of the id maps of these tests.
std::vector<FaissId> foreign_ids() {
  std::vector<FaissId> ids;
  for (std::size_t row = 0; row < kRows; ++row) {
    ids.push_back(static_cast<FaissId>(7'000'000'000 + row * 3));
  }
  return ids;
}

std::string serialise(const faiss::Index& index) {
  faiss::VectorIOWriter writer;
  faiss::write_index(&index, &writer);
  return {writer.data.begin(), writer.data.end()};
}

using Fill = std::function<void(faiss::Index&)>;

void add(faiss::Index& index) { index.add(kRows, rows().values().data()); }
void add_with_ids(faiss::Index& index) {
  index.add_with_ids(kRows, rows().values().data(), foreign_ids().data());
}

std::string flat(faiss::MetricType metric) {
  faiss::IndexFlat index(kDim, metric);
  add(index);
  return serialise(index);
}

std::string ivf_flat(faiss::MetricType metric, const Fill& fill) {
  faiss::IndexFlat quantizer(kDim, metric);
  quantizer.add(kLists, rows().values().data());
  faiss::IndexIVFFlat index(&quantizer, kDim, kLists, metric);
  index.is_trained = true;
  fill(index);
  return serialise(index);
}

std::string ivf_flat_over_graph() {
  faiss::IndexHNSWFlat quantizer(kDim, 4);
  quantizer.add(kLists, rows().values().data());
  faiss::IndexIVFFlat index(&quantizer, kDim, kLists);
  index.is_trained = true;
  add(index);
  return serialise(index);
}

std::string graph() {
  faiss::IndexHNSWFlat index(kDim, 6, faiss::METRIC_INNER_PRODUCT);
  add(index);
  return serialise(index);
}

template <typename Map>
std::string id_map_of_flat() {
  faiss::IndexFlatL2 flat_index(kDim);
  Map index(&flat_index);
  add_with_ids(index);
  return serialise(index);
}

std::string id_map_of_lists() {
  faiss::IndexFlatL2 quantizer(kDim);
  quantizer.add(kLists, rows().values().data());
  faiss::IndexIVFFlat lists(&quantizer, kDim, kLists);
  lists.is_trained = true;
  faiss::IndexIDMap2 index(&lists);
  add_with_ids(index);
  return serialise(index);
}

std::string ivf_pq(const Fill& fill) {
  faiss::IndexFlatL2 quantizer(kDim);
  faiss::IndexIVFPQ index(&quantizer, kDim, 4, 2, 4);
  index.train(kRows, rows().values().data());
  fill(index);
  return serialise(index);
}

std::string ivf_sq(const Fill& fill) {
  faiss::IndexFlatL2 quantizer(kDim);
  faiss::IndexIVFScalarQuantizer index(&quantizer, kDim, 4, faiss::ScalarQuantizer::QT_8bit);
  index.train(kRows, rows().values().data());
  fill(index);
  return serialise(index);
}

std::string scalar_quantizer() {
  faiss::IndexScalarQuantizer index(kDim, faiss::ScalarQuantizer::QT_8bit);
  index.train(kRows, rows().values().data());
  add(index);
  return serialise(index);
}

std::string id_map_of_codes() {
  faiss::IndexScalarQuantizer codes(kDim, faiss::ScalarQuantizer::QT_8bit);
  codes.train(kRows, rows().values().data());
  faiss::IndexIDMap2 index(&codes);
  add_with_ids(index);
  return serialise(index);
}

std::string transformed(faiss::VectorTransform& transform) {
  transform.train(kRows, rows().values().data());
  faiss::IndexFlatL2 quantizer(kDim);
  faiss::IndexIVFPQ codes(&quantizer, kDim, 4, 2, 4);
  faiss::IndexPreTransform index(&transform, &codes);
  index.train(kRows, rows().values().data());
  add_with_ids(index);
  return serialise(index);
}

template <typename Transform, typename... Arguments>
std::string transformed_by(Arguments... arguments) {
  Transform transform(arguments...);
  return transformed(transform);
}

std::string rotated_flat() {
  faiss::RandomRotationMatrix rotation(kDim, kDim);
  rotation.init(1);
  faiss::IndexFlatL2 flat_index(kDim);
  faiss::IndexPreTransform index(&rotation, &flat_index);
  add(index);
  return serialise(index);
}

std::string refined() {
  faiss::IndexScalarQuantizer codes(kDim, faiss::ScalarQuantizer::QT_8bit);
  faiss::IndexRefineFlat index(&codes);
  index.train(kRows, rows().values().data());
  add(index);
  return serialise(index);
}

std::string id_map_of_refined() {
  faiss::IndexScalarQuantizer codes(kDim, faiss::ScalarQuantizer::QT_8bit);
  faiss::IndexRefineFlat refined_index(&codes);
  refined_index.train(kRows, rows().values().data());
  faiss::IndexIDMap2 index(&refined_index);
  add_with_ids(index);
  return serialise(index);
}

struct ForeignCase {
  std::string name;
  std::function<std::string()> file;
  std::string type;
  Distance distance;
  bool has_foreign_ids;
};
class ForeignFile : public testing::TestWithParam<ForeignCase> {};

TEST_P(ForeignFile, GivesItsVectorsAndIds) {
  const ForeignCase& c = GetParam();
  const TempDir dir;
  const auto index = open_faiss_file(put_file(dir / "foreign", c.file()));
  ASSERT_TRUE(index) << index.error().message;
  EXPECT_EQ((*index)->type(), c.type);
  EXPECT_EQ((*index)->distance(), c.distance);
  EXPECT_EQ((*index)->dim(), kDim);
  ASSERT_EQ((*index)->num_rows(), kRows);
  ASSERT_TRUE((*index)->has_vectors());

  std::vector<bool> seen(kRows);
  for (std::size_t first = 0; first < kRows; first += 77) {  // pieces that end within lists
    const std::size_t count = std::min<std::size_t>(77, kRows - first);
    std::vector<float> values(count * kDim);
    std::vector<std::int64_t> ids(count);
    ASSERT_TRUE((*index)->read(first, count, values.data(), ids.data()));
    for (std::size_t i = 0; i < count; ++i) {
      const auto row =
          static_cast<std::size_t>(c.has_foreign_ids ? (ids[i] - 7'000'000'000) / 3 : ids[i]);
      ASSERT_LT(row, kRows);
      EXPECT_FALSE(seen[row]);
      seen[row] = true;
      EXPECT_EQ(std::memcmp(values.data() + i * kDim, rows().values().data() + row * kDim,
                            kDim * sizeof(float)),
                0);
    }
  }
  EXPECT_EQ(std::ranges::count(seen, true), static_cast<std::ptrdiff_t>(kRows));
  std::vector<float> values(2 * kDim);
  std::vector<std::int64_t> ids(2);
  EXPECT_TRUE((*index)->read(kRows, 0, values.data(), ids.data()));
  const auto beyond = (*index)->read(kRows - 1, 2, values.data(), ids.data());
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, StatusCode::kInvalidArgument);
}

TEST_P(ForeignFile, IsRefusedWhereverItIsCut) {
  const TempDir dir;
  const std::string file = GetParam().file();
  for (std::size_t size = 0; size < file.size(); size += 1 + size / 40) {
    const auto index = open_faiss_file(put_file(dir / "foreign", file.substr(0, size)));
    ASSERT_FALSE(index) << size;
    EXPECT_EQ(index.error().code, StatusCode::kCorruption) << index.error().message;
    EXPECT_THAT(index.error().message, HasSubstr((dir / "foreign").string()));
  }
}

TEST_P(ForeignFile, DoesNotLeadOutOfItselfWhenDamaged) {
  const TempDir dir;
  const std::string file = GetParam().file();
  for (std::size_t at = 0; at < file.size(); at += 1 + at / 50) {
    for (const char value : {'\0', '\x7f', '\xff'}) {
      std::string damaged = file;
      damaged.replace(at, std::min<std::size_t>(4, file.size() - at), 4, value);
      const auto index = open_faiss_file(put_file(dir / "foreign", damaged));
      if (!index || !(*index)->has_vectors()) continue;
      std::vector<float> values((*index)->dim());
      for (std::uint64_t row = 0; row < (*index)->num_rows(); ++row) {
        std::int64_t id = 0;
        if (!(*index)->read(row, 1, values.data(), &id)) break;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Types, ForeignFile,
    testing::ValuesIn(std::vector<ForeignCase>{
        {"FlatL2", [] { return flat(faiss::METRIC_L2); }, "Flat", Distance::kL2, false},
        {"FlatProduct", [] { return flat(faiss::METRIC_INNER_PRODUCT); }, "Flat",
         Distance::kInnerProduct, false},
        {"FlatL1", [] { return flat(faiss::METRIC_L1); }, "Flat", Distance::kL1, false},
        {"IvfFlat", [] { return ivf_flat(faiss::METRIC_INNER_PRODUCT, add); }, "IVF7,Flat",
         Distance::kInnerProduct, false},
        {"IvfFlatWithIds", [] { return ivf_flat(faiss::METRIC_L2, add_with_ids); }, "IVF7,Flat",
         Distance::kL2, true},
        {"IvfFlatOverGraph", ivf_flat_over_graph, "IVF7,Flat", Distance::kL2, false},
        {"Hnsw", graph, "HNSW6,Flat", Distance::kInnerProduct, false},
        {"Refined", refined, "Refine,Flat", Distance::kL2, false},
        {"IdMapOfRefined", id_map_of_refined, "IDMap2,Refine,Flat", Distance::kL2, true},
        {"IdMap", id_map_of_flat<faiss::IndexIDMap>, "IDMap,Flat", Distance::kL2, true},
        {"IdMap2", id_map_of_flat<faiss::IndexIDMap2>, "IDMap2,Flat", Distance::kL2, true},
        {"IdMapOfLists", id_map_of_lists, "IDMap2,IVF7,Flat", Distance::kL2, true},
    }),
    [](const auto& info) { return info.param.name; });

struct LossyCase {
  std::string file, type;
  bool has_own_ids;
};

TEST(ForeignLossyFile, SaysThatItHoldsCodesAndWhetherItHasIds) {
  const std::vector<LossyCase> cases = {
      {ivf_pq(add), "IVF,PQ", false},
      {ivf_pq(add_with_ids), "IVF,PQ", true},
      {ivf_sq(add), "IVF,SQ", false},
      {ivf_sq(add_with_ids), "IVF,SQ", true},
      {scalar_quantizer(), "SQ", false},
      {id_map_of_codes(), "IDMap2,SQ", true},
      {rotated_flat(), "PreTransform", false},
      {transformed_by<faiss::OPQMatrix>(int{kDim}, 2), "PreTransform", true},
      {transformed_by<faiss::PCAMatrix>(int{kDim}, int{kDim}), "PreTransform", true},
      {transformed_by<faiss::NormalizationTransform>(int{kDim}), "PreTransform", true},
      {transformed_by<faiss::CenteringTransform>(int{kDim}), "PreTransform", true}};
  for (const auto& [file, type, has_own_ids] : cases) {
    const TempDir dir;
    const auto index = open_faiss_file(put_file(dir / "foreign", file));
    ASSERT_TRUE(index) << index.error().message;
    EXPECT_EQ((*index)->type(), type);
    EXPECT_EQ((*index)->num_rows(), kRows);
    EXPECT_EQ((*index)->dim(), kDim);
    EXPECT_FALSE((*index)->has_vectors());
    EXPECT_EQ((*index)->has_own_ids(), has_own_ids) << type;
    std::vector<float> values(kDim);
    std::int64_t id = 0;
    const auto read = (*index)->read(0, 1, values.data(), &id);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, StatusCode::kFailedPrecondition);
    EXPECT_THAT(read.error().message, HasSubstr(type + " holds codes"));
  }
}

TEST(ForeignFileOfAnotherKind, IsNamed) {
  const TempDir dir;
  const auto canberra = open_faiss_file(dir.write("canberra", flat(faiss::METRIC_Canberra)));
  ASSERT_FALSE(canberra);
  EXPECT_EQ(canberra.error().code, StatusCode::kUnimplemented);
  EXPECT_THAT(canberra.error().message, HasSubstr("metric"));

  EXPECT_EQ(open_faiss_file(dir / "missing").error().code, StatusCode::kNotFound);
  for (const std::string& text :
       {std::string(500, '\xd8'), std::string(), std::string("IxF"), std::string("\x93NUMPY")}) {
    const auto other = open_faiss_file(dir.write("other", text));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, StatusCode::kCorruption);
    EXPECT_THAT(other.error().message, HasSubstr("other: is not an index of FAISS"));
  }
  const auto binary = open_faiss_file(dir.write("binary", "IBxF" + std::string(500, '\0')));
  ASSERT_FALSE(binary);
  EXPECT_EQ(binary.error().code, StatusCode::kUnimplemented);
  EXPECT_THAT(binary.error().message, HasSubstr("binary"));
}

TEST(ForeignFileOfAnotherKind, MayBeAShardOfOurs) {
  const TempDir dir;
  ASSERT_TRUE(build_shard(dir / "shard", rows().refs(),
                          build_options("IVF5,Flat", kDim, Distance::kL2), nullptr,
                          Deadline::never()));
  const auto index = open_faiss_file(dir / "shard/index.faiss");
  ASSERT_TRUE(index) << index.error().message;
  EXPECT_EQ((*index)->type(), "IVF5,Flat");
  EXPECT_EQ((*index)->num_rows(), kRows);
}

}  // namespace
}  // namespace sightline::index
