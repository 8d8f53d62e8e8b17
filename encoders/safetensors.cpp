#include "encoders/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <set>

#include "core/json.h"
#include "encoders/internal/mapped_file.h"

namespace sightline::encoders {
namespace {

static_assert(std::endian::native == std::endian::little, "tensor bytes are used as they lie");

struct DTypeFacts {
  DType dtype;
  std::string_view name;
  std::size_t size;
};
constexpr std::array kDTypes{
    DTypeFacts{DType::kBool, "BOOL", 1},      DTypeFacts{DType::kU8, "U8", 1},
    DTypeFacts{DType::kI8, "I8", 1},          DTypeFacts{DType::kF8E5M2, "F8_E5M2", 1},
    DTypeFacts{DType::kF8E4M3, "F8_E4M3", 1}, DTypeFacts{DType::kI16, "I16", 2},
    DTypeFacts{DType::kU16, "U16", 2},        DTypeFacts{DType::kF16, "F16", 2},
    DTypeFacts{DType::kBF16, "BF16", 2},      DTypeFacts{DType::kI32, "I32", 4},
    DTypeFacts{DType::kU32, "U32", 4},        DTypeFacts{DType::kF32, "F32", 4},
    DTypeFacts{DType::kF64, "F64", 8},        DTypeFacts{DType::kI64, "I64", 8},
    DTypeFacts{DType::kU64, "U64", 8},
};

const DTypeFacts& facts(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)]; }

// A name in a message: hostile names may be megabytes long.
std::string in_quotes(std::string_view name) {
  constexpr std::size_t kShown = 120;
  if (name.size() <= kShown) return "\"" + std::string(name) + "\"";
  return "\"" + std::string(name.substr(0, kShown)) + "...\"";
}

// Size in bytes, or nothing when it exceeds 2^63 - 1.
std::optional<std::uint64_t> byte_size(DType dtype, std::span<const std::uint64_t> shape) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  // A zero anywhere makes the tensor empty, but every dimension must still be a valid size.
  std::uint64_t size = dtype_size(dtype);
  bool empty = false;
  for (const std::uint64_t dimension : shape) {
    if (dimension > kMax) return std::nullopt;
    if (dimension == 0) {
      empty = true;
      continue;
    }
    if (size > kMax / dimension) return std::nullopt;
    size *= dimension;
  }
  return empty ? 0 : size;
}

struct Entry {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0, end = 0;
};

// Reads the header as it is parsed: no document is built, and a name that comes twice is seen.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::string error;

  bool start_object(std::size_t) override {
    if (in_array_) return fail("an object inside an array");
    if (depth_ == 2) return fail("a field of " + in_quotes(name_) + " is an object");
    ++depth_;
    if (depth_ == 2 && !in_metadata()) {
      entry_ = Entry{};
      entry_.name = name_;
      fields_ = 0;
    }
    return true;
  }
  bool end_object() override {
    --depth_;
    if (depth_ != 1 || in_metadata()) return true;
    if (fields_ != (kDTypeField | kShapeField | kOffsetsField))
      return fail("tensor " + in_quotes(name_) + " lacks one of dtype, shape, data_offsets");
    if (offsets_.size() != 2)
      return fail("tensor " + in_quotes(name_) + ": data_offsets must hold two numbers");
    entry_.begin = offsets_[0];
    entry_.end = offsets_[1];
    entries.push_back(std::move(entry_));
    return true;
  }
  bool key(string_t& text) override {
    if (depth_ == 1) {
      if (!names_.insert(text).second) return fail("the name " + in_quotes(text) + " comes twice");
      name_ = text;
      return true;
    }
    field_ = text;
    if (in_metadata()) return true;
    const int bit = text == "dtype"          ? kDTypeField
                    : text == "shape"        ? kShapeField
                    : text == "data_offsets" ? kOffsetsField
                                             : 0;
    if (bit == 0)
      return fail("tensor " + in_quotes(name_) + " has the unknown field " + in_quotes(text));
    if (fields_ & bit) return fail("tensor " + in_quotes(name_) + ": " + text + " comes twice");
    fields_ |= bit;
    return true;
  }
  bool string(string_t& text) override {
    if (depth_ == 2 && in_metadata()) {
      metadata[field_] = text;
      return true;
    }
    if (depth_ != 2 || in_array_ || field_ != "dtype") return wrong_type("a string");
    auto dtype = parse_dtype(text);
    if (!dtype) return fail("tensor " + in_quotes(name_) + ": " + dtype.error().message);
    entry_.dtype = *dtype;
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ != 2 || in_array_ || in_metadata() || field_ == "dtype")
      return wrong_type("an array");
    in_array_ = true;
    numbers().clear();
    return true;
  }
  bool end_array() override {
    in_array_ = false;
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (!in_array_) return wrong_type("a number");
    constexpr std::size_t kMaxDimensions = 64;
    if (numbers().size() == kMaxDimensions)
      return fail("tensor " + in_quotes(name_) + ": " + field_ + " has more than 64 numbers");
    numbers().push_back(value);
    return true;
  }
  bool number_integer(number_integer_t value) override {
    return fail("tensor " + in_quotes(name_) + ": " + field_ + " holds " + std::to_string(value) +
                "; sizes and offsets are not negative");
  }
  bool number_float(number_float_t, const string_t& text) override {
    return fail("tensor " + in_quotes(name_) + ": " + field_ + " holds " + in_quotes(text) +
                "; sizes and offsets are whole numbers below 2^64");
  }
  bool null() override { return wrong_type("null"); }
  bool boolean(bool) override { return wrong_type("a boolean"); }
  bool binary(binary_t&) override { return wrong_type("binary data"); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return fail("not JSON at byte " + std::to_string(position));
  }

 private:
  enum Field { kDTypeField = 1, kShapeField = 2, kOffsetsField = 4 };

  bool in_metadata() const { return name_ == "__metadata__"; }
  std::vector<std::uint64_t>& numbers() { return field_ == "shape" ? entry_.shape : offsets_; }
  bool fail(std::string message) {
    if (error.empty()) error = std::move(message);
    return false;
  }
  bool wrong_type(const char* what) {
    if (depth_ == 0) return fail(std::string("the header is ") + what + ", not an object");
    if (depth_ == 1) return fail("tensor " + in_quotes(name_) + " is " + what + ", not an object");
    return fail(in_quotes(name_) + ": " + in_quotes(field_) + " must not be " + what);
  }

  int depth_ = 0;
  bool in_array_ = false;
  int fields_ = 0;
  std::string name_, field_;
  Entry entry_;
  std::vector<std::uint64_t> offsets_;
  std::set<std::string> names_;
};

