#include "pipeline/internal/text_cache.h"

namespace sightline::pipeline {
namespace {

std::string key_of(std::string_view model, std::string_view text) {
  std::string key;
  key.reserve(model.size() + 1 + text.size());
  key.append(model).push_back('\0');
  key.append(text);
  return key;
}

}  // namespace

std::optional<std::vector<float>> TextCache::find(std::string_view model, std::string_view text) {
  if (capacity_ == 0 || text.size() > kMaxTextBytes) return std::nullopt;
  const std::string key = key_of(model, text);
  const MutexLock lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return std::nullopt;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->row;
}

void TextCache::put(std::string_view model, std::string_view text, std::vector<float> row) {
  if (capacity_ == 0 || text.size() > kMaxTextBytes) return;
  std::string key = key_of(model, text);
  const MutexLock lock(mutex_);
  if (by_key_.contains(key)) return;
  if (entries_.size() == capacity_) {
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.push_front({std::move(key), std::move(row)});
  by_key_.emplace(entries_.front().key, entries_.begin());
}

std::size_t TextCache::size() const {
  const MutexLock lock(mutex_);
  return entries_.size();
}

}  // namespace sightline::pipeline
