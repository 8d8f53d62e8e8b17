// index/internal/filter_effort.h: what a search under a filter may spend on lists or links before
// it is better answered by an exact scan of the rows that may be found.
#pragma once

#include "index/internal/shard_data.h"
#include "index/internal/shard_searcher.h"

namespace sightline::index {

/// Nanoseconds that the steps of a search take on a core of today; only their ratios matter.
struct ScanCosts {
  double vector = 0;  ///< The distance of a full vector that lies anywhere.
  double code = 0;    ///< Of a code in a list.
  double list = 0;    ///< To enter a list.
  double check = 0;   ///< To see whether a row passes.
  double node = 0;    ///< To reach a row by a link.
};
ScanCosts scan_costs(const ShardData& data);

/// Of the full vectors of all rows that pass.
double exact_cost(const ScanJob& job, const ScanCosts& costs);

/// Tells from where a search found rows how far it has to go. Each look comes after it went twice
/// as far as before.
/// Thread-safety: one thread.
class Outlook {
 public:
  /// Of `num_near` rows as near as the hits so many were found since the last look.
  void look(double num_new, double num_near);

  /// Next to none were new: few are to be expected of going on.
  bool rests() const { return share_new_ <= kRestingShare; }
  /// How many times as far it must go until it rests, if the share of new ones goes on to fall as
  /// it has fallen; optimistic where that is not known yet.
  double times_as_far() const;

 private:
  static constexpr double kRestingShare = 1.0 / 200;

  double share_new_ = 1, last_share_new_ = 1;  // since the last look, since the one before
};

}  // namespace sightline::index
