// The safetensors reader against hostile headers, and round trips through the writer.
#include "encoders/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <random>

#include "core/json.h"
#include "tests/support/temp_dir.h"

namespace sightline::encoders {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing_support::read_file;
using testing_support::TempDir;

std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string with_length(std::uint64_t length, std::string_view rest) {
  std::string file(sizeof(length), '\0');
  std::memcpy(file.data(), &length, sizeof(length));
  return file.append(rest);
}

std::string file_of(std::string_view header, std::size_t data_size) {
  return with_length(header.size(), std::string(header) + std::string(data_size, '\x01'));
}

struct HeaderCase {
  std::string name;
  std::string file;
  std::string named;  // part of the message; empty: the file is fine
};
class Header : public ::testing::TestWithParam<HeaderCase> {};

TEST_P(Header, IsReadOrRefusedWithItsFault) {
  const auto tensors = parse_safetensors(as_bytes(GetParam().file));
  if (GetParam().named.empty()) {
    EXPECT_TRUE(tensors) << tensors.error().message;
    return;
  }
  ASSERT_FALSE(tensors);
  EXPECT_EQ(tensors.error().code, StatusCode::kCorruption);
  EXPECT_THAT(tensors.error().message, HasSubstr(GetParam().named));
  EXPECT_LT(tensors.error().message.size(), 1000u);
}

constexpr const char* kTwo =
    R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}})";

