// index/distance.h: how far apart two rows are; lower is better everywhere inside `index`.
#pragma once

namespace sightline::index {

enum class Distance {
  kInnerProduct,  ///< -<q, x>; for rows of norm 1 the negated cosine
  kL2,            ///< sqrt(sum (q_i - x_i)^2)
  kL1,            ///< sum |q_i - x_i|
};

}  // namespace sightline::index
