// FAISS files as others write them, with Debian's python3-faiss, become collections of ours.
#include <gmock/gmock.h>

#include <array>
#include <string>
#include <vector>

#include "tests/apps/vectors.h"
#include "tests/interop/python.h"

namespace sightline::apps::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kDim = 16;
constexpr std::size_t kRows = 1000;
constexpr std::uint64_t kFirstId = 7'000'000'000, kIdStep = 3;  // more than 32 bits

struct ForeignCase {
  std::string name, factory;
  std::vector<std::string> more;  // for write_index.py: "ids", "array", "hashtable"
  bool with_vectors = false;      // --vectors beside --faiss
  std::string refusal;            // of the import; empty: it is taken
};
class ForeignFile : public ::testing::TestWithParam<ForeignCase> {
 protected:
  bool has_ids() const { return std::ranges::count(GetParam().more, "ids") > 0; }
  std::uint64_t id_of(std::size_t row) const { return has_ids() ? kFirstId + kIdStep * row : row; }

  void write_index(const std::string& metric) {
    const auto& [name, factory, more, with_vectors, refusal] = GetParam();
    box_.dir().write("rows.npy", rows_.npy());
    std::vector<std::string> arguments = {box_.path("rows.npy"), box_.path("index"), factory,
                                          metric};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto run = testing_support::run_script("write_index.py", arguments);
    ASSERT_EQ(run.status, 0) << run.output;
  }
  Finished import(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"import", "c",      "--faiss",        box_.path("index"),
                                          "--json", "--data", box_.path("data")};
    if (GetParam().with_vectors) {
      arguments.insert(arguments.end(), {"--vectors", box_.path("rows.npy")});
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return box_.run(arguments);
  }

  const Vectors rows_ = Vectors::random(kRows, kDim);
  Sandbox box_;
};

TEST_P(ForeignFile, IsImportedWithItsIdsOrRefusedWithAReason) {
  SKIP_WITHOUT_PYTHON_FAISS();
  for (const std::string metric : {"product", "l2"}) {
    ASSERT_NO_FATAL_FAILURE(write_index(metric));
    const Finished finished = import();
    if (!GetParam().refusal.empty()) {
      EXPECT_NE(finished.code, 0);
      EXPECT_THAT(finished.last_error_line(), HasSubstr(GetParam().refusal));
      return;  // whatever the metric
    }
    ASSERT_EQ(finished.code, 0) << finished.err;
    const Json report = finished.json();
    const std::string ours = metric == "product" ? "dot" : "euclid";
    EXPECT_EQ(report["points"], kRows);
    EXPECT_EQ(report["metric"], ours);

    const Vectors queries = Vectors::random(20, kDim, 2);
    box_.dir().write("queries.npy", queries.npy());
    const Json answers =
        box_.run({"search", "--vectors", box_.path("queries.npy"), "--collection", "c", "--exact",
                  "--top-k", "5", "--json", "--data", box_.path("data")})
            .json();
    ASSERT_EQ(answers["results"].size(), queries.count());
    for (std::size_t q = 0; q < queries.count(); ++q) {
      std::vector<std::uint64_t> expected;
      for (const std::size_t row : nearest(ours, rows_, queries.row(q), 5)) {
        expected.push_back(id_of(row));
      }
      EXPECT_EQ(ids_of(answers["results"][q]["hits"]), expected) << metric << ", query " << q;
    }
    std::filesystem::remove_all(box_.path("data"));
  }
}

constexpr auto kNeedsVectors = "lossy codes or transformed vectors";
constexpr auto kNeedsIds = "give ids with --ids";

INSTANTIATE_TEST_SUITE_P(
    Files, ForeignFile,
    ::testing::ValuesIn(std::vector<ForeignCase>{
        {"Flat", "Flat", {}},
        {"IdMap", "IDMap,Flat", {"ids"}},
        {"IdMap2", "IDMap2,Flat", {"ids"}},
        {"IvfFlat", "IVF8,Flat", {}},
        {"IvfFlatWithIds", "IVF8,Flat", {"ids"}},
        {"IvfFlatWithArrayMap", "IVF8,Flat", {"array"}},  // make_direct_map() of autofaiss
        {"IvfFlatWithHashtable", "IVF8,Flat", {"ids", "hashtable"}},
        {"IvfFlatOverGraph", "IVF8_HNSW8,Flat", {}},
        {"IdMapOfLists", "IDMap,IVF8,Flat", {"ids"}},
        {"Hnsw", "HNSW12,Flat", {}},
        {"IdMap2OfHnsw", "IDMap2,HNSW12,Flat", {"ids"}},
        {"IvfPq", "IVF8,PQ4x4", {}, false, kNeedsVectors},
        {"IvfPqBesideVectors", "IVF8,PQ4x4", {}, true},
        {"IvfPqWithIds", "IVF8,PQ4x4", {"ids"}, true, kNeedsIds},
        {"IvfSq", "IVF8,SQ8", {}, false, kNeedsVectors},
        {"IvfSqBesideVectors", "IVF8,SQ8", {"array"}, true},
        {"IvfSqWithIds", "IVF8,SQ8", {"ids"}, true, kNeedsIds},
        {"Sq", "SQ8", {}, false, kNeedsVectors},
        {"IdMapOfPq", "IDMap,PQ4x4", {"ids"}, true, kNeedsIds},
        {"FastScan", "IVF8,PQ4x4fs", {}, false, kNeedsVectors},
        {"Opq", "OPQ4,IVF8,PQ4x4", {}, false, kNeedsVectors},
        {"OpqBesideVectors", "OPQ4,IVF8_HNSW8,PQ4x4", {}, true},  // what autofaiss makes
        {"OpqWithIds", "OPQ4,IVF8,PQ4x4", {"ids"}, true, kNeedsIds},
        {"Pca", "PCA8,Flat", {}, false, kNeedsVectors},
        {"PcaBesideVectors", "PCA8,IVF8,Flat", {}, true},
        {"PcaWithIds", "PCA8,IVF8,Flat", {"ids"}, true, kNeedsIds},
        {"NormBesideVectors", "L2norm,Flat", {}, true},
        {"Refined", "IVF8,PQ4x4,RFlat", {}},
        {"RefinedGraph", "HNSW8_SQ8,RFlat", {}},
    }),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace sightline::apps::testing
