#include "index/internal/field_index.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "index/internal/field_index_log.h"
#include "index/internal/field_index_postings.h"
#include "index/internal/field_index_slots.h"

namespace sightline::index {
namespace {

// The log is merged once it has this share of the slots, within bounds: a merge copies all values
// but those of common keys, and a search looks at each entry. Below 2M slots a change so costs 32
// copies of a value, and a search is never held up by more than about a millisecond.
constexpr std::size_t kLogShare = 32;
constexpr std::size_t kMinLog = 4096;
constexpr std::size_t kMaxLog = 65'536;
// Of the slots that only their payloads can tell, an estimate takes this share.
constexpr double kOpenShare = 0.5;
// Entries of a log that an estimate looks at.
constexpr std::uint32_t kLogSample = 1024;

template <typename Key>
Key to_key(const IndexedValue& value) {
  if constexpr (std::is_same_v<Key, std::int64_t>) {
    const bool* flag = std::get_if<bool>(&value);
    return flag != nullptr ? std::int64_t{*flag} : std::get<std::int64_t>(value);
  } else if constexpr (std::is_same_v<Key, double>) {
    return std::get<double>(value) + 0.0;  // -0.0 becomes 0.0
  } else if constexpr (std::is_same_v<Key, GeoKey>) {
    const GeoPoint& point = std::get<GeoPoint>(value);
    return GeoKey{GeoKey::band_of(point.lat), point};
  } else {
    return std::get<Key>(value);
  }
}

template <typename Key>
using Pairs = std::vector<std::pair<KeyView<Key>, Slot>>;
template <typename Key>
using Additions = std::vector<typename Postings<Key>::Addition>;

/// Gathers the slots of each key. Strings through a hash table: their comparisons would dominate.
template <typename Key>
Additions<Key> group_by_key(Pairs<Key> pairs) {
  Additions<Key> groups;
  if constexpr (std::is_same_v<Key, std::string>) {
    std::unordered_map<std::string_view, std::size_t> places;
    for (const auto& [key, slot] : pairs) {
      const auto [place, is_new] = places.try_emplace(key, groups.size());
      if (is_new) groups.push_back({key, {}});
      groups[place->second].slots.push_back(slot);
    }
    std::sort(groups.begin(), groups.end(),
              [](const auto& a, const auto& b) { return a.key < b.key; });
    for (auto& group : groups) sort_slots(group.slots);
  } else {
    if (!std::is_sorted(pairs.begin(), pairs.end())) std::sort(pairs.begin(), pairs.end());
    for (const auto& [key, slot] : pairs) {
      if (groups.empty() || groups.back().key < key) groups.push_back({key, {}});
      auto& slots = groups.back().slots;
      if (slots.empty() || slots.back() != slot) slots.push_back(slot);
    }
  }
  return groups;
}

template <typename Key>
class TypedIndex final : public FieldIndex {
  using Change = typename ChangeLog<Key>::Entry;

 public:
  /// `others`: slots that have an OtherValue.
  TypedIndex(FieldType type, std::shared_ptr<const Postings<Key>> postings, Bitmap others)
      : type_(type),
        postings_(std::move(postings)),
        others_(std::move(others)),
        num_members_(members_before_log().count()),
        log_(std::clamp<std::size_t>(num_members_ / kLogShare, kMinLog, kMaxLog)) {}

  std::optional<Found> find(const FieldTest& test, std::uint32_t log_length) const override {
    const auto wanted = key_test<Key>(type_, test);
    if (!wanted) return std::nullopt;
    Found found;
    Bitmap& by_all = wanted->is_sure ? found.sure : found.maybe;
    by_all = changed(find_in_postings(wanted->all), log_length,
                     [&](const Change& change) { return accepts_all(*wanted, change); });
    if (wanted->others_maybe || !wanted->also_maybe.intervals.empty()) {
      Bitmap more = postings_->find(wanted->also_maybe);
      if (wanted->others_maybe) more |= others_;
      found.maybe |= changed(std::move(more), log_length,
                             [&](const Change& change) { return accepts_maybe(*wanted, change); });
    }
    return found;
  }

