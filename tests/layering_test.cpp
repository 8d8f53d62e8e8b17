// Holds the layering of STYLE.md ("The tree is the architecture"): which module may include which,
// as data. A new arrow is one word in `kModules`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <regex>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace sightline {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string_view>;

struct Module {
  std::string_view name;
  std::string_view folder;  // below the source root
  Names may_include;        // besides itself
};

const Names kBelowPipeline = {"core",     "settings", "image",  "codecs", "storage",
                              "encoders", "index",    "rerank", "enrich"};

Names operator+(Names names, const Names& more) {
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

const std::vector<Module> kModules = {
    {"core", "src/core", {}},
    {"settings", "src/settings", {"core"}},
    {"image", "src/image", {"core"}},
    {"codecs", "src/codecs", {"core", "image"}},
    {"storage", "src/storage", {"core"}},
    {"encoders", "encoders", {"core", "image"}},
    {"index", "index", {"core"}},
    {"rerank", "rerank", {"core", "image", "encoders"}},
    {"enrich", "enrich", {"core", "image", "encoders"}},
    {"train", "train", {"core", "settings", "image", "codecs", "encoders", "rerank", "enrich"}},
    {"pipeline", "src/pipeline", kBelowPipeline},
    {"eval", "eval", kBelowPipeline + Names{"train", "pipeline"}},
    {"http", "http", {"core", "settings", "pipeline"}},
    {"apps", "src/apps", kBelowPipeline + Names{"train", "pipeline", "eval", "http"}},
};

// The shared blocks speak torch::Tensor: encoders/nn/*.h.
const Names kSpeakTensors = {"encoders", "rerank", "enrich", "train"};
// Libraries that stay in .cpp files and internal headers, by the start of <...>.
const Names kOnlyInSources = {"torch/",   "ATen/",    "c10/",  "faiss/",
                              "rocksdb/", "opencv2/", "boost/"};

bool contains(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

const Module* module_of_file(std::string_view path) {
  for (const Module& module : kModules) {
    if (path.starts_with(std::string(module.folder) + "/")) return &module;
  }
  return nullptr;
}

/// Why `file` (relative to the source root) may not hold this include line, or nothing.
std::optional<std::string> violation(std::string_view file, std::string_view line) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*(["<])([^">]+)[">].*)re");
  std::cmatch match;
  if (!std::regex_match(line.data(), line.data() + line.size(), match, kInclude)) {
    return std::nullopt;
  }
  const Module& from = *module_of_file(file);
  const bool is_header = file.ends_with(".h");
  const bool is_private = file.find("/internal/") != file.npos || file.find("/nn/") != file.npos;
  const std::string target = match[2].str();
  if (match[1].str() == "<") {
    for (const std::string_view library : kOnlyInSources) {
      if (is_header && !is_private && target.starts_with(library)) {
        return "a public header speaks std and core types; " + target + " belongs in a .cpp file";
      }
    }
    return std::nullopt;
  }
  const std::string name = target.substr(0, target.find('/'));
  const auto to = std::ranges::find(kModules, name, &Module::name);
  if (to == kModules.end() || target.find('/') == target.npos) {
    return "\"" + target + "\" is not a path from src/ or the source root";
  }
  if (to->name != from.name && !contains(from.may_include, to->name)) {
    return std::string(from.name) + " must not include " + name;
  }
  if (target.find("/internal/") != target.npos && to->name != from.name) {
    return target + " is internal to " + name;
  }
  if (target.starts_with("encoders/nn/")) {
    if (!contains(kSpeakTensors, from.name) || (is_header && !is_private)) {
      return target +
             " is for .cpp files and nn or internal headers of encoders, rerank, enrich, train";
    }
  }
  return std::nullopt;
}

struct LineCase {
  std::string name, file, line;
  std::string reason;  // a part of it; empty: allowed
};
class Violation : public testing::TestWithParam<LineCase> {};

TEST_P(Violation, IsFound) {
  const auto found = violation(GetParam().file, GetParam().line);
  EXPECT_EQ(found.has_value(), !GetParam().reason.empty()) << found.value_or("");
  EXPECT_THAT(found.value_or(""), testing::HasSubstr(GetParam().reason));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, Violation,
    testing::ValuesIn(std::vector<LineCase>{
        {"Itself", "index/shard.cpp", "#include \"index/shard.h\"", ""},
        {"Upwards", "index/shard.cpp", "#include \"core/result.h\"", ""},
        {"Downwards", "src/core/log.cpp", "#include \"settings/logging.h\"",
         "core must not include settings"},
        {"Sideways", "src/storage/store.h", "#  include \"index/shard.h\" // x",
         "storage must not include index"},
        {"TrainFromPipeline", "src/pipeline/a.cpp", "#include \"train/trainer.h\"",
         "pipeline must not include train"},
        {"BelowPipelineFromHttp", "http/routes.cpp", "#include \"index/shard.h\"",
         "http must not include index"},
        {"OwnInternal", "src/codecs/decode.cpp", "#include \"codecs/internal/exif.h\"", ""},
        {"OthersInternal", "src/pipeline/a.cpp", "#include \"codecs/internal/exif.h\"",
         "internal to codecs"},
        {"NnFromSource", "train/trainer.cpp", "#include \"encoders/nn/attention.h\"", ""},
        {"NnFromNnHeader", "rerank/nn/itm.h", "#include \"encoders/nn/attention.h\"", ""},
        {"NnFromInternalHeader", "train/internal/loss.h", "#include \"encoders/nn/attention.h\"",
         ""},
        {"NnFromHeader", "train/trainer.h", "#include \"encoders/nn/attention.h\"", ".cpp files"},
        {"NnFromPipeline", "src/pipeline/a.cpp", "#include \"encoders/nn/attention.h\"",
         ".cpp files"},
        {"NoFolder", "src/core/log.cpp", "#include \"log.h\"", "not a path"},
        {"Tests", "src/core/log.cpp", "#include \"tests/support/temp_dir.h\"", "not a path"},
        {"LibraryInHeader", "index/shard.h", "#include <faiss/Index.h>", "belongs in a .cpp"},
        {"LibraryInInternalHeader", "index/internal/faiss_compat.h", "#include <faiss/Index.h>",
         ""},
        {"LibraryInSource", "index/shard.cpp", "#include <faiss/Index.h>", ""},
        {"Comment", "index/shard.cpp", "// #include \"storage/store.h\"", ""},
    }),
    [](const auto& info) { return info.param.name; });

TEST(Layering, EveryIncludePointsUp) {
  const fs::path root = SIGHTLINE_SOURCE_DIR;
  std::size_t num_files = 0, num_lines = 0;
  for (const Module& module : kModules) {
    if (!fs::exists(root / module.folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / module.folder)) {
      const std::string extension = entry.path().extension();
      if (extension != ".h" && extension != ".cpp") continue;
      ++num_files;
      const std::string file = fs::relative(entry.path(), root).generic_string();
      std::ifstream stream(entry.path());
      std::string line;
      for (int number = 1; std::getline(stream, line); ++number) {
        ++num_lines;
        if (const auto reason = violation(file, line)) {
          ADD_FAILURE() << file << ":" << number << ": " << *reason << "\n  " << line;
        }
      }
    }
  }
  EXPECT_GT(num_files, 15U) << "the tree is elsewhere than " << root;
  EXPECT_GT(num_lines, 1000U);
}

TEST(Layering, TheTableIsInOrder) {
  // A module includes only what stands above it, so that the arrows make no circle.
  Names above;
  for (const Module& module : kModules) {
    for (const std::string_view name : module.may_include) {
      EXPECT_TRUE(contains(above, name)) << module.name << " -> " << name;
    }
    above.push_back(module.name);
  }
}

}  // namespace
}  // namespace sightline
