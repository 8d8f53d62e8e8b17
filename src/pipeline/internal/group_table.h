// pipeline/internal/group_table.h: hits sorted into groups by a payload field.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "core/field_path.h"
#include "core/filter.h"
#include "core/json.h"
#include "pipeline/point_query.h"

namespace sightline::pipeline {

/// Thread-safety: one thread.
class GroupTable {
 public:
  GroupTable(FieldPath by, std::size_t num_groups, std::size_t group_size)
      : by_(std::move(by)), num_groups_(num_groups), group_size_(group_size) {}

  /// Hits that come after all that were added before, best first, with the field in their payloads.
  /// Makes new groups while `may_make` and there are fewer than num_groups.
  void add(std::vector<PointHit> hits, bool may_make);

  bool has_all_groups() const { return groups_.size() == num_groups_; }
  bool is_full() const;
  /// Points with a value that no group has and that were not added yet.
  std::shared_ptr<const Filter> others() const;
  /// Points of groups that are not full and that were not added yet. Null: there is no such group.
  std::shared_ptr<const Filter> missing() const;

  std::vector<PointGroup> take() { return std::move(groups_); }

 private:
  /// Conditions on the strings and on the integers among the keys of some groups.
  template <typename Test, typename Wanted>
  std::vector<Condition> conditions(Wanted&& wanted) const;

  const FieldPath by_;
  const std::size_t num_groups_, group_size_;
  std::vector<PointGroup> groups_;  // in the order of their first hits
  std::map<Json, std::size_t> places_;
  std::set<PointId> seen_;
};

}  // namespace sightline::pipeline