INSTANTIATE_TEST_SUITE_P(
    Cases, Header,
    ::testing::ValuesIn(std::vector<HeaderCase>{
        {"TwoTensors", file_of(kTwo, 11), ""},
        {"NoTensors", file_of("{}", 0), ""},
        {"PaddedWithSpaces", file_of(std::string("{}") + "      ", 0), ""},
        {"Metadata", file_of(R"({"__metadata__":{"format":"pt","dtype":"x"}})", 0), ""},
        {"Scalar", file_of(R"({"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]}})", 8), ""},
        {"EmptyTensor", file_of(R"({"e":{"dtype":"F32","shape":[0,5],"data_offsets":[0,0]}})", 0),
         ""},
        {"EmptyFile", "", "at least 8"},
        {"SevenBytes", std::string(7, '\0'), "at least 8"},
        {"LengthOnly", with_length(0, ""), "not JSON"},
        {"LengthBeyondTheFile", with_length(50, "{}"), "a header of 50 bytes in a file of 10"},
        {"LengthOverTheLimit", with_length(100'000'001, "{}"), "at most 100,000,000"},
        {"LengthTwoToThe63", with_length(1ULL << 63, "{}"), "at most 100,000,000"},
        {"LengthAllOnes", with_length(~0ULL, "{}"), "at most 100,000,000"},
        {"NotJson", file_of("hello", 0), "not JSON"},
        {"CutJson", file_of(R"({"a":{"dtype":"F32")", 0), "not JSON"},
        {"TrailingJson", file_of("{} {}", 0), "not JSON"},
        {"BadUtf8", file_of("{\"\xFF\":{}}", 0), "not JSON"},
        {"List", file_of("[1]", 0), "not an object"},
        {"Number", file_of("7", 0), "not an object"},
        {"TensorIsNumber", file_of(R"({"a":5})", 0), "\"a\" is a number, not an object"},
        {"TensorIsList", file_of(R"({"a":[1,2]})", 0), "\"a\" is an array, not an object"},
        {"DeepNesting", file_of(std::string(100'000, '[') + std::string(100'000, ']'), 0),
         "not an object"},
        {"DeepObjects", file_of(R"({"a":{"dtype":{"x":{}}}})", 0), "is an object"},
        {"NoDType", file_of(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8), "lacks one of"},
        {"NoShape", file_of(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", 8), "lacks one of"},
        {"NoOffsets", file_of(R"({"a":{"dtype":"F32","shape":[2]}})", 8), "lacks one of"},
        {"ThreeOffsets", file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4,8]}})", 8),
         "two numbers"},
        {"UnknownField",
         file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", 8),
         "unknown field \"x\""},
        {"UnknownType", file_of(R"({"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}})", 8),
         "unknown type \"F31\""},
        {"FieldTwice",
         file_of(R"({"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8),
         "dtype comes twice"},
        {"NameTwice",
         file_of(
             R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
             2),
         "\"a\" comes twice"},
        {"NegativeSize", file_of(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8),
         "-2"},
        {"FractionalSize",
         file_of(R"({"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}})", 8), "2.5"},
        {"SizeTwoToThe63",
         file_of(R"({"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}})", 8),
         "2^63"},
        {"SizeTwoToThe64",
         file_of(R"({"a":{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,8]}})", 8),
         "below 2^64"},
        {"ProductOverflows",
         file_of(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
                 0),
         "2^63"},
        {"ProductWrapsToTheRightSize",
         file_of(R"({"a":{"dtype":"F32","shape":[4611686018427387906,1],"data_offsets":[0,8]}})",
                 8),
         "2^63"},
        {"EmptyButHuge",
         file_of(R"({"a":{"dtype":"F32","shape":[0,9223372036854775808],"data_offsets":[0,0]}})",
                 0),
         "2^63"},
        {"TooManyDimensions",
         file_of(R"({"a":{"dtype":"U8","data_offsets":[0,1],"shape":[)" +
                     [] {
                       std::string ones = "1";
                       for (int i = 0; i < 70; ++i) ones += ",1";
                       return ones;
                     }() +
                     "]}}",
                 1),
         "more than 64"},
        {"ShapeIsText", file_of(R"({"a":{"dtype":"F32","shape":"2","data_offsets":[0,8]}})", 8),
         "must not be a string"},
        {"NestedShape", file_of(R"({"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})", 8),
         "must not be an array"},
        {"SizeDoesNotFit", file_of(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8),
         "hold 8 bytes, its shape 12"},
        {"OffsetsBackwards",
         file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8), "run backwards"},
        {"OffsetsBeyondTheData",
         file_of(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", 8),
         "reach beyond the 8 bytes"},
        {"HugeOffsets",
         file_of(
             R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[18446744073709551608,18446744073709551615]}})",
             8),
         "reach beyond"},
        {"Overlap",
         file_of(
             R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
             6),
         "overlap"},
        {"Gap",
         file_of(
             R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})",
             6),
         "leave a gap behind byte 2"},
        {"GapAtTheStart", file_of(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})", 3),
         "leave a gap behind byte 0"},
        {"BytesBehind", file_of(kTwo, 12), "1 bytes behind the last tensor"},
        {"MetadataIsNumber", file_of(R"({"__metadata__":{"a":1}})", 0), "must not be a number"},
        {"LongName", file_of("{\"" + std::string(1'000'000, 'n') + R"(":{"dtype":"F32"}})", 0),
         "nnn..."},
    }),
    [](const auto& param) { return param.param.name; });

TEST(ParseSafetensors, GivesViewsOfTheData) {
  std::string file = file_of(kTwo, 0);
  const float values[] = {1.5F, -2.0F};
  file.append(reinterpret_cast<const char*>(values), sizeof(values));
  file.append("xyz");
  const auto tensors = parse_safetensors(as_bytes(file)).value();
  const TensorView& a = tensors.at("a");
  EXPECT_EQ(a.dtype, DType::kF32);
  EXPECT_EQ(a.shape, std::vector<std::int64_t>{2});
  EXPECT_EQ(a.num_elements(), 2);
  EXPECT_EQ(std::memcmp(a.bytes.data(), values, sizeof(values)), 0);
  EXPECT_EQ(a.describe(), "F32 [2]");
  EXPECT_EQ(static_cast<char>(tensors.at("b").bytes[2]), 'z');
}

