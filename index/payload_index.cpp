#include "index/payload_index.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <variant>

#include "index/internal/field_index.h"

namespace sightline::index {
namespace {

constexpr double kUnknown = 0.5;  // likelihood of a condition that no index tells anything about

/// That at least `count` of independent events happen.
double at_least(std::uint64_t count, const std::vector<double>& likelihoods) {
  if (count > likelihoods.size()) return 0;
  std::vector<double> exactly(count + 1);  // exactly[count]: that many or more
  exactly[0] = 1;
  for (const double p : likelihoods) {
    for (std::size_t i = count; i > 0; --i) {
      const double stays = i == count ? exactly[i] : exactly[i] * (1 - p);
      exactly[i] = stays + exactly[i - 1] * p;
    }
    if (count > 0) exactly[0] *= 1 - p;
  }
  return exactly[count];
}

/// `condition` of a Nested on the payload as a whole: the field that its index would have.
std::optional<FieldPath> path_in(const Nested& nested, const FieldCondition& condition) {
  std::string text = nested.key.text();
  if (!text.ends_with("[]")) text += "[]";
  auto path = FieldPath::parse(text + '.' + condition.key.text());
  return path ? std::optional(*std::move(path)) : std::nullopt;
}

/// What is known of the slots that satisfy a condition.
struct Bounds {
  Bitmap sure;
  std::optional<Bitmap> maybe;  ///< `sure` and the undecided ones; absent: none is undecided.

  const Bitmap& upper() const { return maybe ? *maybe : sure; }

  void intersect(const Bounds& other) {
    if (maybe || other.maybe) {
      if (!maybe) maybe = sure;
      *maybe &= other.upper();
    }
    sure &= other.sure;
  }
  void unite(const Bounds& other) {
    if (maybe || other.maybe) {
      if (!maybe) maybe = sure;
      *maybe |= other.upper();
    }
    sure |= other.sure;
  }
  void subtract(const Bounds& other) {
    if (maybe || other.maybe) {
      if (!maybe) maybe = sure;
      *maybe -= other.sure;
    }
    sure -= other.upper();
  }
};

}  // namespace

/// Evaluates a filter: first by the indexes alone, to what is sure and what is possible; then reads
/// the payloads of what lies between.
class PayloadIndexView::Evaluator {
 public:
  Evaluator(const PayloadIndexView& view, std::uint64_t live_count, const Fallback& fallback,
            const Deadline& deadline)
      : view_(view),
        live_count_(static_cast<double>(live_count)),
        fallback_(fallback),
        deadline_(deadline) {}

  Result<Evaluation> run(const Filter& filter, const Bitmap& live) {
    Filter open;
    SIGHTLINE_TRY(Bounds bounds, find_filter(filter, live, &open));
    Evaluation evaluation{std::move(bounds.sure), {}};
    if (!bounds.maybe) return evaluation;
    Bitmap undecided = *std::move(bounds.maybe);
    undecided -= evaluation.slots;
    if (undecided.empty()) return evaluation;
    evaluation.unindexed_fields.assign(unindexed_.begin(), unindexed_.end());
    SIGHTLINE_TRY(
        const Bitmap found,
        fallback_.scan(std::make_shared<const Filter>(std::move(open)), undecided, deadline_));
    evaluation.slots |= found;
    return evaluation;
  }

 private:
  /// Which of `candidates` satisfy `filter`. `open`, if given: what is left of it to be asked of
  /// the undecided ones.
  Result<Bounds> find_filter(const Filter& filter, const Bitmap& candidates, Filter* open) {
    Bounds found{candidates, std::nullopt};
    for (const Condition* condition : by_likelihood(filter.must)) {
      SIGHTLINE_TRY(const Bounds each, find_condition(*condition, found.upper()));
      if (each.maybe && open != nullptr) open->must.push_back(*condition);
      found.intersect(each);
      if (found.upper().empty()) return found;
    }
    for (const Condition& condition : filter.must_not) {
      SIGHTLINE_TRY(const Bounds each, find_condition(condition, found.upper()));
      if (each.maybe && open != nullptr) open->must_not.push_back(condition);
      found.subtract(each);
    }
    if (!filter.should.empty()) {
      SIGHTLINE_TRY(const Bounds each, find_at_least(1, filter.should, found.upper()));
      if (each.maybe && open != nullptr) open->should = filter.should;
      found.intersect(each);
    }
    if (filter.min_should) {
      const auto& [conditions, min_count] = *filter.min_should;
      SIGHTLINE_TRY(const Bounds each, find_at_least(min_count, conditions, found.upper()));
      if (each.maybe && open != nullptr) open->min_should = filter.min_should;
      found.intersect(each);
    }
    return found;
  }

