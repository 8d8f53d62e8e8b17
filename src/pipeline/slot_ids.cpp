#include "pipeline/internal/slot_ids.h"

#include <memory>

#include "core/result.h"

namespace sightline::pipeline {

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

}  // namespace sightline::pipeline
