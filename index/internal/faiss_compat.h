// index/internal/faiss_compat.h: the FAISS headers in use. Written for 1.7.3 (Debian 12) to 1.11
// (Debian 13); what differs between them is settled here and nowhere else.
#pragma once

#include <faiss/IndexFlat.h>

#include <cstdint>
#include <type_traits>

namespace sightline::index {

/// FAISS's type of row numbers: `faiss::Index::idx_t` in 1.7.3, `faiss::idx_t` later.
using FaissId = std::remove_const_t<decltype(faiss::IndexFlat::ntotal)>;
static_assert(std::is_same_v<FaissId, std::int64_t>);

}  // namespace sightline::index