  /// Which of `candidates` satisfy at least `count` of `conditions`.
  Result<Bounds> find_at_least(std::uint64_t count, const std::vector<Condition>& conditions,
                               const Bitmap& candidates) {
    if (count == 0) return Bounds{candidates, std::nullopt};
    if (count > conditions.size()) return Bounds{};
    std::vector<Bounds> reached(count);  // [i]: slots that satisfy more than i so far
    for (const Condition& condition : conditions) {
      SIGHTLINE_TRY(const Bounds each, find_condition(condition, candidates));
      for (std::size_t i = count; i-- > 0;) {
        Bounds also = each;
        if (i > 0) also.intersect(reached[i - 1]);
        reached[i].unite(also);
      }
    }
    return std::move(reached.back());
  }

  Result<Bounds> find_condition(const Condition& condition, const Bitmap& candidates) {
    SIGHTLINE_TRY_DO(deadline_.check("evaluating the filter"));
    if (candidates.empty()) return Bounds{};
    return std::visit([&](const auto& c) { return find_one(c, candidates); }, condition);
  }

  Result<Bounds> find_one(const FieldCondition& condition, const Bitmap& candidates) {
    const Field* field = view_.find(condition.key.text());
    auto found =
        field == nullptr ? std::nullopt : field->index->find(condition.test, field->log_length);
    if (!found) {
      // No index counts values: another type would not help.
      const bool is_count = std::holds_alternative<ValuesCount>(condition.test);
      if (field == nullptr || !is_count) unindexed_.insert(condition.key.text());
      return Bounds{Bitmap(), candidates};
    }
    found->sure &= candidates;
    found->maybe &= candidates;
    if (found->maybe.empty()) return Bounds{std::move(found->sure), std::nullopt};
    found->maybe |= found->sure;
    return Bounds{std::move(found->sure), std::move(found->maybe)};
  }

  Result<Bounds> find_one(const IsEmpty& condition, const Bitmap& candidates) {
    Bounds found{Bitmap(), candidates};
    if (const Field* field = find_or_note(condition.key)) {
      *found.maybe -= field->index->members(field->log_length);
    }
    return found;
  }

  Result<Bounds> find_one(const IsNull& condition, const Bitmap& candidates) {
    find_or_note(condition.key);
    return Bounds{Bitmap(), candidates};
  }

  Result<Bounds> find_one(const HasId& condition, const Bitmap& candidates) {
    Bitmap slots;
    for (const PointId& id : condition.ids) {
      SIGHTLINE_TRY(const std::optional<Slot> slot, fallback_.find(id));
      if (slot) slots.add(*slot);
    }
    slots &= candidates;
    return Bounds{std::move(slots), std::nullopt};
  }

  Result<Bounds> find_one(const HasVector& condition, const Bitmap& candidates) {
    SIGHTLINE_TRY(Bitmap slots, fallback_.with_vector(condition.name));
    slots &= candidates;
    return Bounds{std::move(slots), std::nullopt};
  }

  /// An element that satisfies the whole filter satisfies each condition that must hold, and so the
  /// payload does, on the path that leads through the array.
  Result<Bounds> find_one(const Nested& condition, const Bitmap& candidates) {
    Bounds found{Bitmap(), candidates};
    bool narrowed = false;
    std::set<std::string> missing;
    for (const Condition& inner : condition.filter->must) {
      const auto* of_element = std::get_if<FieldCondition>(&inner);
      const auto path = of_element ? path_in(condition, *of_element) : std::nullopt;
      if (!path) continue;
      const Field* field = view_.find(path->text());
      auto slots =
          field == nullptr ? std::nullopt : field->index->find(of_element->test, field->log_length);
      if (slots) {
        slots->maybe |= slots->sure;
        *found.maybe &= slots->maybe;
        narrowed = true;
      } else {
        missing.insert(path->text());
      }
    }
    if (missing.empty()) missing.insert(condition.key.text());
    if (!narrowed) unindexed_.merge(missing);
    return found;
  }

  Result<Bounds> find_one(const std::shared_ptr<const Filter>& filter, const Bitmap& candidates) {
    return find_filter(*filter, candidates, nullptr);
  }

  /// The index of a field of which an index cannot say all; a field without one is unindexed.
  const Field* find_or_note(const FieldPath& key) {
    const Field* field = view_.find(key.text());
    if (field == nullptr) unindexed_.insert(key.text());
    return field;
  }

