#include "core/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

#include "tests/support/temp_dir.h"

namespace sightline {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::TempDir;

/// A file as NumPy writes it, with `dict` for its header.
std::string npy(const std::string& dict, const std::string& data, int version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(version);
  bytes += '\0';
  const std::size_t prefix = version == 1 ? 10 : 12;
  std::string header = dict;
  header.append((64 - (prefix + dict.size() + 1) % 64) % 64, ' ').append("\n");
  for (std::size_t i = 0; i < prefix - 8; ++i) {
    bytes += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  }
  return bytes + header + data;
}

std::string dict_of(const std::string& type, const std::string& shape,
                    const std::string& fortran = "False") {
  return "{'descr': '" + type + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }";
}

template <typename T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

TEST(NpyBytes, AreWhatNumpyWrites) {
  const std::array<std::uint64_t, 2> shape = {2, 3};
  const std::array<float, 6> values = {0, 1, 2, 3, 4, 5};
  const std::string bytes = npy_bytes(shape, values);
  EXPECT_EQ(bytes.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_EQ(bytes.substr(10, 59), "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
  EXPECT_EQ(bytes.size(), 128U + 24U);
}

TEST(NpyHeader, HasOneLengthWhateverTheCount) {
  for (const std::size_t axes : {1U, 2U, 3U, 8U}) {
    std::vector<std::uint64_t> shape(axes, 0);
    const std::size_t length = npy_header(shape).size();
    EXPECT_EQ(length % 64, 0U);
    for (std::uint64_t& size : shape) {
      size = std::numeric_limits<std::uint64_t>::max();
      EXPECT_EQ(npy_header(shape).size(), length);
    }
  }
}

TEST(NpyFile, ReadsBackWhatWasWritten) {
  const TempDir dir;
  std::vector<float> values(5 * 7);
  std::iota(values.begin(), values.end(), -3.5F);
  const std::array<std::uint64_t, 2> shape = {5, 7};
  const auto file = NpyFile::open(dir.write("a.npy", npy_bytes(shape, values))).value();
  EXPECT_THAT(file.shape(), ElementsAre(5, 7));
  EXPECT_EQ(file.num_rows(), 5U);
  EXPECT_EQ(file.row_size(), 7U);
  EXPECT_EQ(file.type(), "<f4");
  EXPECT_EQ(file.shape_text(), "(5, 7)");
  std::vector<float> rows(2 * 7);
  ASSERT_TRUE(file.read_floats(2, rows));
  EXPECT_TRUE(std::equal(rows.begin(), rows.end(), values.begin() + 14));
  ASSERT_TRUE(file.read_floats(5, {}));
}

struct FloatCase {
  std::string name, type, data;
  std::vector<float> values;
};
class Floats : public testing::TestWithParam<FloatCase> {};
TEST_P(Floats, BecomeFloat32) {
  const FloatCase& c = GetParam();
  const TempDir dir;
  const std::string shape = "(" + std::to_string(c.values.size()) + ",)";
  const auto file = NpyFile::open(dir.write("a.npy", npy(dict_of(c.type, shape), c.data)));
  ASSERT_TRUE(file) << file.error().message;
  std::vector<float> got(c.values.size());
  ASSERT_TRUE(file->read_floats(0, got));
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (std::isnan(c.values[i])) {
      EXPECT_TRUE(std::isnan(got[i])) << i;
    } else {
      EXPECT_EQ(got[i], c.values[i]) << i;
      EXPECT_EQ(std::signbit(got[i]), std::signbit(c.values[i])) << i;
    }
  }
}
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
INSTANTIATE_TEST_SUITE_P(
    Cases, Floats,
    testing::ValuesIn(std::vector<FloatCase>{
        {"Double",
         "<f8",
         raw<double>({1.5, -0.0, 1e300, std::numeric_limits<double>::quiet_NaN()}),
         {1.5F, -0.0F, kInf, kNan}},
        {"Single", "<f4", raw<float>({1.5F, -kInf}), {1.5F, -kInf}},
        // 1, -2, the largest, the smallest normal, the two ends of the subnormal, -0, inf, NaN
        {"Half",
         "<f2",
         raw<std::uint16_t>({0x3C00, 0xC000, 0x7BFF, 0x0400, 0x03FF, 0x0001, 0x8000, 0xFC00,
                             0x7E00}),
         {1.0F, -2.0F, 65504.0F, 0x1p-14F, 1023.0F * 0x1p-24F, 0x1p-24F, -0.0F, -kInf, kNan}},
    }),
    [](const auto& info) { return info.param.name; });

TEST(NpyFile, ReadsWholeNumbersOfEveryWidth) {
  const TempDir dir;
  const auto read = [&](const std::string& type, const std::string& data, std::size_t count) {
    const std::string shape = "(" + std::to_string(count) + ",)";
    const auto file = NpyFile::open(dir.write("a.npy", npy(dict_of(type, shape), data)));
    EXPECT_TRUE(file) << file.error().message;
    return file->read_unsigned(0, count).value();
  };
  EXPECT_THAT(read("<i8", raw<std::int64_t>({7, -1}), 2), ElementsAre(7, std::nullopt));
  EXPECT_THAT(read("<u8", raw<std::uint64_t>({UINT64_MAX}), 1), ElementsAre(UINT64_MAX));
  EXPECT_THAT(read("<i4", raw<std::int32_t>({-5, 5}), 2), ElementsAre(std::nullopt, 5));
  EXPECT_THAT(read("<u4", raw<std::uint32_t>({UINT32_MAX}), 1), ElementsAre(UINT32_MAX));
  EXPECT_THAT(read("<i2", raw<std::int16_t>({300}), 1), ElementsAre(300));
  EXPECT_THAT(read("|u1", raw<std::uint8_t>({200}), 1), ElementsAre(200));
  EXPECT_THAT(read("|i1", raw<std::int8_t>({-3}), 1), ElementsAre(std::nullopt));
}

TEST(NpyFile, TakesEveryFormatVersionAndSpelling) {
  const TempDir dir;
  const std::string data = raw<float>({1, 2, 3, 4, 5, 6});
  for (const int version : {1, 2, 3}) {
    const auto file =
        NpyFile::open(dir.write("a.npy", npy(dict_of("<f4", "(3, 2)"), data, version)));
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_THAT(file->shape(), ElementsAre(3, 2));
  }
  for (const char* dict : {"{\"shape\":(3,2),\"descr\":\"<f4\",\"fortran_order\":False}",
                           "{ 'shape' : ( 3L , 2L , ) , 'fortran_order':False, 'descr': '<f4'}"}) {
    const auto file = NpyFile::open(dir.write("a.npy", npy(dict, data)));
    ASSERT_TRUE(file) << file.error().message;
    EXPECT_EQ(file->row_size(), 2U);
  }
  EXPECT_TRUE(NpyFile::open(dir.write("a.npy", npy(dict_of("<f4", "(6, 1)", "True"), data))))
      << "a single column lies alike in both orders";
  const auto empty = NpyFile::open(dir.write("a.npy", npy(dict_of("<f4", "(0, 512)"), "")));
  ASSERT_TRUE(empty) << empty.error().message;
  EXPECT_EQ(empty->num_rows(), 0U);
  EXPECT_EQ(empty->row_size(), 512U);
}

struct BadCase {
  std::string name, bytes, message;
  StatusCode code = StatusCode::kInvalidArgument;
};
class BadNpy : public testing::TestWithParam<BadCase> {};
TEST_P(BadNpy, IsRefusedByName) {
  const TempDir dir;
  const auto file = NpyFile::open(dir.write("bad.npy", GetParam().bytes));
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, GetParam().code);
  EXPECT_THAT(file.error().message, HasSubstr("bad.npy: "));
  EXPECT_THAT(file.error().message, HasSubstr(GetParam().message));
}
INSTANTIATE_TEST_SUITE_P(
    Cases, BadNpy,
    testing::ValuesIn(std::vector<BadCase>{
        {"Empty", "", "no .npy file"},
        {"Text", "this is a text of some length\n", "no .npy file"},
        {"Zip", "PK\x03\x04 an archive of arrays", "no .npy file"},
        {"Version", npy(dict_of("<f4", "(1,)"), raw<float>({1}), 4), "version 4"},
        {"CutHeader", npy(dict_of("<f4", "(1,)"), "").substr(0, 40), "header of 118",
         StatusCode::kCorruption},
        {"HugeHeader", std::string("\x93NUMPY\x02\x00\xff\xff\xff\x7f", 12), "header of 2147483647",
         StatusCode::kCorruption},
        {"Cut", npy(dict_of("<f4", "(2, 2)"), raw<float>({1, 2, 3})), "is cut",
         StatusCode::kCorruption},
        {"TwoArrays", npy(dict_of("<f4", "(1,)"), raw<float>({1, 2})), "4 bytes follow"},
        {"Overflow", npy(dict_of("<f8", "(4611686018427387904, 4)"), ""), "is cut",
         StatusCode::kCorruption},
        {"BigEndian", npy(dict_of(">f4", "(1,)"), raw<float>({1})), ">f4"},
        {"Complex", npy(dict_of("<c8", "(1,)"), raw<float>({1, 2})), "<c8"},
        {"Strings", npy(dict_of("<U36", "(0,)"), ""), "<U36"},
        {"Structured",
         npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (0,), }", ""),
         "plain array"},
        {"Fortran", npy(dict_of("<f4", "(2, 2)", "True"), raw<float>({1, 2, 3, 4})),
         "ascontiguousarray"},
        {"Scalar", npy(dict_of("<f4", "()"), raw<float>({1})), "single number"},
        {"NoShape", npy("{'descr': '<f4', 'fortran_order': False, }", ""), "plain array"},
        {"NegativeSize", npy(dict_of("<f4", "(-1,)"), ""), "plain array"},
        {"NoDict", npy("array([1, 2])", ""), "plain array"},
        {"OpenDict", npy("{'descr': '<f4'", ""), "plain array"},
    }),
    [](const auto& info) { return info.param.name; });

