// pipeline/internal/collection_verify.h: what is damaged in a collection's folder, and mending it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/deadline.h"
#include "core/result.h"
#include "storage/database.h"

namespace sightline::pipeline {

/// Reads every byte of database and listed shards, beside a writer or not. One line per damage.
Result<std::vector<std::string>> verify_collection(
    const std::filesystem::path& folder, const std::shared_ptr<storage::SharedBudget>& budget,
    const Deadline& deadline);

/// Of a collection that nobody has open. Returns what was lost.
Result<std::vector<std::string>> repair_collection(
    const std::filesystem::path& folder, const std::shared_ptr<storage::SharedBudget>& budget);

}  // namespace sightline::pipeline
