// index/internal/half_rows.h: rows of fp16 (core/half.h), which take half the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace sightline::index {

/// Rounds rows and keeps account of what that does to them. Thread-safety: one thread.
class HalfRounder {
 public:
  explicit HalfRounder(std::size_t dim) : halves_(dim) {}

  /// `row`: dim little-endian floats, perhaps unaligned. returns  its fp16 values, valid until the
  /// next call; empty: it cannot be held so, and problem() says why: a number that is too large or
  /// none, or so many too small ones that it moves by more than 1/1024 of its length.
  std::span<const std::byte> round(const std::byte* row);
  const std::string& problem() const { return problem_; }

  /// Euclidean distance by which rows were moved: the longest, and the mean.
  double max_shift() const { return max_shift_; }
  double mean_shift() const;

 private:
  std::vector<std::uint16_t> halves_;
  std::string problem_;
  double max_shift_ = 0, sum_of_shifts_ = 0;
  std::uint64_t num_rows_ = 0;
};

/// `dim` little-endian fp16 values, perhaps unaligned, as floats.
std::vector<float> widened(const std::byte* row, std::size_t dim);

}  // namespace sightline::index