  std::optional<std::uint64_t> count(const FieldTest& test,
                                     std::uint32_t log_length) const override {
    const auto wanted = key_test<Key>(type_, test);
    if (!wanted) return std::nullopt;
    const auto members = static_cast<double>(num_members_);
    double in_postings = members;
    for (const Selection<Key>& selection : wanted->all) {
      const auto selected = static_cast<double>(postings_->count(selection));
      in_postings *= members == 0 ? 0 : std::min(1.0, selected / members);
    }
    in_postings += kOpenShare * static_cast<double>(postings_->count(wanted->also_maybe));
    if (wanted->others_maybe) in_postings += kOpenShare * static_cast<double>(others_.count());
    in_postings = std::min(in_postings, members);
    const std::uint32_t step = 1 + log_length / kLogSample;
    double num_stale = 0, in_log = 0;
    log_.visit(
        log_length,
        [&](const Change& change) {
          if (change.in_postings()) num_stale += step;
          if (accepts_all(*wanted, change)) {
            in_log += step;
          } else if (accepts_maybe(*wanted, change)) {
            in_log += kOpenShare * step;
          }
        },
        step);
    if (num_stale > 0) in_postings *= 1 - std::min(members, num_stale) / members;
    return static_cast<std::uint64_t>(std::llround(in_log + in_postings));
  }

  Bitmap members(std::uint32_t log_length) const override {
    return changed(members_before_log(), log_length, has_value);
  }

  std::uint64_t count_members(std::uint32_t log_length) const override {
    std::uint64_t gained = 0, lost = 0;
    log_.visit(log_length, [&](const Change& change) {
      gained += has_value(change) ? 1 : 0;
      lost += change.in_postings() ? 1 : 0;
    });
    return num_members_ + gained - lost;
  }

  void put(Slot slot, std::span<const IndexedValue> values) override {
    const bool in_postings = postings_->members().contains(slot) || others_.contains(slot);
    if (values.empty() && !in_postings && !log_.knows(slot)) return;
    std::vector<Key> keys;
    keys.reserve(values.size());
    bool has_other = false;
    for (const IndexedValue& value : values) {
      if (std::holds_alternative<OtherValue>(value)) {
        has_other = true;
      } else {
        keys.push_back(to_key<Key>(value));
      }
    }
    log_.append(slot, in_postings, std::move(keys), has_other);
  }

  bool is_full() const override { return log_.full(); }

  std::shared_ptr<FieldIndex> merged() const override {
    std::vector<Slot> stale;
    Pairs<Key> gained;
    log_.visit(log_.size(), [&](const Change& change) {
      if (change.in_postings()) stale.push_back(change.slot());
      change.any_key([&](const Key& key) {
        gained.emplace_back(key, change.slot());
        return false;
      });
    });
    sort_slots(stale);
    const Additions<Key> additions = group_by_key<Key>(std::move(gained));
    Bitmap others =
        changed(others_, log_.size(), [](const Change& change) { return change.has_other(); });
    others.optimize();
    return std::make_shared<TypedIndex>(
        type_, postings_->merged(Bitmap::from_sorted(stale), additions), std::move(others));
  }

  std::uint32_t log_length() const override { return log_.size(); }
  std::uint64_t memory_bytes() const override {
    return sizeof(*this) + postings_->memory_bytes() + others_.memory_bytes() + log_.memory_bytes();
  }

 private:
  static bool has_value(const Change& change) { return change.has_keys() || change.has_other(); }

  static bool accepts(const Selection<Key>& selection, const Change& change) {
    return change.any_key([&](const Key& key) { return selection.accepts(key); });
  }
  static bool accepts_all(const KeyTest<Key>& wanted, const Change& change) {
    return std::all_of(wanted.all.begin(), wanted.all.end(),
                       [&](const auto& selection) { return accepts(selection, change); });
  }
  static bool accepts_maybe(const KeyTest<Key>& wanted, const Change& change) {
    return (wanted.others_maybe && change.has_other()) || accepts(wanted.also_maybe, change);
  }

  Bitmap members_before_log() const {
    Bitmap members = postings_->members();
    members |= others_;
    return members;
  }