// Entries must tile the data: sorted by offset, each begins where the one before ends.
Result<void> check_entries(std::vector<Entry>& entries, std::uint64_t data_size) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t position = 0;
  for (const Entry& entry : entries) {
    const std::string tensor = "tensor " + in_quotes(entry.name);
    const std::string offsets =
        "data_offsets [" + std::to_string(entry.begin) + ", " + std::to_string(entry.end) + "]";
    if (entry.begin > entry.end) return corruption(tensor + ": " + offsets + " run backwards");
    if (entry.end > data_size)
      return corruption(tensor + ": " + offsets + " reach beyond the " + std::to_string(data_size) +
                        " bytes of data (file cut short?)");
    if (entry.begin < position) return corruption(tensor + ": " + offsets + " overlap another's");
    if (entry.begin > position)
      return corruption(tensor + ": " + offsets + " leave a gap behind byte " +
                        std::to_string(position));
    const auto size = byte_size(entry.dtype, entry.shape);
    if (!size) return corruption(tensor + ": its shape holds more than 2^63 - 1 bytes");
    if (*size != entry.end - entry.begin)
      return corruption(tensor + ": " + offsets + " hold " +
                        std::to_string(entry.end - entry.begin) + " bytes, its shape " +
                        std::to_string(*size));
    position = entry.end;
  }
  if (position != data_size)
    return corruption(std::to_string(data_size - position) + " bytes behind the last tensor");
  return {};
}

}  // namespace

std::size_t dtype_size(DType dtype) { return facts(dtype).size; }
std::string_view dtype_name(DType dtype) { return facts(dtype).name; }

Result<DType> parse_dtype(std::string_view name) {
  for (const DTypeFacts& known : kDTypes)
    if (known.name == name) return known.dtype;
  return invalid_argument("unknown type " + in_quotes(name));
}

std::int64_t TensorView::num_elements() const {
  return static_cast<std::int64_t>(bytes.size() / dtype_size(dtype));
}

