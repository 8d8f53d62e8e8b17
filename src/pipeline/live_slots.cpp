#include "pipeline/internal/live_slots.h"

#include <utility>

namespace sightline::pipeline {
namespace {

// A reader applies half of it on the average; a new bitmap of 10 million slots copies 1.2 MB.
constexpr std::size_t kLogLength = 4096;

}  // namespace

Bitmap LiveSlots::View::slots() const {
  if (epoch_ == nullptr) return {};
  Bitmap slots = epoch_->base;
  for (std::size_t i = 0; i < log_length_; ++i) {
    const Change& change = epoch_->log[i];
    if (change.added) {
      slots.add(change.slot);
    } else {
      slots.remove(change.slot);
    }
  }
  return slots;
}

void LiveSlots::assign(Bitmap slots) {
  slots_ = std::move(slots);
  count_ = slots_.count();
  begin_epoch();
}

bool LiveSlots::add(index::Slot slot) {
  if (slots_.contains(slot)) return false;
  note({slot, true});
  slots_.add(slot);
  ++count_;
  return true;
}

bool LiveSlots::remove(index::Slot slot) {
  if (!slots_.contains(slot)) return false;
  note({slot, false});
  slots_.remove(slot);
  --count_;
  return true;
}

LiveSlots::View LiveSlots::view() const {
  View view;
  view.epoch_ = epoch_;
  view.log_length_ = log_length_;
  view.count_ = count_;
  return view;
}

void LiveSlots::note(Change change) {
  if (log_length_ == kLogLength) begin_epoch();
  epoch_->log[log_length_++] = change;
}

void LiveSlots::begin_epoch() {
  auto epoch = std::make_shared<Epoch>();
  epoch->base = slots_;
  epoch->log = std::make_unique<Change[]>(kLogLength);
  epoch_ = std::move(epoch);
  log_length_ = 0;
}

}  // namespace sightline::pipeline
