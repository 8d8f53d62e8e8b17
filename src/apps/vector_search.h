// apps/vector_search.h: `sightline search --vectors`: what is asked are rows of an array, so no
// model is loaded; and what both ways of searching take.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "apps/command.h"
#include "core/filter.h"
#include "core/npy.h"
#include "pipeline/collection_store.h"

namespace sightline::apps {

/// Rows of floats to ask with. Thread-safety: const methods may run on many threads at once.
class QueryVectors {
 public:
  /// A .npy file of shape (n, dim), or (dim,) for one.
  static Result<QueryVectors> open(const std::string& path);
  std::size_t count() const { return count_; }
  std::size_t dim() const { return dim_; }
  Result<std::vector<float>> row(std::size_t i) const;

 private:
  QueryVectors(NpyFile file, std::size_t count, std::size_t dim)
      : file_(std::move(file)), count_(count), dim_(dim) {}
  NpyFile file_;
  std::size_t count_, dim_;
};

struct VectorSearch {
  std::string file;         ///< As QueryVectors::open() takes it.
  std::string vector_name;  ///< Empty: the default vector, or the only one.
  std::size_t top_k = 10, offset = 0;
  std::optional<float> min_score;
  std::shared_ptr<const Filter> filter;
  bool exact = false;
  std::size_t nprobe = 0, ef_search = 0;
};
Result<int> run_vector_search(CommandContext& context, const VectorSearch& search);

/// --filter: JSON, or @FILE (@- is stdin). Null if it was not given.
/// errors  kInvalidArgument: no JSON, no filter; kNotFound, kIoError: the file.
Result<std::shared_ptr<const Filter>> read_filter(const std::optional<std::string>& option);

/// A text file; "-" is stdin.
Result<std::string> read_text(const std::string& file);

/// Says each warning of the plans once.
void note_warnings(CommandContext& context, const std::set<std::string>& warnings);
/// Says that the collection is empty, or what an unfinished import left.
Result<void> note_state(CommandContext& context, const pipeline::CollectionStore& store,
                        const pipeline::CollectionInfo& info);

}  // namespace sightline::apps