std::string TensorView::describe() const {
  std::string text = std::string(dtype_name(dtype)) + " [";
  for (std::size_t i = 0; i < shape.size(); ++i)
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

Result<std::map<std::string, TensorView, std::less<>>> parse_safetensors(
    std::span<const std::byte> file_bytes, std::map<std::string, std::string>* metadata) {
  std::uint64_t header_size = 0;
  if (file_bytes.size() < sizeof(header_size))
    return corruption("the file has " + std::to_string(file_bytes.size()) +
                      " bytes; a safetensors file has at least 8");
  std::memcpy(&header_size, file_bytes.data(), sizeof(header_size));
  const std::span<const std::byte> rest = file_bytes.subspan(sizeof(header_size));
  if (header_size > kMaxSafetensorsHeader)
    return corruption("a header of " + std::to_string(header_size) +
                      " bytes; at most 100,000,000 are taken (not a safetensors file?)");
  if (header_size > rest.size())
    return corruption("a header of " + std::to_string(header_size) + " bytes in a file of " +
                      std::to_string(file_bytes.size()));
  const std::string_view header(reinterpret_cast<const char*>(rest.data()), header_size);
  const std::span<const std::byte> data = rest.subspan(header_size);

  HeaderReader reader;
  const bool parsed = Json::sax_parse(header.begin(), header.end(), &reader);
  if (!parsed)
    return corruption("header: " + (reader.error.empty() ? std::string("not JSON") : reader.error));
  SIGHTLINE_TRY_DO(check_entries(reader.entries, data.size()));

  std::map<std::string, TensorView, std::less<>> tensors;
  for (Entry& entry : reader.entries) {
    TensorView view;
    view.dtype = entry.dtype;
    view.shape.assign(entry.shape.begin(), entry.shape.end());
    view.bytes = data.subspan(entry.begin, entry.end - entry.begin);
    tensors.emplace(std::move(entry.name), std::move(view));
  }
  if (metadata != nullptr) *metadata = std::move(reader.metadata);
  return tensors;
}

namespace {

// File names of the shards, and the shard that the index says holds each tensor.
struct ShardIndex {
  std::set<std::string> files;
  std::map<std::string, std::string> file_of;
};

Result<ShardIndex> read_shard_index(const std::filesystem::path& path) {
  SIGHTLINE_TRY(const Json index, read_json_file(path));
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (!index.is_object() || map == index.end() || !map->is_object() || map->empty())
    return invalid_argument(path.string() + ": weight_map must be a non-empty object");
  ShardIndex shards;
  for (const auto& [name, file] : map->items()) {
    if (!file.is_string())
      return invalid_argument(path.string() + ": weight_map." + in_quotes(name) + " is no string");
    const auto& text = file.get_ref<const std::string&>();
    // A shard lies beside its index; anything else could point out of the model's folder.
    if (text.empty() || text == "." || text == ".." || text.find('/') != std::string::npos ||
        text.find('\0') != std::string::npos)
      return invalid_argument(path.string() + ": weight_map." + in_quotes(name) + " is " +
                              in_quotes(text) + "; a file name without a folder is wanted");
    shards.files.insert(text);
    shards.file_of.emplace(name, text);
  }
  return shards;
}

}  // namespace

Result<Checkpoint> Checkpoint::open(const std::filesystem::path& path) {
  std::error_code error;
  Checkpoint checkpoint;
  ShardIndex shards;
  if (!std::filesystem::is_directory(path, error)) {
    checkpoint.files_.push_back(path);
  } else if (std::filesystem::exists(path / "model.safetensors", error)) {
    checkpoint.files_.push_back(path / "model.safetensors");
  } else if (std::filesystem::exists(path / "model.safetensors.index.json", error)) {
    SIGHTLINE_TRY(shards, read_shard_index(path / "model.safetensors.index.json"));
    for (const std::string& file : shards.files) checkpoint.files_.push_back(path / file);
  } else {
    return not_found(path.string() +
                     ": neither model.safetensors nor model.safetensors.index.json is there");
  }

  std::map<std::string, std::string> seen_in;
  for (const std::filesystem::path& file : checkpoint.files_) {
    SIGHTLINE_TRY(auto mapping, MappedFile::open(file));
    auto tensors = parse_safetensors(mapping->bytes());
    if (!tensors) return tensors.error().with_context(file.string());
    for (auto& [name, view] : *tensors) {
      const auto [other, is_new] = seen_in.emplace(name, file.filename().string());
      if (!is_new)
        return corruption(file.string() + ": tensor " + in_quotes(name) + " is in " +
                          other->second + " as well");
      checkpoint.tensors_.emplace(name, std::move(view));
    }
    checkpoint.mappings_.push_back(std::move(mapping));
  }
  for (const auto& [name, file] : shards.file_of) {
    const auto found = seen_in.find(name);
    if (found == seen_in.end() || found->second != file)
      return corruption((path / file).string() + ": tensor " + in_quotes(name) +
                        " is not there, though model.safetensors.index.json says so");
  }
  return checkpoint;
}

const TensorView* Checkpoint::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

}  // namespace sightline::encoders
