#include "pipeline/internal/group_table.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

namespace sightline::pipeline {
namespace {

bool is_key(const Json& value) { return value.is_string() || value.is_number_integer(); }

bool holds(const PointGroup& group, const PointId& id) {
  return std::any_of(group.hits.begin(), group.hits.end(),
                     [&id](const PointHit& hit) { return hit.id == id; });
}

}  // namespace

void GroupTable::add(std::vector<PointHit> hits, bool may_make) {
  for (PointHit& hit : hits) {
    seen_.insert(hit.id);
    if (!hit.payload) continue;
    by_.visit(*hit.payload, [&](const Json& value) {
      if (!is_key(value)) return true;
      auto place = places_.find(value);
      if (place == places_.end()) {
        if (!may_make || has_all_groups()) return true;
        place = places_.emplace(value, groups_.size()).first;
        groups_.push_back({value, {}, std::nullopt});
      }
      PointGroup& group = groups_[place->second];
      if (group.hits.size() < group_size_ && !holds(group, hit.id)) group.hits.push_back(hit);
      return true;
    });
  }
}

bool GroupTable::is_full() const {
  return has_all_groups() && std::all_of(groups_.begin(), groups_.end(), [&](const auto& group) {
           return group.hits.size() == group_size_;
         });
}

template <typename Test, typename Wanted>
std::vector<Condition> GroupTable::conditions(Wanted&& wanted) const {
  Test strings, integers;
  for (const PointGroup& group : groups_) {
    if (!wanted(group)) continue;
    if (group.key.is_string()) {
      strings.values.emplace_back(group.key.template get<std::string>());
    } else if (!group.key.is_number_unsigned() ||
               group.key.template get<std::uint64_t>() <=
                   std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
      integers.values.emplace_back(group.key.template get<std::int64_t>());
    }  // no filter can name a greater one
  }
  std::vector<Condition> conditions;
  for (Test* test : {&strings, &integers}) {
    if (!test->values.empty()) conditions.push_back(FieldCondition{by_, std::move(*test)});
  }
  return conditions;
}

std::shared_ptr<const Filter> GroupTable::others() const {
  auto filter = std::make_shared<Filter>();
  filter->must = conditions<MatchExcept>([](const PointGroup&) { return true; });
  filter->must_not.push_back(IsEmpty{by_});
  if (!seen_.empty()) filter->must_not.push_back(HasId{{seen_.begin(), seen_.end()}});
  return filter;
}

std::shared_ptr<const Filter> GroupTable::missing() const {
  auto filter = std::make_shared<Filter>();
  filter->should = conditions<MatchAny>(
      [&](const PointGroup& group) { return group.hits.size() < group_size_; });
  if (filter->should.empty()) return nullptr;
  if (!seen_.empty()) filter->must_not.push_back(HasId{{seen_.begin(), seen_.end()}});
  return filter;
}

}  // namespace sightline::pipeline
