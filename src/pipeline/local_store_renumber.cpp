// LocalStore: points move into the slots that others have left, so that slots stay dense.
//
// Each step is a commit like any other: before it and after it every point is in one slot, with
// rows, payload and thumbnail. So searches and writes go on, and a crash leaves nothing to mend.
#include <algorithm>
#include <exception>
#include <span>
#include <utility>

#include "core/log.h"
#include "pipeline/local_store.h"

namespace sightline::pipeline {
namespace {

/// Of all slots; fewer that are free do not repay the rows that are written again.
constexpr double kMaxFreeShare = 0.2;
/// Points of a commit: their rows, payloads and thumbnails are in memory at once.
constexpr std::size_t kMovesAtOnce = 512;
/// Each round moves what was written during the one before.
constexpr int kMaxRounds = 8;
// A row's slot, versions, place and point.
constexpr std::uint64_t kRowOverheadBytes = 48;

}  // namespace

Result<std::uint64_t> LocalStore::renumber_slots(bool at_any_rate, BuildEffort effort,
                                                 const BuildProgress& progress,
                                                 const Deadline& deadline) {
  std::uint64_t num_moved = 0;
  for (int round = 0; round < kMaxRounds; ++round) {
    std::vector<LocalIndex::SlotMove> moves;
    {
      SIGHTLINE_TRY(const Reading open, begin_change());
      const Turn turn(*this);
      SIGHTLINE_TRY_DO(catch_up_index());
      const storage::CollectionCounters& counters = writer_->counters();
      const auto num_free = static_cast<double>(counters.next_slot - counters.num_points);
      const double most = at_any_rate ? 0 : kMaxFreeShare * static_cast<double>(counters.next_slot);
      if (round == 0 && num_free <= most) return num_moved;
      moves = index_->plan_moves();
      if (moves.size() <= kMovesAtOnce) {
        SIGHTLINE_TRY_DO(move_points(moves));
        index_->renew_ids();
        const auto end = static_cast<storage::Slot>(writer_->counters().num_points);
        if (auto trimmed = writer_->trim_slots(end); !trimmed)
          return after_failure(std::move(trimmed).error());
        SIGHTLINE_TRY_DO(publish());
        return num_moved + moves.size();
      }
    }
    for (std::size_t first = 0; first < moves.size(); first += kMovesAtOnce) {
      SIGHTLINE_TRY_DO(deadline.check("numbering slots anew"));
      if (progress)
        progress(static_cast<double>(first) / static_cast<double>(moves.size()), "moving points");
      const std::size_t count = std::min(kMovesAtOnce, moves.size() - first);
      bool is_full = false;
      {
        SIGHTLINE_TRY(const Reading open, begin_change());
        const Turn turn(*this);
        SIGHTLINE_TRY_DO(catch_up_index());
        SIGHTLINE_TRY_DO(move_points(std::span(moves).subspan(first, count)));
        is_full = index_->has_full_shards();
      }
      num_moved += count;
      while (is_full) {  // their rows become files, or they would fill the memory
        const Planner planner = [&](const std::string&, const ShardsState& state) {
          return plan_background(state, Activity::kLoading, setup_.options.sealing);
        };
        SIGHTLINE_TRY(const auto sealed, build_step(planner, effort, nullptr, deadline));
        is_full = sealed.has_value();
      }
    }
  }
  log_info("storage", shown_name() + ": so much is written that its slots stay as they are");
  return num_moved;
}

/// In a Turn.
Result<void> LocalStore::move_points(std::span<const LocalIndex::SlotMove> moves) {
  if (moves.empty()) return {};
  std::uint64_t bytes = 0;
  for (const auto& [name, config] : config_->vectors) {
    if (config.kind == VectorKind::kDense)
      bytes += moves.size() * (config.dim * sizeof(float) + kRowOverheadBytes);
  }
  SIGHTLINE_TRY_DO(setup_.memory->check(bytes, "moving points of " + shown_name()));
  std::vector<storage::Operation> operations;
  operations.reserve(moves.size());
  for (const auto& [id, from, to] : moves)
    operations.emplace_back(storage::MovePointOp{id, from, to});
  try {
    SIGHTLINE_TRY_DO(writer_->add(operations));
    return commit_added();
  } catch (const std::exception& e) {
    writer_->abandon();  // nobody else's commit may take a half of it along
    return internal_error("moving points of " + shown_name() + ": " + e.what());
  }
}

}  // namespace sightline::pipeline
