// tests/index/shard_rows.h: rows for shards, and file calls that fail when told to.
#pragma once

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "index/distance.h"
#include "index/file_writer.h"
#include "index/shard.h"
#include "index/shard_builder.h"
#include "index/shard_spec.h"

namespace sightline::index {

/// Rows in clusters, with gaps between their slots; they lie unaligned, as in a mapped file.
class ShardRows {
 public:
  ShardRows(std::size_t num_rows, std::size_t dim, std::uint64_t seed, bool unit_norm = false)
      : dim_(dim), bytes_(1 + num_rows * dim * sizeof(float)) {
    std::mt19937_64 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> centers(dim * 16);
    for (float& value : centers) value = 2 * normal(random);
    Slot slot = 5;
    for (std::size_t row = 0; row < num_rows; ++row) {
      std::vector<float> values(dim);
      const float* center = centers.data() + random() % 16 * dim;
      double squares = 0;
      for (std::size_t i = 0; i < dim; ++i) {
        values[i] = center[i] + normal(random);
        squares += double{values[i]} * double{values[i]};
      }
      if (unit_norm) {
        for (float& value : values) value = static_cast<float>(value / std::sqrt(squares));
      }
      std::memcpy(bytes_.data() + 1 + row * dim * sizeof(float), values.data(),
                  dim * sizeof(float));
      values_.insert(values_.end(), values.begin(), values.end());
      refs_.push_back(
          {slot, 1000 + random() % 1000, bytes_.data() + 1 + row * dim * sizeof(float)});
      slot += 1 + static_cast<Slot>(random() % 3);
    }
  }
  ShardRows(const ShardRows&) = delete;
  ShardRows& operator=(const ShardRows&) = delete;

  std::span<const RowRef> refs() const { return refs_; }
  const std::vector<float>& values() const { return values_; }
  std::size_t dim() const { return dim_; }
  std::size_t size() const { return refs_.size(); }

 private:
  std::size_t dim_;
  std::vector<std::byte> bytes_;
  std::vector<float> values_;
  std::vector<RowRef> refs_;
};

/// Writes a file anew. Cutting and rewriting it instead makes ext4 flush it, some 25 ms each time.
inline std::filesystem::path put_file(const std::filesystem::path& path, std::string_view content) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

/// Of the letters and digits of `text` alone: for names of test cases.
inline std::string case_name(const std::string& text) {
  std::string name;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c))) name += c;
  }
  return name;
}

inline std::string distance_text(Distance distance) {
  return distance == Distance::kInnerProduct ? "Product" : distance == Distance::kL2 ? "L2" : "L1";
}

inline BuildOptions build_options(const std::string& spec, std::size_t dim, Distance distance) {
  BuildOptions options;
  options.dim = dim;
  options.distance = distance;
  options.spec = parse_shard_spec(spec).value();
  return options;
}

/// The system's calls, of which the n-th fails, and all that follow if it is a crash. Those that
/// sync do nothing: what they are for cannot be seen from here. Thread-safety: one thread.
class FailingCalls final : public FileCalls {
 public:
  static constexpr std::size_t kNever = std::numeric_limits<std::size_t>::max();

  explicit FailingCalls(std::size_t fails_at, bool crash = false, int error = EIO)
      : fails_at_(fails_at), crash_(crash), error_(error) {}

  /// Writes succeed for so many bytes; then the disk is full.
  void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }
  std::size_t num_calls() const { return num_calls_; }

  int create(const std::filesystem::path& path) override {
    return fails() ? -error_ : FileCalls::create(path);
  }
  ssize_t write(int file, std::span<const std::byte> bytes, std::uint64_t offset) override {
    if (fails()) return -error_;
    if (capacity_ == 0) return -ENOSPC;
    const ssize_t written = FileCalls::write(
        file,
        bytes.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), capacity_))),
        offset);
    if (written > 0) capacity_ -= static_cast<std::uint64_t>(written);
    return written;
  }
  int sync(int) override { return fails() ? -error_ : 0; }
  int close(int file) override {
    const int closed = FileCalls::close(file);  // the test does not leak, whatever is reported
    return fails() ? -error_ : closed;
  }
  int make_folder(const std::filesystem::path& path) override {
    return fails() ? -error_ : FileCalls::make_folder(path);
  }
  int sync_folder(const std::filesystem::path&) override { return fails() ? -error_ : 0; }
  int rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    return fails() ? -error_ : FileCalls::rename(from, to);
  }
  int remove_all(const std::filesystem::path& path) override {
    return fails() ? -error_ : FileCalls::remove_all(path);
  }

 private:
  bool fails() {
    const std::size_t call = num_calls_++;
    return crash_ ? call >= fails_at_ : call == fails_at_;
  }
  const std::size_t fails_at_;
  const bool crash_;
  const int error_;
  std::size_t num_calls_ = 0;
  std::uint64_t capacity_ = std::numeric_limits<std::uint64_t>::max();
};

}  // namespace sightline::index