// Whatever the bytes, parsing ends with tensors that lie inside the file or with an error. Runs
// under the sanitizers too; tests/fuzz holds the libFuzzer form.
TEST(ParseSafetensors, SurvivesMutations) {
  constexpr unsigned kSeed = 20240517;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937 random(kSeed);
  const std::string original = file_of(kTwo, 11);
  const std::string alphabet = R"({}[]",:0123456789eE.-\abdtpesof_)";
  std::size_t accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string file = original;
    const std::size_t changes = 1 + random() % 6;
    for (std::size_t i = 0; i < changes; ++i) {
      const std::size_t at = random() % file.size();
      switch (random() % 5) {
        case 0:
          file[at] = static_cast<char>(random());
          break;
        case 1:
          file[at] = alphabet[random() % alphabet.size()];
          break;
        case 2:
          file.insert(at, 1, alphabet[random() % alphabet.size()]);
          break;
        case 3:
          file.erase(at, 1 + random() % 3);
          break;
        case 4:
          file.insert(at, file.substr(random() % file.size(), random() % 12));
          break;
      }
      if (file.empty()) file = "x";
    }
    if (random() % 2 == 0 && file.size() >= 8) {  // keep the length right: reach the JSON
      const std::uint64_t length = file.size() >= 19 ? file.size() - 19 : 0;
      std::memcpy(file.data(), &length, sizeof(length));
    }
    const auto tensors = parse_safetensors(as_bytes(file));
    if (!tensors) {
      EXPECT_FALSE(tensors.error().message.empty());
      continue;
    }
    ++accepted;
    for (const auto& [name, view] : *tensors) {
      if (view.bytes.empty()) continue;
      EXPECT_GE(static_cast<const void*>(view.bytes.data()), static_cast<void*>(file.data()));
      EXPECT_LE(view.bytes.data() + view.bytes.size(),
                reinterpret_cast<const std::byte*>(file.data() + file.size()));
    }
  }
  EXPECT_GT(accepted, 20u) << "the mutations never reach the end of the parser";
}

TEST(WriteSafetensors, RoundTrips) {
  const TempDir folder;
  const std::string bytes = "0123456789abcdef0123456789abcdef";
  const auto data = as_bytes(bytes);
  std::map<std::string, TensorView, std::less<>> tensors;
  tensors["half"] = {DType::kF16, {2, 3}, data.first(12)};
  tensors["scalar"] = {DType::kF32, {}, data.first(4)};
  tensors["wide"] = {DType::kI64, {2}, data.first(16)};
  tensors["none"] = {DType::kU8, {0, 4}, {}};
  tensors["quoted \"\n\xC3\xA9"] = {DType::kBool, {1}, data.first(1)};
  const fs::path path = folder / "t.safetensors";
  ASSERT_TRUE(write_safetensors(path, tensors, {{"format", "pt"}, {"by", "test"}}));

  const std::string file = read_file(path);
  std::uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof(length));
  EXPECT_EQ(length % 8, 0u) << "data should be aligned to 8 bytes";
  std::map<std::string, std::string> metadata;
  const auto again = parse_safetensors(as_bytes(file), &metadata).value();
  EXPECT_EQ(metadata.at("by"), "test");
  ASSERT_EQ(again.size(), tensors.size());
  for (const auto& [name, view] : tensors) {
    const TensorView& got = again.at(name);
    EXPECT_EQ(got.dtype, view.dtype) << name;
    EXPECT_EQ(got.shape, view.shape) << name;
    EXPECT_TRUE(
        std::equal(got.bytes.begin(), got.bytes.end(), view.bytes.begin(), view.bytes.end()))
        << name;
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1)
      << "a temporary file was left";
}

