#include "index/internal/half_rows.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "core/half.h"

namespace sightline::index {
namespace {

// Rounding moves each value that is not tiny by at most 2^-11 of itself, and so the row.
constexpr double kMaxShare = 1.0 / 1024;

std::string short_number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3g", value);
  return text.data();
}

}  // namespace

std::span<const std::byte> HalfRounder::round(const std::byte* row) {
  double squares = 0, lost = 0;
  for (std::size_t i = 0; i < halves_.size(); ++i) {
    float value;
    std::memcpy(&value, row + i * sizeof(float), sizeof(float));
    if (!(std::fabs(value) <= kLargestHalf)) {
      problem_ = "it holds " + short_number(double{value}) + ", and fp16 ends at 65504";
      return {};
    }
    halves_[i] = float_to_half(value);
    const double error = double{value} - double{half_to_float(halves_[i])};
    squares += double{value} * double{value};
    lost += error * error;
  }
  const double shift = std::sqrt(lost);
  if (shift > kMaxShare * std::sqrt(squares)) {
    problem_ = "its values are too small for fp16, which moves it by " + short_number(shift) +
               " of its length " + short_number(std::sqrt(squares));
    return {};
  }
  max_shift_ = std::max(max_shift_, shift);
  sum_of_shifts_ += shift;
  ++num_rows_;
  return std::as_bytes(std::span(halves_));
}

double HalfRounder::mean_shift() const {
  return num_rows_ == 0 ? 0 : sum_of_shifts_ / static_cast<double>(num_rows_);
}

std::vector<float> widened(const std::byte* row, std::size_t dim) {
  std::vector<float> values(dim);
  for (std::size_t i = 0; i < dim; ++i) {
    std::uint16_t half;
    std::memcpy(&half, row + i * sizeof(half), sizeof(half));
    values[i] = half_to_float(half);
  }
  return values;
}

}  // namespace sightline::index
