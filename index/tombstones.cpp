#include "index/internal/tombstones.h"

namespace sightline::index {

Tombstones::Tombstones(Slot first, Slot last)
    : first_(first),
      num_pages_((last - first) / kPageSlots + 1),
      pages_(std::make_unique<std::atomic<Page*>[]>(num_pages_)),
      memory_bytes_(sizeof(*this) + num_pages_ * sizeof(pages_[0])) {}

Tombstones::~Tombstones() {
  for (std::size_t i = 0; i < num_pages_; ++i) delete pages_[i].load(std::memory_order_relaxed);
}

void Tombstones::mark(Slot slot, Version version) {
  auto& entry = pages_[(slot - first_) / kPageSlots];
  Page* page = entry.load(std::memory_order_relaxed);
  if (page == nullptr) {
    auto added = std::make_unique<Page>();
    for (auto& deleted_at : *added) deleted_at.store(kNever, std::memory_order_relaxed);
    page = added.release();
    entry.store(page, std::memory_order_release);
    memory_bytes_.fetch_add(sizeof(Page), std::memory_order_relaxed);
  }
  auto& deleted_at = (*page)[(slot - first_) % kPageSlots];
  if (deleted_at.load(std::memory_order_relaxed) != kNever) return;
  deleted_at.store(version, std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_release);
}

}  // namespace sightline::index