TEST(NpyFile, NamesWhatIsNotThere) {
  const TempDir dir;
  EXPECT_EQ(NpyFile::open(dir / "none.npy").error().code, StatusCode::kNotFound);
  EXPECT_THAT(NpyFile::open(dir.path()).error().message, HasSubstr("not a regular file"));
}

TEST(NpyFile, RefusesTheWrongKindOfNumbers) {
  const TempDir dir;
  const auto ints =
      NpyFile::open(dir.write("i.npy", npy(dict_of("<i8", "(1,)"), raw<std::int64_t>({1}))))
          .value();
  std::vector<float> row(1);
  EXPECT_THAT(ints.read_floats(0, row).error().message, HasSubstr("<i8"));
  const auto floats =
      NpyFile::open(dir.write("f.npy", npy(dict_of("<f4", "(1,)"), raw<float>({1})))).value();
  EXPECT_THAT(floats.read_unsigned(0, 1).error().message, HasSubstr("<f4"));
}

TEST(NpyFile, WhateverIsInAFileItIsReadOrRefused) {
  const TempDir dir;
  const std::string good = npy(dict_of("<f4", "(3, 2)"), raw<float>({1, 2, 3, 4, 5, 6}));
  std::mt19937 random(11);
  std::size_t num_opened = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = good;
    for (unsigned change = 0; change <= random() % 3; ++change) {
      bytes[random() % 75] = static_cast<char>(
          random() % 4 == 0 ? random() % 256 : "0123456789(),'<{}:"[random() % 18]);
    }
    const auto file = NpyFile::open(dir.write("a.npy", bytes));
    if (!file) continue;
    ++num_opened;
    if (!file->holds_floats() || file->num_rows() == 0) continue;
    ASSERT_LE(file->row_size() * file->num_rows(), 24U);
    std::vector<float> all(file->row_size() * file->num_rows());
    EXPECT_TRUE(file->read_floats(0, all)) << bytes.substr(0, 75);
  }
  EXPECT_GT(num_opened, 100U);
}

TEST(NpyFile, SaysThatAFileHasBecomeShorter) {
  const TempDir dir;
  const auto path = dir.write("a.npy", npy(dict_of("<f4", "(2, 2)"), raw<float>({1, 2, 3, 4})));
  const auto file = NpyFile::open(path).value();
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 4);
  std::vector<float> row(2);
  EXPECT_TRUE(file.read_floats(0, row));
  EXPECT_EQ(file.read_floats(1, row).error().code, StatusCode::kCorruption);
}

}  // namespace
}  // namespace sightline
