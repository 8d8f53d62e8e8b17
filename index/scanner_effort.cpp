#include <algorithm>
#include <cmath>

#include "index/internal/filter_effort.h"

namespace sightline::index {

ScanCosts scan_costs(const ShardData& data) {
  const auto dim = static_cast<double>(data.dim);
  ScanCosts costs;
  costs.vector = 10 + dim / 6;
  costs.check = 2;
  costs.list = 20;
  costs.node = 20 + 1.5 * costs.vector;
  costs.code = costs.vector;
  if (data.spec.type == ShardType::kIvfSq8) {
    costs.code = 10 + dim / 10;
    if (data.by_residual) costs.list += dim / 2;
  }
  if (data.spec.type == ShardType::kIvfPq) {
    costs.code = 5 + static_cast<double>(data.spec.num_subvectors);
    // Its table is filled again: the distance of each word.
    if (data.by_residual && data.distance == Distance::kL2) costs.list += 256 * dim / 16;
  }
  return costs;
}

double exact_cost(const ScanJob& job, const ScanCosts& costs) {
  return static_cast<double>(job.filter.num_allowed()) * costs.vector;
}

void Outlook::look(double num_new, double num_near) {
  last_share_new_ = share_new_;
  share_new_ = num_near > 0 ? num_new / num_near : 1;
}

double Outlook::times_as_far() const {
  if (rests()) return 1;
  constexpr double kSteepest = 0.15, kFlattest = 0.95;
  const double fall = last_share_new_ < 1
                          ? std::clamp(share_new_ / last_share_new_, kSteepest, kFlattest)
                          : kSteepest;
  return std::exp2(std::ceil(std::log(kRestingShare / share_new_) / std::log(fall)));
}

}  // namespace sightline::index
