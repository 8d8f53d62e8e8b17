// index/internal/field_index.h: the index of one payload field: postings and the changes since.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "core/bitmap.h"
#include "core/filter.h"
#include "core/indexed_value.h"
#include "core/result.h"
#include "index/internal/field_index_keys.h"
#include "index/payload_index.h"
#include "index/shard.h"

namespace sightline::index {

/// Thread-safety: put(), is_full(), merged(), log_length() and memory_bytes() belong to one thread
/// (the committer); the rest may run on any thread meanwhile, with a log length that was handed to
/// it by a release/acquire pair.
class FieldIndex {
 public:
  /// Slots that satisfy a test, and those that may as well, by what their payloads hold. No other
  /// slot does.
  struct Found {
    Bitmap sure, maybe;
  };

  /// errors  those of `entries`.
  static Result<std::shared_ptr<FieldIndex>> build(FieldType type,
                                                   const PayloadIndex::Entries& entries);
  virtual ~FieldIndex() = default;

  /// nullopt: the index says nothing about the test, whatever a slot holds.
  virtual std::optional<Found> find(const FieldTest& test, std::uint32_t log_length) const = 0;
  /// Size of what find() would find, nearly (see PayloadIndexView::estimate()).
  virtual std::optional<std::uint64_t> count(const FieldTest& test,
                                             std::uint32_t log_length) const = 0;
  /// Slots that have a value (an OtherValue too), and their number.
  virtual Bitmap members(std::uint32_t log_length) const = 0;
  virtual std::uint64_t count_members(std::uint32_t log_length) const = 0;

  /// The values of `slot` are now these. Not to be called once is_full().
  virtual void put(Slot slot, std::span<const IndexedValue> values) = 0;
  virtual bool is_full() const = 0;
  /// An index that answers alike, with an empty log.
  virtual std::shared_ptr<FieldIndex> merged() const = 0;
  virtual std::uint32_t log_length() const = 0;
  virtual std::uint64_t memory_bytes() const = 0;
};

}  // namespace sightline::index
