// docs/qdrant-compatibility.md, qdrant_paths(), the routes and the published description say the
// same.
#include "http/qdrant_paths.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "tests/http/qdrant_fixture.h"

namespace sightline::http {
namespace {

using testing::HasSubstr;

std::string read_whole(const std::string& file) {
  std::ifstream in(file);
  EXPECT_TRUE(in) << file;
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string operation(Method method, std::string_view path) {
  return std::string(method_name(method)) + " " + std::string(path);
}

TEST(QdrantPaths, AreThoseOfTheDescription) {
  std::set<std::string> described, listed;
  std::istringstream lines(read_whole(SIGHTLINE_TEST_DATA "/qdrant/paths.txt"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    described.insert(line.substr(0, line.rfind(' ')));
  }
  ASSERT_FALSE(described.empty());
  for (const QdrantPath& path : qdrant_paths()) {
    EXPECT_TRUE(listed.insert(operation(path.method, path.path)).second) << path.path;
    // Only forms that the description has dropped are beside it, and they are left out.
    if (!described.contains(operation(path.method, path.path))) {
      EXPECT_EQ(path.support, Support::kLeftOut) << path.path;
    }
  }
  for (const std::string& one : described) EXPECT_TRUE(listed.contains(one)) << one;
}

TEST(QdrantPaths, AreThoseOfTheDocumentation) {
  const std::string page = read_whole(SIGHTLINE_SOURCE_DIR "/docs/qdrant-compatibility.md");
  EXPECT_THAT(page, HasSubstr("\n" + qdrant_paths_markdown() + "\n"));
  EXPECT_THAT(page, HasSubstr("\n" + qdrant_features_markdown() + "\n"));
}

TEST_F(QdrantRoutesTest, RoutesAreThoseOfTheList) {
  // Other tables' routes: the page and the probes.
  const std::set<std::string_view> elsewhere = {"/", "/metrics", "/healthz", "/livez", "/readyz"};
  std::set<std::string> expected, found;
  for (const QdrantPath& path : qdrant_paths()) {
    if (elsewhere.contains(path.path)) continue;
    expected.insert(operation(path.method, route_pattern(path.path)));
  }
  for (const Route& route : table_.routes()) {
    found.insert(operation(route.method, route.pattern));
    EXPECT_EQ(route.errors, ErrorStyle::kQdrant) << route.pattern;
    EXPECT_FALSE(route.summary.empty()) << route.pattern;
  }
  EXPECT_EQ(found, expected);
}

TEST_F(QdrantRoutesTest, WhatIsLeftOutSaysSo) {
  for (const QdrantPath& path : qdrant_paths()) {
    if (path.support != Support::kLeftOut) continue;
    const QdrantReply reply = call(path.method, std::string(path.path));
    EXPECT_EQ(reply.status, 501) << path.path;
    EXPECT_THAT(reply.error(), HasSubstr(std::string(path.note)));
    EXPECT_EQ(reply.headers.find("x-should-retry"), "false");
  }
}

}  // namespace
}  // namespace sightline::http
