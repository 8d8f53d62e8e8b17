#include "core/npy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/half.h"

namespace sightline {
namespace {

static_assert(std::endian::native == std::endian::little, "values are taken as they lie");

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr std::size_t kMaxHeaderBytes = std::size_t{1} << 20;
constexpr std::size_t kAlignment = 64;

/// What the header's dictionary says.
struct Header {
  std::string type;
  std::optional<bool> fortran_order;
  std::optional<std::vector<std::uint64_t>> shape;
};

/// Reads the Python literal that NumPy writes: a dictionary of a string, a bool and a tuple.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  /// False: it is none.
  bool parse(Header& header) {
    if (!take('{')) return false;
    while (!take('}')) {
      std::string key;
      if (!string(key) || !take(':')) return false;
      const bool known = key == "descr"           ? string(header.type)
                         : key == "fortran_order" ? boolean(header.fortran_order)
                         : key == "shape"         ? tuple(header.shape)
                                                  : false;
      if (!known) return false;
      if (!take(',') && !peek('}')) return false;
    }
    return !header.type.empty() && header.fortran_order && header.shape;
  }

 private:
  void skip_blanks() {
    const std::size_t start = text_.find_first_not_of(" \t\r\n");
    text_.remove_prefix(std::min(start, text_.size()));
  }
  bool peek(char c) {
    skip_blanks();
    return text_.starts_with(c);
  }
  bool take(char c) {
    if (!peek(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool word(std::string_view expected) {
    skip_blanks();
    if (!text_.starts_with(expected)) return false;
    text_.remove_prefix(expected.size());
    return true;
  }
  bool string(std::string& out) {
    const char quote = peek('"') ? '"' : '\'';
    if (!take(quote)) return false;
    const std::size_t end = text_.find(quote);
    if (end == text_.npos) return false;
    out = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return true;
  }
  bool boolean(std::optional<bool>& out) {
    if (word("True")) {
      out = true;
    } else if (word("False")) {
      out = false;
    } else {
      return false;
    }
    return true;
  }
  bool tuple(std::optional<std::vector<std::uint64_t>>& out) {
    if (!take('(')) return false;
    out.emplace();
    while (!take(')')) {
      skip_blanks();
      std::uint64_t size = 0;
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), size);
      if (error != std::errc()) return false;
      text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
      if (text_.starts_with('L')) text_.remove_prefix(1);  // Python 2's long
      out->push_back(size);
      if (!take(',') && !peek(')')) return false;
    }
    return true;
  }

  std::string_view text_;
};

template <typename T>
T item_at(const std::vector<std::byte>& raw, std::size_t i) {
  T value;
  std::memcpy(&value, raw.data() + i * sizeof(T), sizeof(T));
  return value;
}

/// nullopt if it is negative.
template <typename T>
std::optional<std::uint64_t> unsigned_at(const std::vector<std::byte>& raw, std::size_t i) {
  const T value = item_at<T>(raw, i);
  if constexpr (std::is_signed_v<T>) {
    if (value < 0) return std::nullopt;
  }
  return static_cast<std::uint64_t>(value);
}

std::optional<std::uint64_t> unsigned_item(const std::string& type,
                                           const std::vector<std::byte>& raw, std::size_t i) {
  const bool is_signed = type[1] == 'i';
  switch (type[2]) {
    case '1':
      return is_signed ? unsigned_at<std::int8_t>(raw, i) : unsigned_at<std::uint8_t>(raw, i);
    case '2':
      return is_signed ? unsigned_at<std::int16_t>(raw, i) : unsigned_at<std::uint16_t>(raw, i);
    case '4':
      return is_signed ? unsigned_at<std::int32_t>(raw, i) : unsigned_at<std::uint32_t>(raw, i);
    default:
      return is_signed ? unsigned_at<std::int64_t>(raw, i) : unsigned_at<std::uint64_t>(raw, i);
  }
}

/// a * b, or nothing if it is above `limit`.
std::optional<std::uint64_t> product(std::uint64_t a, std::uint64_t b, std::uint64_t limit) {
  if (a != 0 && b > limit / a) return std::nullopt;
  return a * b;
}

}  // namespace

std::string npy_header(std::span<const std::uint64_t> shape) {
  std::string sizes;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    sizes += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  }
  std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + sizes +
                     (shape.size() == 1 ? ",), }" : "), }");
  constexpr std::size_t prefix_bytes = 10;     // magic, version, header length
  const std::size_t room = 22 * shape.size();  // the longest number and ", "
  const std::size_t used = prefix_bytes + dict.size() + 1;
  const std::size_t total = (used - sizes.size() + room + kAlignment - 1) / kAlignment * kAlignment;
  dict.append(total - used, ' ').append("\n");

