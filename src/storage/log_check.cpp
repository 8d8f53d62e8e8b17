#include "storage/internal/log_check.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

namespace sightline::storage {
namespace {

// RocksDB's log format (its wiki, "Write Ahead Log File Format"): blocks of 32 KiB; a record is
// masked CRC (4), length (2), type (1) and that many bytes, and never crosses a block.
constexpr std::size_t kBlockBytes = std::size_t{32} << 10;
constexpr std::size_t kHeaderBytes = 7;
constexpr std::size_t kPageBytes = 4096;
enum RecordType : std::uint8_t { kZero = 0, kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

/// Slicing by 8: table[k] is the CRC of a byte that k zero bytes follow.
constexpr CrcTables make_crc_tables() {
  CrcTables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < tables.size(); ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t crc = tables[k - 1][byte];
      tables[k][byte] = (crc >> 8) ^ tables[0][crc & 0xFF];
    }
  }
  return tables;
}
constexpr CrcTables kCrcTables = make_crc_tables();

template <typename T>
T load(std::string_view bytes, std::size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

struct Record {
  std::size_t length = 0;  ///< With its header.
  std::uint8_t type = 0;
};

/// The header at `at`, if there is room for one.
std::optional<Record> header(std::string_view block, std::size_t at) {
  if (at + kHeaderBytes > block.size()) return std::nullopt;
  return Record{kHeaderBytes + load<std::uint16_t>(block, at + 4),
                static_cast<std::uint8_t>(block[at + 6])};
}

bool is_sound(std::string_view block, std::size_t at, const Record& record) {
  if (record.type == kZero || at + record.length > block.size()) return false;
  const std::uint32_t crc = crc32c(block.substr(at + 6, record.length - 6));
  const std::uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xA282EAD8U;
  return load<std::uint32_t>(block, at) == masked;
}

/// Whether a sound record that begins something lies in the block, from `at`.
bool begins_something(std::string_view block, std::size_t at) {
  for (; at + kHeaderBytes <= block.size(); ++at) {
    const Record record = *header(block, at);
    if ((record.type == kFull || record.type == kFirst) && is_sound(block, at, record)) return true;
  }
  return false;
}

/// Whether a page, or the part of it within [at, end), never reached the disk.
bool has_hole(std::string_view block, std::size_t at, std::size_t end) {
  end = std::min(end, block.size());
  while (at < end) {
    const std::size_t page_end = std::min(end, (at / kPageBytes + 1) * kPageBytes);
    const std::string_view part = block.substr(at, page_end - at);
    if (part.size() >= kHeaderBytes && part.find_first_not_of('\0') == std::string_view::npos)
      return true;
    at = page_end;
  }
  return false;
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = ~std::uint32_t{0};
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
    const std::uint64_t word = load<std::uint64_t>(bytes, 0) ^ crc;
    crc = 0;
    for (std::size_t byte = 0; byte < 8; ++byte)
      crc ^= kCrcTables[7 - byte][(word >> (8 * byte)) & 0xFF];
  }
  for (const char byte : bytes)
    crc = (crc >> 8) ^ kCrcTables[0][(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
  return ~crc;
}

Result<std::optional<std::uint64_t>> find_log_damage(const std::filesystem::path& path,
                                                     bool is_closed) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return io_error("cannot open " + path.string());
  std::string buffer(kBlockBytes, '\0');
  std::optional<std::uint64_t> damage;
  for (std::uint64_t start = 0;; start += kBlockBytes) {
    file.read(buffer.data(), static_cast<std::streamsize>(kBlockBytes));
    const std::string_view block(buffer.data(), static_cast<std::size_t>(file.gcount()));
    if (file.bad()) return io_error("cannot read " + path.string());
    if (damage && begins_something(block, 0)) return damage;
    std::size_t at = 0;
    while (!damage) {
      const auto record = header(block, at);
      if (!record) break;
      if (is_sound(block, at, *record)) {
        at += record->length;
        continue;
      }
      if (has_hole(block, at, at + record->length)) break;
      if (begins_something(block, at + 1)) return start + at;
      // Cut short by the end of the file: as a crash leaves it.
      const bool is_cut = block.size() < kBlockBytes && at + record->length > block.size();
      if (!is_cut) damage = start + at;
      break;
    }
    if (block.size() < kBlockBytes) break;
  }
  return is_closed ? damage : std::optional<std::uint64_t>();
}

std::vector<LogDamage> damaged_logs(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> logs;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    // An empty one follows a torn one after a crash while opening.
    if (entry.path().extension() == ".log" && entry.file_size(error) > 0)
      logs.push_back(entry.path());
  }
  std::sort(logs.begin(), logs.end(), [](const auto& a, const auto& b) {
    const std::string name_a = a.filename(), name_b = b.filename();
    return std::pair(name_a.size(), name_a) < std::pair(name_b.size(), name_b);  // by number
  });
  std::vector<LogDamage> damaged;
  for (const auto& log : logs) {
    const auto damage = find_log_damage(log, /*is_closed=*/log != logs.back());
    if (damage && *damage) damaged.push_back({log, **damage});
  }
  return damaged;
}

Result<void> visit_log(const std::filesystem::path& path,
                       const std::function<void(std::string_view record)>& visit) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return io_error("cannot open " + path.string());
  std::string buffer(kBlockBytes, '\0'), whole;
  while (file) {
    file.read(buffer.data(), static_cast<std::streamsize>(kBlockBytes));
    const std::string_view block(buffer.data(), static_cast<std::size_t>(file.gcount()));
    if (file.bad()) return io_error("cannot read " + path.string());
    std::size_t at = 0;
    while (const auto record = header(block, at)) {
      if (!is_sound(block, at, *record)) return {};
      if (record->type == kFull || record->type == kFirst) whole.clear();
      whole.append(block.substr(at + kHeaderBytes, record->length - kHeaderBytes));
      if (record->type == kFull || record->type == kLast) visit(whole);
      at += record->length;
    }
  }
  return {};
}

}  // namespace sightline::storage
