// index/faiss_import.h: FAISS index files that others made (autofaiss, clip-retrieval), read for
// their vectors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "core/result.h"
#include "index/distance.h"

namespace sightline::index {

/// Thread-safety: const methods may run on many threads at once.
class ForeignIndex {
 public:
  virtual ~ForeignIndex() = default;
  virtual std::size_t dim() const = 0;
  virtual Distance distance() const = 0;  ///< Of FAISS; for rows of norm 1 a product is a cosine.
  virtual std::uint64_t num_rows() const = 0;
  /// In FAISS's factory grammar, as far as it can be seen: "IDMap2,IVF4096,Flat".
  virtual const std::string& type() const = 0;
  /// Whether the file holds full vectors; otherwise codes (PQ, SQ) from which they cannot be had.
  virtual bool has_vectors() const = 0;
  /// Of a file without vectors: whether an IndexIDMap or inverted lists (of IVF-PQ and IVF-SQ) name
  /// rows by other ids than 0, 1, 2, ... Which vector belongs to which id is not told by codes.
  virtual bool has_own_ids() const = 0;

  /// `count` rows from `first` on, in the file's order, which for inverted lists is not that of the
  /// ids.
  ///
  /// rows    gets count * dim() floats.
  /// ids     gets count ids: those of an IndexIDMap or of inverted lists, otherwise 0, 1, 2, ...
  /// errors  kInvalidArgument: rows that are not there; kFailedPrecondition: !has_vectors();
  ///         kCorruption: an inverted list names an id that the IndexIDMap does not have.
  virtual Result<void> read(std::uint64_t first, std::size_t count, float* rows,
                            std::int64_t* ids) const = 0;
};

/// Opens Flat, IVF-Flat and HNSW-Flat, also in an IndexIDMap or IndexIDMap2: mapped, little is held
/// in memory; of an IndexRefineFlat the vectors that it refines with. Of PQ and SQ indexes (flat,
/// IVF, HNSW) and of an IndexPreTransform only headers and ids are read.
/// errors  kNotFound, kIoError; kCorruption: damaged, or not an index of FAISS; kUnimplemented:
///         another type, named, a binary index, or a metric that we do not have.
Result<std::unique_ptr<ForeignIndex>> open_faiss_file(const std::filesystem::path& path);

}  // namespace sightline::index
