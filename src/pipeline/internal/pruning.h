// pipeline/internal/pruning.h: forgets what is no longer there.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "pipeline/collection_store.h"
#include "pipeline/internal/source_scout.h"

namespace sightline::pipeline {

/// After a run that saw everything, deletes the points and records of
/// - files below a folder PATH that are gone, a tar with all its members,
/// - members gone from a tar PATH that was read to its end,
/// - manifest rows of this run whose file is gone.
/// What still exists is spared, wanted or not, and so is whatever lies below a folder that could
/// not be read. Returns the number of points deleted. Ends early, between commits, when `stopped`
/// says so. errors  the store's.
Result<std::uint64_t> prune(CollectionStore& store, const std::vector<InputPath>& inputs,
                            const ScoutFindings& findings, const std::function<bool()>& stopped);

}  // namespace sightline::pipeline