  /// The least likely first, so that the others have less to look at.
  std::vector<const Condition*> by_likelihood(const std::vector<Condition>& conditions) const {
    if (conditions.size() == 1) return {&conditions[0]};
    std::vector<std::pair<double, const Condition*>> order;
    for (const Condition& condition : conditions) {
      order.emplace_back(view_.likelihood(condition, live_count_), &condition);
    }
    std::stable_sort(order.begin(), order.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<const Condition*> sorted;
    for (const auto& [likelihood, condition] : order) sorted.push_back(condition);
    return sorted;
  }

  const PayloadIndexView& view_;
  const double live_count_;
  const Fallback& fallback_;
  const Deadline& deadline_;
  std::set<std::string> unindexed_;
};

Result<PayloadIndexView::Evaluation> PayloadIndexView::evaluate(const Filter& filter,
                                                                const Bitmap& live,
                                                                const Fallback& fallback,
                                                                const Deadline& deadline) const {
  return Evaluator(*this, live.count(), fallback, deadline).run(filter, live);
}

std::uint64_t PayloadIndexView::estimate(const Filter& filter, std::uint64_t live_count) const {
  const auto live = static_cast<double>(live_count);
  const double likely = std::clamp(likelihood(filter, live), 0.0, 1.0);
  return std::min(live_count, static_cast<std::uint64_t>(std::llround(likely * live)));
}

double PayloadIndexView::likelihood(const Filter& filter, double live_count) const {
  const auto likelihoods = [&](const std::vector<Condition>& conditions) {
    std::vector<double> values;
    for (const Condition& condition : conditions) {
      values.push_back(likelihood(condition, live_count));
    }
    return values;
  };
  double all = 1;
  for (const double p : likelihoods(filter.must)) all *= p;
  for (const double p : likelihoods(filter.must_not)) all *= 1 - p;
  if (!filter.should.empty()) all *= at_least(1, likelihoods(filter.should));
  if (filter.min_should) {
    all *= at_least(filter.min_should->min_count, likelihoods(filter.min_should->conditions));
  }
  return all;
}

double PayloadIndexView::likelihood(const Condition& condition, double live_count) const {
  if (live_count == 0) return 0;
  const auto share = [live_count](std::uint64_t count) {
    return std::min(1.0, static_cast<double>(count) / live_count);
  };
  if (const auto* of_field = std::get_if<FieldCondition>(&condition)) {
    const Field* field = find(of_field->key.text());
    if (field == nullptr) return kUnknown;
    const auto count = field->index->count(of_field->test, field->log_length);
    return count ? share(*count) : kUnknown;
  }
  if (const auto* is_empty = std::get_if<IsEmpty>(&condition)) {
    const Field* field = find(is_empty->key.text());
    return field == nullptr ? kUnknown : 1 - share(field->index->count_members(field->log_length));
  }
  if (const auto* has_id = std::get_if<HasId>(&condition)) return share(has_id->ids.size());
  if (const auto* inner = std::get_if<std::shared_ptr<const Filter>>(&condition)) {
    return likelihood(**inner, live_count);
  }
  if (const auto* nested = std::get_if<Nested>(&condition)) {
    double least = kUnknown;
    for (const Condition& must : nested->filter->must) {
      const auto* of_element = std::get_if<FieldCondition>(&must);
      const auto path = of_element ? path_in(*nested, *of_element) : std::nullopt;
      if (!path) continue;
      least = std::min(least, likelihood(FieldCondition{*path, of_element->test}, live_count));
    }
    return least;
  }
  return std::holds_alternative<HasVector>(condition) ? 1 : kUnknown;
}

const PayloadIndexView::Field* PayloadIndexView::find(std::string_view field) const {
  const auto found = fields_.find(field);
  return found == fields_.end() ? nullptr : &found->second;
}

std::optional<FieldType> PayloadIndexView::type_of(std::string_view field) const {
  const Field* found = find(field);
  return found == nullptr ? std::nullopt : std::optional(found->type);
}

std::uint64_t PayloadIndexView::count_members(std::string_view field) const {
  const Field* found = find(field);
  return found == nullptr ? 0 : found->index->count_members(found->log_length);
}

struct PayloadIndex::Writer {
  FieldPath path;
  FieldType type;
  std::shared_ptr<FieldIndex> index;
};

PayloadIndex::PayloadIndex() = default;
PayloadIndex::~PayloadIndex() = default;

Result<void> PayloadIndex::add_field(const FieldPath& path, FieldType type,
                                     const Entries& entries) {
  SIGHTLINE_TRY(std::shared_ptr<FieldIndex> index, FieldIndex::build(type, entries));
  drop_field(path.text());
  memory_bytes_ += index->memory_bytes();
  fields_.emplace(path.text(), std::make_unique<Writer>(Writer{path, type, std::move(index)}));
  return {};
}

void PayloadIndex::drop_field(std::string_view field) {
  const auto found = fields_.find(field);
  if (found == fields_.end()) return;
  memory_bytes_ -= found->second->index->memory_bytes();
  fields_.erase(found);
}

void PayloadIndex::put(Slot slot, const Json& payload) {
  for (const auto& [name, writer] : fields_) {
    put(*writer, slot, indexed_values(payload, writer->path, writer->type));
  }
}

void PayloadIndex::remove(Slot slot) {
  for (const auto& [name, writer] : fields_) put(*writer, slot, {});
}

void PayloadIndex::put(Writer& writer, Slot slot, std::span<const IndexedValue> values) {
  const std::uint64_t before = writer.index->memory_bytes();
  writer.index->put(slot, values);
  if (writer.index->is_full()) writer.index = writer.index->merged();
  memory_bytes_ += writer.index->memory_bytes() - before;  // modulo 2^64
}

PayloadIndexView PayloadIndex::view() const {
  PayloadIndexView view;
  for (const auto& [name, writer] : fields_) {
    view.fields_.emplace(
        name, PayloadIndexView::Field{writer->type, writer->index, writer->index->log_length()});
  }
  return view;
}

}  // namespace sightline::index
