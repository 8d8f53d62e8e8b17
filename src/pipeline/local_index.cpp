#include <algorithm>
#include <utility>
#include <vector>

#include "core/bitmap.h"
#include "core/log.h"
#include "pipeline/internal/local_index.h"

namespace sightline::pipeline {
namespace {

index::Distance distance_of(Metric metric) {
  switch (metric) {
    case Metric::kCosine:
    case Metric::kDot:
      return index::Distance::kInnerProduct;
    case Metric::kEuclid:
      return index::Distance::kL2;
    case Metric::kManhattan:
      return index::Distance::kL1;
  }
  return index::Distance::kInnerProduct;
}

}  // namespace

// --- SlotIds -------------------------------------------------------------------------------------

SlotIds::~SlotIds() {
  for (auto& entry : books_) {
    const std::unique_ptr<Book> book(entry.load(std::memory_order_relaxed));
    if (book == nullptr) continue;
    for (auto& page : book->pages) delete page.load(std::memory_order_relaxed);
  }
}

const SlotIds::Page* SlotIds::find_page(index::Slot slot) const {
  const std::size_t page = slot / kPageSlots;
  const Book* book = books_[page / kBookPages].load(std::memory_order_acquire);
  return book == nullptr ? nullptr : book->pages[page % kBookPages].load(std::memory_order_acquire);
}

void SlotIds::set(index::Slot slot, const PointId& id) {
  const std::size_t number = slot / kPageSlots;
  auto& book_entry = books_[number / kBookPages];
  Book* book = book_entry.load(std::memory_order_relaxed);
  if (book == nullptr) {
    book = new Book;
    book_entry.store(book, std::memory_order_release);
    memory_bytes_.fetch_add(sizeof(Book), std::memory_order_relaxed);
  }
  auto& page_entry = book->pages[number % kBookPages];
  Page* page = page_entry.load(std::memory_order_relaxed);
  if (page == nullptr) {
    page = new Page;
    page_entry.store(page, std::memory_order_release);
    memory_bytes_.fetch_add(sizeof(Page), std::memory_order_relaxed);
  }
  const std::size_t at = slot % kPageSlots;
  if (page->kinds[at] != Kind::kNone) return;
  Uuid& bytes = page->bytes[at];
  if (id.is_number()) {
    bytes.fill(0);
    for (std::size_t i = 0; i < 8; ++i)
      bytes[i] = static_cast<std::uint8_t>(id.number() >> (56 - 8 * i));
  } else {
    bytes = id.uuid();
  }
  page->kinds[at] = id.is_number() ? Kind::kNumber : Kind::kUuid;
}

bool SlotIds::contains(index::Slot slot) const {
  const Page* page = find_page(slot);
  return page != nullptr && page->kinds[slot % kPageSlots] != Kind::kNone;
}

PointId SlotIds::get(index::Slot slot) const {
  const Page* page = find_page(slot);
  SIGHTLINE_CHECK(page != nullptr && page->kinds[slot % kPageSlots] != Kind::kNone);
  const Uuid& bytes = page->bytes[slot % kPageSlots];
  if (page->kinds[slot % kPageSlots] == Kind::kUuid) return PointId(bytes);
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i) number = number << 8 | bytes[i];
  return PointId(number);
}

bool SlotIds::before(index::Slot a, index::Slot b) const {
  const Page* page_a = find_page(a);
  const Page* page_b = find_page(b);
  SIGHTLINE_CHECK(page_a != nullptr && page_b != nullptr);
  const Kind kind_a = page_a->kinds[a % kPageSlots], kind_b = page_b->kinds[b % kPageSlots];
  if (kind_a != kind_b) return kind_a < kind_b;
  return page_a->bytes[a % kPageSlots] < page_b->bytes[b % kPageSlots];
}

// --- LocalIndex ----------------------------------------------------------------------------------

LocalIndex::LocalIndex(std::string collection_name, const CollectionConfig& config)
    : collection_name_(std::move(collection_name)) {
  auto table = std::make_shared<ShardTable>();
  for (const auto& [name, vector] : config.vectors) {
    auto shard = std::make_shared<index::GrowingShard>(vector.dim, distance_of(vector.metric));
    (*table)[name] = {shard};
    growing_.emplace(name, std::move(shard));
  }
  shards_ = std::move(table);
}

