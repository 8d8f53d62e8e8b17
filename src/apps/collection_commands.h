// apps/collection_commands.h: the parts of `sightline collection`, and what commands share that
// make or rebuild an index.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "apps/command.h"
#include "pipeline/collection_store.h"

namespace sightline::apps {

struct IndexSpecFlags {
  std::optional<std::string> spec;  ///< VectorConfig::index
  std::optional<double> target_recall;
};
/// --index and --target-recall. `when`: appended to the description ("", " of a new collection").
void add_index_flags(CLI::App& command, IndexSpecFlags& flags, const std::string& when);

/// optimize, index, export, snapshot, restore, verify, repair.
void add_collection_jobs(CommandLine& line, CLI::App& group);

/// Shards, one a line, for people.
std::string shard_table(const std::vector<pipeline::ShardInfo>& shards);

}  // namespace sightline::apps
