#include "http/qdrant_answer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>

namespace sightline::http {
namespace {

using pipeline::NamedVector;
using pipeline::PayloadSelector;
using pipeline::VectorKind;
using pipeline::VectorSelector;

/// What `write` appends to an answer, as JSON text.
template <typename Write>
std::string written(Write write) {
  AnswerWriter writer;
  write(writer);
  const Response response = std::move(writer).finish(std::chrono::steady_clock::now());
  std::string text = std::get<std::string>(response.body);
  const std::string head = R"({"result":)";
  EXPECT_EQ(text.substr(0, head.size()), head);
  text.erase(0, head.size());
  const auto tail = text.find(R"(,"status":"ok","time":)");
  EXPECT_NE(tail, text.npos);
  return text.substr(0, tail);
}
std::string number(float value) {
  return written([value](AnswerWriter& writer) { writer.number(value); });
}

TEST(AnswerWriter, FloatsAreShortestAndStayFloats) {
  EXPECT_EQ(number(0.1f), "0.1");
  EXPECT_EQ(number(1.0f), "1.0");
  EXPECT_EQ(number(-0.0f), "-0.0");
  EXPECT_EQ(number(1e-10f), "1e-10");
  EXPECT_EQ(number(1e20f), "1e+20");
  EXPECT_EQ(number(std::numeric_limits<float>::infinity()), "null");
  EXPECT_EQ(number(std::nanf("")), "null");
}

TEST(AnswerWriter, FloatsReadBackBitForBit) {
  std::mt19937 random(17);
  for (int i = 0; i < 20'000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    // Through a double, as clients do.
    const auto back = static_cast<float>(std::strtod(number(value).c_str(), nullptr));
    EXPECT_EQ(std::memcmp(&back, &value, sizeof value), 0) << "seed 17, case " << i;
  }
}

TEST(AnswerWriter, VectorsOfEveryKind) {
  const NamedVector dense{"", {0.5f, 1}};
  const NamedVector named{"a\"b", {2}};
  NamedVector sparse{"s", {0.5f, 2}};
  sparse.kind = VectorKind::kSparse;
  sparse.indices = {3, 4294967295u};
  NamedVector multi{"m", {1, 2, 3, 4}};
  multi.kind = VectorKind::kMulti;
  multi.num_rows = 2;
  const auto text = [](std::vector<NamedVector> vectors) {
    return written([&](AnswerWriter& writer) { writer.vectors(vectors); });
  };
  EXPECT_EQ(text({dense}), "[0.5,1.0]");
  EXPECT_EQ(text({named}), R"({"a\"b":[2.0]})");
  EXPECT_EQ(text({}), "{}");
  EXPECT_EQ(text({dense, sparse}),
            R"({"":[0.5,1.0],"s":{"indices":[3,4294967295],"values":[0.5,2.0]}})");
  EXPECT_EQ(text({multi}), R"({"m":[[1.0,2.0],[3.0,4.0]]})");
}

TEST(AnswerWriter, RecordsLeaveOutWhatWasNotAskedFor) {
  pipeline::StoredPoint point;
  point.id = PointId(std::numeric_limits<std::uint64_t>::max());
  point.vectors = {{"", {1}}};
  point.payload = {{"a", 1}, {"b", {{"c", 2}, {"d", 3}}}};
  const auto text = [&](const PayloadSelector& payload, const VectorSelector& vectors) {
    return written([&](AnswerWriter& writer) { writer.record(point, payload, vectors); });
  };
  EXPECT_EQ(text({}, {}), R"({"id":18446744073709551615})");
  EXPECT_EQ(text({PayloadSelector::Kind::kAll, {}}, {VectorSelector::Kind::kAll, {}}),
            R"({"id":18446744073709551615,"payload":{"a":1,"b":{"c":2,"d":3}},"vector":[1.0]})");
}

TEST(AnswerWriter, DistancesArePositive) {
  pipeline::PointHit hit;
  hit.id = PointId(1);
  hit.version = 3;
  hit.score = -2.5f;
  const auto text = [&](bool turn_sign) {
    return written([&](AnswerWriter& writer) { writer.hit(hit, turn_sign, {}); });
  };
  EXPECT_EQ(text(false), R"({"id":1,"version":3,"score":-2.5})");
  EXPECT_EQ(text(true), R"({"id":1,"version":3,"score":2.5})");
  hit.score = 0;
  hit.order_value = std::int64_t{7};
  EXPECT_EQ(text(true), R"({"id":1,"version":3,"score":0.0,"order_value":7})");
}

}  // namespace
}  // namespace sightline::http