Result<bool> LocalIndex::load(const storage::CollectionDb& db,
                              const storage::CollectionSnapshot& at) {
  std::map<std::string, std::vector<WantedRow>, std::less<>> wanted;
  std::map<std::string, Bitmap, std::less<>> live;
  std::vector<std::pair<index::Slot, PointId>> new_ids;
  std::optional<Status> failure;
  SIGHTLINE_TRY(const std::uint64_t digest,
                db.visit_slots(at, [&](index::Slot slot, const storage::SlotRecord& record) {
                  if (!ids_.contains(slot)) new_ids.emplace_back(slot, record.id);
                  for (const auto& [name, version] : record.vectors) {
                    const auto shard = growing_.find(name);
                    if (shard == growing_.end()) {
                      failure = corruption("collection \"" + collection_name_ + "\": point " +
                                           record.id.to_string() + " has vector \"" + name +
                                           "\", which the collection does not");
                      return;
                    }
                    live[name].add(slot);
                    if (shard->second->version_of(slot) != version)
                      wanted[name].push_back({slot, version});
                  }
                }));
  if (digest != at.counters().slots_digest) return false;
  if (failure) return *failure;

  for (const auto& [slot, id] : new_ids) ids_.set(slot, id);
  for (const auto& [name, shard] : growing_) {
    for (const index::Slot slot : shard->live_slots()) {
      if (!live[name].contains(slot)) shard->remove(slot, at.counters().commit);
    }
    SIGHTLINE_TRY_DO(load_rows(db, at, name, wanted[name]));
  }
  return true;
}

Result<void> LocalIndex::load_rows(const storage::CollectionDb& db,
                                   const storage::CollectionSnapshot& at,
                                   const std::string& vector_name,
                                   std::span<const WantedRow> wanted) {
  index::GrowingShard& shard = *growing_.find(vector_name)->second;
  std::vector<index::Slot> slots;
  slots.reserve(wanted.size());
  for (const WantedRow& row : wanted) slots.push_back(row.slot);

  std::uint64_t num_lost = 0;
  std::string first_loss;
  auto expected = wanted.begin();
  SIGHTLINE_TRY_DO(db.visit_vectors(
      at, vector_name, slots, [&](index::Slot slot, const Result<storage::VectorRow>& row) {
        const index::Version version = (expected++)->version;
        std::string loss;
        if (!row) {
          loss = row.error().message;
        } else if (row->version != version || row->values.size() != shard.dim()) {
          loss = "the row of slot " + std::to_string(slot) + " has version " +
                 std::to_string(row->version) + " and " + std::to_string(row->values.size()) +
                 " dimensions; expected were " + std::to_string(version) + " and " +
                 std::to_string(shard.dim());
        } else {
          shard.put(slot, version, row->values);
          return;
        }
        shard.remove(slot, at.counters().commit);
        if (num_lost++ == 0) first_loss = std::move(loss);
      }));
  if (num_lost > 0) {
    log_warning("storage",
                "collection \"" + collection_name_ + "\": " + std::to_string(num_lost) +
                    " damaged vectors cannot be found by searches; the first: " + first_loss);
  }
  return {};
}

void LocalIndex::apply(std::span<const storage::RowEffect> effects) {
  for (const storage::RowEffect& effect : effects) {
    index::GrowingShard& shard = *growing_.find(effect.vector_name)->second;
    if (effect.kind == storage::RowEffect::Kind::kPut) {
      ids_.set(effect.slot, effect.id);
      shard.put(effect.slot, effect.version, effect.values);
    } else {
      shard.remove(effect.slot, effect.version);
    }
  }
}

std::uint64_t LocalIndex::memory_bytes() const {
  std::uint64_t total = ids_.memory_bytes();
  for (const auto& [name, list] : *shards_) {
    for (const auto& shard : list) total += shard->memory_bytes();
  }
  return total;
}

}  // namespace sightline::pipeline
