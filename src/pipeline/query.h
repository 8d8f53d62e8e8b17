// pipeline/query.h: parse -> encode -> search -> answer.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "codecs/decode.h"
#include "core/compute_pool.h"
#include "core/deadline.h"
#include "core/result.h"
#include "encoders/encoder.h"
#include "pipeline/collection_store.h"
#include "pipeline/query_encoder.h"

namespace sightline::pipeline {

struct TextOperand {
  std::string text;
};
struct ImageOperand {
  std::filesystem::path file;
  std::vector<std::byte> bytes = {};  ///< Of a picture file; if there are any, `file` is not read.
  std::string name = {};              ///< For messages; empty: that of the file.
};
struct PointOperand {
  PointId id;
};

/// One part of a query; `weight` may be negative ("not").
struct QueryOperand {
  std::variant<TextOperand, ImageOperand, PointOperand> what;
  double weight = 1.0;
};

/// The query vector is the normalised weighted sum of the operands' unit vectors.
struct Query {
  std::vector<QueryOperand> operands;  ///< 1..64
  std::string vector_name;             ///< That is searched, of the pipeline's model.
  std::size_t top_k = 10;              ///< 1..10'000
  std::size_t offset = 0;
  std::optional<float> score_threshold;
  std::shared_ptr<const Filter> filter;  ///< Null: all points.
  bool exact = false;                    ///< These three: as in SearchRequest.
  std::size_t nprobe = 0;
  std::size_t ef_search = 0;
};

struct QueryHit {
  std::size_t rank = 0;  ///< From 1.
  PointId id;
  float score = 0;
  std::string path;  ///< Of the file, or "TAR#member"; empty if the point has no source.
  std::size_t width = 0, height = 0;
  Json payload;  ///< The user's payload with `_image`.
};

struct QueryAnswer {
  std::vector<QueryHit> hits;                ///< Best first.
  std::map<std::string, double> timings_ms;  ///< "encode", "search", "total", ...
  SearchPlan plan;
};
/// The contract of `search --json`: {"hits": [...], "timings_ms": {...}, "plan": {...}}.
Json to_json(const QueryAnswer& answer);
/// The fields of SearchPlan, with the shares that `num_estimated` and `num_allowed` are of
/// `num_points`.
Json to_json(const SearchPlan& plan);

/// A query whose operands have become a vector.
struct EncodedQuery {
  SearchRequest request;
  std::map<std::string, double> timings_ms;  ///< As in QueryAnswer, of this stage.
};

/// Asks one collection.
/// Thread-safety: const methods may run on many threads at once.
class QueryPipeline {
 public:
  /// `encoder` may be null: then only PointOperands are taken. It outlives the pipeline, as `store`
  /// does. `pool` runs the encoding.
  /// errors  kFailedPrecondition: the collection was made by another model or alpha rule; the
  /// message
  ///         names both.
  static Result<QueryPipeline> create(CollectionStore& store, const encoders::Encoder* encoder,
                                      codecs::DecodeOptions decode, ComputePool& pool);
  /// With a model that others use too (EncoderHost::find() has chosen the one that made the vectors
  /// that are asked), or none. `alpha`: the rule that they were made by.
  QueryPipeline(CollectionStore& store, std::shared_ptr<const QueryEncoder> encoder,
                codecs::AlphaRule alpha)
      : store_(&store), encoder_(std::move(encoder)), alpha_(alpha) {}

  /// Points asked for by PointOperands with positive weight are left out of the hits.
  /// errors  kInvalidArgument: no operands, empty text, a sum of length 0, top_k out of range;
  ///         kNotFound: a point or file that does not exist; those of codecs::decode() and of
  ///         QueryEncoder.
  Result<QueryAnswer> search(const Query& query, Deadline deadline) const;

  /// The two stages of search(), for many queries at once: all are answered from one state and a
  /// filter that they share is evaluated once. `timings_ms["search"]` is of all of them together.
  Result<EncodedQuery> encode(const Query& query, Deadline deadline) const;
  Result<std::vector<QueryAnswer>> search_encoded(std::vector<EncodedQuery> queries,
                                                  Deadline deadline) const;

  /// From where the model's matches are strong (pipeline/score_background.h).
  double strong_spreads() const;

 private:
  CollectionStore* store_;
  std::shared_ptr<const QueryEncoder> encoder_;
  codecs::AlphaRule alpha_;
};

/// "alpha and model of this collection are ...": empty result if `encoder` with `alpha` made it.
Result<void> check_same_model(const CollectionInfo& collection,
                              const encoders::EncoderInfo& encoder, codecs::AlphaRule alpha);

}  // namespace sightline::pipeline