TEST(WriteSafetensors, RefusesBytesThatDoNotFit) {
  const TempDir folder;
  std::map<std::string, TensorView, std::less<>> tensors;
  tensors["t"] = {DType::kF32, {2}, as_bytes("1234")};
  const auto written = write_safetensors(folder / "t.safetensors", tensors);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, StatusCode::kInvalidArgument);
  EXPECT_FALSE(fs::exists(folder / "t.safetensors"));

  tensors["t"].shape = {1};
  const auto nowhere = write_safetensors(folder / "missing" / "t.safetensors", tensors);
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, StatusCode::kIoError);
}

class Shards : public ::testing::Test {
 protected:
  void write_shard(const std::string& name, const std::vector<std::string>& keys) {
    std::map<std::string, TensorView, std::less<>> tensors;
    for (const std::string& key : keys) tensors[key] = {DType::kU8, {4}, as_bytes("abcd")};
    ASSERT_TRUE(write_safetensors(folder_ / name, tensors));
  }
  void write_index(const Json& weight_map) {
    folder_.write("model.safetensors.index.json",
                  Json{{"metadata", {{"total_size", 8}}}, {"weight_map", weight_map}}.dump());
  }
  TempDir folder_;
};

TEST_F(Shards, AreReadAsOne) {
  write_shard("one.safetensors", {"a", "b"});
  write_shard("two.safetensors", {"c"});
  write_index({{"a", "one.safetensors"}, {"b", "one.safetensors"}, {"c", "two.safetensors"}});
  const Checkpoint checkpoint = Checkpoint::open(folder_.path()).value();
  EXPECT_EQ(checkpoint.tensors().size(), 3u);
  EXPECT_EQ(checkpoint.files().size(), 2u);
  ASSERT_NE(checkpoint.find("c"), nullptr);
  EXPECT_EQ(checkpoint.find("d"), nullptr);
}

TEST_F(Shards, NameWhatIsWrong) {
  write_shard("one.safetensors", {"a"});
  write_shard("two.safetensors", {"a", "b"});
  const auto error = [&] { return Checkpoint::open(folder_.path()).error(); };

  write_index({{"a", "one.safetensors"}, {"z", "one.safetensors"}});
  EXPECT_EQ(error().code, StatusCode::kCorruption);
  EXPECT_THAT(error().message, HasSubstr("\"z\" is not there"));

  write_index({{"a", "one.safetensors"}, {"b", "two.safetensors"}});
  EXPECT_THAT(error().message, HasSubstr("\"a\" is in one.safetensors as well"));

  write_index({{"a", "missing.safetensors"}});
  EXPECT_EQ(error().code, StatusCode::kNotFound);
  EXPECT_THAT(error().message, HasSubstr("missing.safetensors"));

  for (const char* name : {"../one.safetensors", "/etc/passwd", "..", ""}) {
    write_index({{"a", name}});
    EXPECT_EQ(error().code, StatusCode::kInvalidArgument) << name;
  }
  write_index(Json::object());
  EXPECT_THAT(error().message, HasSubstr("weight_map"));
  write_index({{"a", 5}});
  EXPECT_THAT(error().message, HasSubstr("weight_map"));
  folder_.write("model.safetensors.index.json", "[]");
  EXPECT_THAT(error().message, HasSubstr("weight_map"));
}

TEST(CheckpointOpen, NamesFileAndFault) {
  const TempDir folder;
  EXPECT_EQ(Checkpoint::open(folder.path()).error().code, StatusCode::kNotFound);
  EXPECT_EQ(Checkpoint::open(folder / "no.safetensors").error().code, StatusCode::kNotFound);
  folder.write("model.safetensors", "short");
  const auto opened = Checkpoint::open(folder.path());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, StatusCode::kCorruption);
  EXPECT_THAT(opened.error().message, HasSubstr("model.safetensors"));
  fs::remove(folder / "model.safetensors");
  fs::create_directory(folder / "model.safetensors");
  EXPECT_EQ(Checkpoint::open(folder.path()).error().code, StatusCode::kIoError);
}

}  // namespace
}  // namespace sightline::encoders
