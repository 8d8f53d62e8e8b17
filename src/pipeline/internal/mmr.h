// pipeline/internal/mmr.h: maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998).
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "core/deadline.h"
#include "core/result.h"

namespace sightline::pipeline {

/// Picks up to `limit` candidates: the most relevant first, then by
/// (1 - diversity) * relevance - diversity * (likeness to the most alike of those picked); the
/// earlier candidate where these are equal.
///
/// relevance  of each candidate.
/// likeness   of two candidates, asked once at most for each of limit * n pairs.
/// deadline   checked between picks.
/// returns    places in `relevance`, in the order of the picks.
Result<std::vector<std::size_t>> pick_diverse(
    std::span<const float> relevance,
    const std::function<float(std::size_t a, std::size_t b)>& likeness, float diversity,
    std::size_t limit, const Deadline& deadline);

}  // namespace sightline::pipeline