  std::string bytes(kMagic);
  bytes += '\x01';
  bytes += '\x00';
  bytes += static_cast<char>(dict.size() & 0xFF);
  bytes += static_cast<char>(dict.size() >> 8);
  return bytes += dict;
}

std::string npy_bytes(std::span<const std::uint64_t> shape, std::span<const float> values) {
  std::string bytes = npy_header(shape);
  const auto raw = std::as_bytes(values);
  return bytes.append(reinterpret_cast<const char*>(raw.data()), raw.size());
}

struct NpyFile::Descriptor {
  explicit Descriptor(int opened) : number(opened) {}
  ~Descriptor() { ::close(number); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int number;
};

Result<NpyFile> NpyFile::open(const std::filesystem::path& path) {
  NpyFile file;
  file.path_ = path;
  // Without waiting: the path may be a pipe that nobody writes to.
  const int number = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (number < 0) {
    const int error = errno;
    const std::string message = path.string() + ": cannot be opened: " + std::strerror(error);
    if (error == ENOENT || error == ENOTDIR) return not_found(path.string() + ": no such file");
    if (error == EACCES) return Status{StatusCode::kPermissionDenied, message};
    return io_error(message);
  }
  file.file_ = std::make_shared<const Descriptor>(number);
  struct stat status {};
  if (::fstat(number, &status) != 0) {
    return io_error(path.string() + ": cannot be read: " + std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) return file.wrong("is not a regular file");
  SIGHTLINE_TRY_DO(file.parse(static_cast<std::uint64_t>(status.st_size)));
  return file;
}

Status NpyFile::wrong(const std::string& what) const {
  return invalid_argument(path_.string() + ": " + what);
}

Result<void> NpyFile::parse(std::uint64_t file_bytes) {
  std::array<std::byte, 12> prefix{};
  const std::size_t prefix_bytes = std::min<std::uint64_t>(prefix.size(), file_bytes);
  SIGHTLINE_TRY_DO(read_bytes(0, std::span(prefix).first(prefix_bytes)));
  const auto byte = [&](std::size_t i) { return std::to_integer<std::uint32_t>(prefix[i]); };
  if (prefix_bytes < 10 || std::memcmp(prefix.data(), kMagic.data(), kMagic.size()) != 0) {
    return wrong("is no .npy file (it does not begin with \\x93NUMPY)");
  }
  if (byte(6) < 1 || byte(6) > 3) {
    return wrong(".npy format version " + std::to_string(byte(6)) + "; 1 to 3 are understood");
  }
  const bool is_long = byte(6) > 1;
  std::uint64_t header_bytes = byte(8) | byte(9) << 8;
  if (is_long) header_bytes |= byte(10) << 16 | byte(11) << 24;
  data_offset_ = header_bytes + (is_long ? 12 : 10);
  if (header_bytes > kMaxHeaderBytes || data_offset_ > file_bytes) {
    return corruption(path_.string() + ": a header of " + std::to_string(header_bytes) +
                      " bytes in a file of " + std::to_string(file_bytes));
  }
  std::string text(header_bytes, '\0');
  SIGHTLINE_TRY_DO(
      read_bytes(data_offset_ - header_bytes, std::as_writable_bytes(std::span(text))));
  Header header;
  if (!HeaderParser(text).parse(header)) {
    return wrong("its header is not that of a plain array: " + text.substr(0, 200));
  }
  if (header.type.size() == 3 && (header.type[0] == '|' || header.type[0] == '=')) {
    header.type[0] = '<';
  }
  type_ = header.type;
  static constexpr std::array<std::string_view, 11> known = {
      "<f2", "<f4", "<f8", "<i1", "<i2", "<i4", "<i8", "<u1", "<u2", "<u4", "<u8"};
  if (std::ranges::find(known, type_) == known.end()) {
    return wrong("holds elements of type " + type_ +
                 "; little-endian float16, float32, float64 and integers are understood");
  }
  item_bytes_ = static_cast<std::size_t>(type_[2] - '0');
  shape_ = *header.shape;
  const auto long_axes = std::ranges::count_if(shape_, [](std::uint64_t n) { return n > 1; });
  if (*header.fortran_order && long_axes > 1) {
    return wrong("is in Fortran order; save numpy.ascontiguousarray(array)");
  }
  if (shape_.empty()) return wrong("holds a single number, no array");

  num_rows_ = shape_[0];
  row_size_ = 1;
  std::optional<std::uint64_t> bytes = item_bytes_;
  for (std::size_t i = 0; i < shape_.size() && bytes; ++i) {
    bytes = product(*bytes, shape_[i], INT64_MAX - data_offset_);
    if (i > 0 && bytes && shape_[i] <= INT64_MAX / std::max<std::uint64_t>(row_size_, 1)) {
      row_size_ *= shape_[i];
    }
  }
  if (!bytes || *bytes + data_offset_ > file_bytes) {
    return corruption(path_.string() + ": is cut: an array of shape " + shape_text() +
                      " and type " + type_ + " does not fit into its " +
                      std::to_string(file_bytes) + " bytes");
  }
  if (*bytes + data_offset_ < file_bytes) {
    return wrong(std::to_string(file_bytes - data_offset_ - *bytes) +
                 " bytes follow the array of shape " + shape_text() +
                 ": was more than one array saved to it?");
  }
  return {};
}

std::string NpyFile::shape_text() const {
  std::string text = "(";
  for (std::size_t i = 0; i < shape_.size(); ++i) {
    text += (i > 0 ? ", " : "") + std::to_string(shape_[i]);
  }
  return text + (shape_.size() == 1 ? ",)" : ")");
}

Result<void> NpyFile::read_bytes(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t got = ::pread(file_->number, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error(path_.string() + ": cannot be read: " + std::strerror(errno));
    if (got == 0) return corruption(path_.string() + ": has become shorter");
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

Result<void> NpyFile::read_raw(std::uint64_t first, std::size_t count,
                               std::vector<std::byte>& raw) const {
  raw.resize(count * item_bytes_);
  return read_bytes(data_offset_ + first * row_size_ * item_bytes_, raw);
}

Result<void> NpyFile::read_floats(std::uint64_t first, std::span<float> out) const {
  if (!holds_floats()) {
    return wrong("holds " + type_ + "; float16, float32 or float64 are wanted");
  }
  if (item_bytes_ == sizeof(float)) {
    return read_bytes(data_offset_ + first * row_size_ * sizeof(float),
                      std::as_writable_bytes(out));
  }
  std::vector<std::byte> raw;
  SIGHTLINE_TRY_DO(read_raw(first, out.size(), raw));
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = item_bytes_ == 2 ? half_to_float(item_at<std::uint16_t>(raw, i))
                              : static_cast<float>(item_at<double>(raw, i));
  }
  return {};
}

Result<std::vector<std::optional<std::uint64_t>>> NpyFile::read_unsigned(std::uint64_t first,
                                                                         std::size_t count) const {
  if (holds_floats()) return wrong("holds " + type_ + "; whole numbers are wanted");
  std::vector<std::byte> raw;
  SIGHTLINE_TRY_DO(read_raw(first, count, raw));
  std::vector<std::optional<std::uint64_t>> numbers(count);
  for (std::size_t i = 0; i < count; ++i) numbers[i] = unsigned_item(type_, raw, i);
  return numbers;
}

}  // namespace sightline
