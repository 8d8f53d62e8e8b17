// pipeline/internal/text_cache.h: the embeddings of texts that were asked for lately.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/mutex.h"

namespace sightline::pipeline {

/// The least recently used goes first. Thread-safety: all methods may be called from any thread.
class TextCache {
 public:
  /// Longer texts are not worth their memory.
  static constexpr std::size_t kMaxTextBytes = 4096;

  /// Entries; 0: nothing is kept.
  explicit TextCache(std::size_t capacity) : capacity_(capacity) {}

  /// `model`: the checksum of the model; equal ones embed alike.
  std::optional<std::vector<float>> find(std::string_view model, std::string_view text);
  void put(std::string_view model, std::string_view text, std::vector<float> row);
  std::size_t size() const;

 private:
  struct Entry {
    std::string key;
    std::vector<float> row;
  };
  using Entries = std::list<Entry>;

  const std::size_t capacity_;
  mutable Mutex mutex_;
  Entries entries_ GUARDED_BY(mutex_);  // the most recently used first
  // Keys live in the entries.
  std::unordered_map<std::string_view, Entries::iterator> by_key_ GUARDED_BY(mutex_);
};

}  // namespace sightline::pipeline