  /// `slots` of the postings, put right by the log: those it mentions are there if `accepted`.
  template <typename Accepted>
  Bitmap changed(Bitmap slots, std::uint32_t log_length, const Accepted& accepted) const {
    SlotCollector gained, lost;
    log_.visit(log_length, [&](const Change& change) {
      if (accepted(change)) {
        gained.add(change.slot());
      } else if (change.in_postings()) {
        lost.add(change.slot());
      }
    });
    slots -= lost.take();
    slots |= gained.take();
    return slots;
  }

  Bitmap find_in_postings(const std::vector<Selection<Key>>& wanted) const {
    if (wanted.size() == 1) return postings_->find(wanted[0]);
    std::vector<std::pair<std::uint64_t, const Selection<Key>*>> by_count;
    for (const auto& selection : wanted) {
      by_count.emplace_back(postings_->count(selection), &selection);
    }
    std::sort(by_count.begin(), by_count.end());
    Bitmap found = postings_->find(*by_count[0].second);
    for (std::size_t i = 1; i < by_count.size() && !found.empty(); ++i) {
      found &= postings_->find(*by_count[i].second);
    }
    return found;
  }

  const FieldType type_;
  const std::shared_ptr<const Postings<Key>> postings_;
  const Bitmap others_;
  const std::uint64_t num_members_;
  ChangeLog<Key> log_;
};

/// Entries of strings come as they are kept; nothing is gathered first.
Result<std::shared_ptr<FieldIndex>> build_strings(FieldType type,
                                                  const PayloadIndex::Entries& entries) {
  Postings<std::string>::Builder builder;
  SlotCollector others;
  std::string key;
  std::vector<Slot> slots;
  bool in_order = true;
  SIGHTLINE_TRY_DO(entries([&](const IndexedValue& value, Slot slot) {
    if (std::holds_alternative<OtherValue>(value)) return others.add(slot);
    const std::string& next = std::get<std::string>(value);
    if (!slots.empty() && next != key) {
      in_order = in_order && key < next;
      sort_slots(slots);
      if (in_order) builder.add(key, slots);
      slots.clear();
    }
    if (slots.empty()) key = next;
    slots.push_back(slot);
  }));
  if (!in_order) return internal_error("the entries of a payload index are out of order");
  sort_slots(slots);
  builder.add(key, slots);
  return std::make_shared<TypedIndex<std::string>>(type, builder.finish(), others.take());
}

template <typename Key>
Result<std::shared_ptr<FieldIndex>> build_numbers(FieldType type,
                                                  const PayloadIndex::Entries& entries) {
  Pairs<Key> pairs;
  SlotCollector others;
  SIGHTLINE_TRY_DO(entries([&](const IndexedValue& value, Slot slot) {
    if (std::holds_alternative<OtherValue>(value)) return others.add(slot);
    pairs.emplace_back(to_key<Key>(value), slot);
  }));
  if (!std::is_sorted(pairs.begin(), pairs.end())) std::sort(pairs.begin(), pairs.end());
  typename Postings<Key>::Builder builder;
  std::vector<Slot> slots;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    slots.push_back(pairs[i].second);
    if (i + 1 < pairs.size() && !(pairs[i].first < pairs[i + 1].first)) continue;
    slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
    builder.add(pairs[i].first, slots);
    slots.clear();
  }
  return std::make_shared<TypedIndex<Key>>(type, builder.finish(), others.take());
}

}  // namespace

Result<std::shared_ptr<FieldIndex>> FieldIndex::build(FieldType type,
                                                      const PayloadIndex::Entries& entries) {
  switch (type) {
    case FieldType::kKeyword:
    case FieldType::kText:
      return build_strings(type, entries);
    case FieldType::kInteger:
    case FieldType::kBool:
    case FieldType::kDatetime:
      return build_numbers<std::int64_t>(type, entries);
    case FieldType::kFloat:
      return build_numbers<double>(type, entries);
    case FieldType::kGeo:
      return build_numbers<GeoKey>(type, entries);
    case FieldType::kUuid:
      return build_numbers<Uuid>(type, entries);
  }
  return internal_error("unknown type of a payload index");
}

}  // namespace sightline::index
