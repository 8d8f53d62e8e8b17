// pipeline/collection_store.h: how the two journeys reach points.
//
// LocalStore (local_store.h: RocksDB and shards in this process) is the default; engines elsewhere
// (a Qdrant cluster) come behind the same interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/deadline.h"
#include "core/filter.h"
#include "core/indexed_value.h"
#include "core/json.h"
#include "core/point_id.h"
#include "core/result.h"
#include "core/vector_view.h"

namespace sightline::pipeline {

class UploadShelf;

enum class Metric { kCosine, kDot, kEuclid, kManhattan };
/// Whether what it measures is a distance, of which less is better.
constexpr bool is_distance(Metric metric) {
  return metric == Metric::kEuclid || metric == Metric::kManhattan;
}
std::string_view metric_name(Metric metric);  ///< "cosine", "dot", "euclid", "manhattan"
Result<Metric> parse_metric(std::string_view text);

/// Which model made the vectors of a name. Empty checksum: vectors came from outside.
struct ModelIdentity {
  std::string checksum;   ///< EncoderInfo::checksum; equal means "embeds alike".
  std::string alpha;      ///< "white" or "drop"; part of the identity.
  std::string name;       ///< For messages.
  std::string path_hint;  ///< Where it was found last; never the identity.
  std::string precision;  ///< "fp32", "bf16", "fp16"; recorded, not compared.
};

using sightline::VectorKind;
std::string_view vector_kind_name(VectorKind kind);  ///< "dense", "sparse", "multi"
Result<VectorKind> parse_vector_kind(std::string_view text);

struct VectorConfig {
  std::size_t dim = 0;              ///< 1..65536; of each row of a multi-vector; 0 for kSparse.
  Metric metric = Metric::kCosine;  ///< kSparse: kDot.
  ModelIdentity model;
  /// Structure of sealed shards: "auto" or FAISS's factory grammar ("IVF4096,PQ64").
  std::string index = "auto";
  /// recall@10 that searches of sealed shards are calibrated to, 0.5..1.
  double target_recall = 0.95;
  /// Only kDense has an index; the others are compared one by one.
  VectorKind kind = VectorKind::kDense;
  /// An object that is kept and given back, without meaning here (`on_disk`, `hnsw_config`, ...).
  Json parameters = Json::object();
};

struct CollectionConfig {
  /// Vector name -> its configuration; may be empty. The default vector's name is "" (as in
  /// Qdrant).
  std::map<std::string, VectorConfig> vectors;
  /// As VectorConfig::parameters, of the collection (`optimizers_config`, `metadata`, ...).
  Json parameters = Json::object();
};

/// One shard as people see it.
struct ShardInfo {
  std::string vector_name;
  std::string type;            ///< "growing", "Flat", "IVF4096,PQ64", ...
  std::uint64_t num_rows = 0;  ///< Deleted ones included.
  std::uint64_t num_live = 0;
  std::uint64_t memory_bytes = 0, mapped_bytes = 0;
  std::size_t nprobe = 0, ef_search = 0;  ///< Calibrated; 0: without meaning for the type.
};

struct PayloadIndexInfo {
  FieldType type = FieldType::kKeyword;
  Json parameters;               ///< As create_payload_index() got them; null: none.
  std::uint64_t num_points = 0;  ///< Points that have a value there, of any type.
};

struct CollectionInfo {
  std::string name;
  CollectionConfig config;
  std::uint64_t num_points = 0;
  std::uint64_t num_sources = 0;    ///< Records in `sources`, skipped ones included.
  std::uint64_t commit_number = 0;  ///< Of the last commit visible to this handle.
  std::uint64_t disk_bytes = 0;
  std::uint64_t memory_bytes = 0;  ///< Vectors and indexes in this process, anonymous memory.
  std::uint64_t mapped_bytes = 0;  ///< Of mapped shard files.
  std::vector<ShardInfo> shards;
  std::map<std::string, PayloadIndexInfo> payload_indexes;
  std::map<std::string, std::uint64_t> num_vectors;  ///< Vector name -> points that have it.
};

/// What ingest knows of a source; key is `uri`.
struct SourceRecord {
  std::string uri;
  std::uint64_t size = 0;     ///< bytes
  std::int64_t mtime_ns = 0;  ///< Of the file (for a tar member: of the tar).
  std::string content_hash;   ///< "sha256:HEX", empty if never read
  std::string payload_hash;   ///< Checksum of the manifest's columns, empty without.
  std::optional<PointId> id;  ///< The point; absent for a skipped source.
  std::string skip_reason;    ///< Short key ("corrupt"); empty for an indexed one.
  std::string skip_message;   ///< The full sentence.
};

using sightline::VectorView;

/// Vectors by name; kCosine rows are normalised by the store.
struct NamedVector {
  std::string name;
  std::vector<float> values;  ///< kDense: dim; kMulti: num_rows * dim, row-major; kSparse: any.
  /// Of the name; a dense vector given for a kMulti name is one row.
  VectorKind kind = VectorKind::kDense;
  /// kSparse: distinct, one for each value; sorted (with the values) by the store.
  std::vector<std::uint32_t> indices = {};
  std::size_t num_rows = 1;  ///< kMulti: at least 1; otherwise 1.

  VectorView view() const { return {kind, values, indices, num_rows}; }
};

/// Inserts the point or replaces it whole: vectors it does not name are dropped, as are its payload
/// and its source record, unless the same write() puts that source for the point, before or after.
enum class WriteMode {
  kUpsert,
  kInsertOnly,  ///< Points that exist are left as they are.
  kUpdateOnly,  ///< Points that do not exist are not made.
};
struct UpsertPoint {
  PointId id;
  std::vector<NamedVector> vectors;
  Json payload = Json::object();
  std::string thumbnail;  ///< JPEG bytes for `blobs`; empty: none.
  WriteMode mode = WriteMode::kUpsert;
  /// Only if the point exists and its StoredPoint::version is this one; otherwise nothing is done.
  std::optional<std::uint64_t> expected_version;
  /// A point that exists is replaced only if it satisfies this, as of just before this operation.
  std::shared_ptr<const Filter> update_filter = nullptr;
};
/// Points by id, or all that satisfy a filter as of before the write(). Missing points are passed
/// over.
struct PointSelector {
  std::vector<PointId> ids;
  std::shared_ptr<const Filter> filter;  ///< If set, `ids` is empty.
  /// A missing point of `ids` fails the whole write(): kNotFound names it.
  bool must_exist = false;
};
/// Merges `payload` into the points' payloads (`key`: into the object there), key by key. Never
/// changes `_image`.
struct SetPayload {
  PointSelector points;
  Json payload = Json::object();
  std::string key;  ///< A FieldPath, or empty: the whole payload.
};
/// Removes what the paths name. Never `_image`.
struct DeletePayloadKeys {
  PointSelector points;
  std::vector<std::string> keys;  ///< FieldPaths.
};
/// Empties the payloads but for `_image`.
struct ClearPayload {
  PointSelector points;
};
struct DeletePoints {
  PointSelector points;
};
/// Replaces the named vectors of an existing point, keeping the rest. A missing point is not an
/// error, unless `must_exist` (as in PointSelector).
struct UpdateVectors {
  PointId id;
  std::vector<NamedVector> vectors;
  /// Only if the point satisfies this, as of just before this operation.
  std::shared_ptr<const Filter> update_filter = nullptr;
  bool must_exist = false;
};
struct DeleteVectors {
  PointSelector points;
  std::vector<std::string> names;
};
/// Replaces the payload of an existing point, keeping vectors and thumbnail; `_image` is kept
/// unless the new payload has one. A missing point is not an error.
struct OverwritePayload {
  PointId id;
  Json payload = Json::object();
};
/// OverwritePayload for many points.
struct OverwritePayloads {
  PointSelector points;
  Json payload = Json::object();
};
/// Deletes the point with its source record. A missing point is not an error.
struct DeletePoint {
  PointId id;
};
/// Inserts or replaces the record. With an id the source belongs to that point, which must exist at
/// the end of the write(); a record that the point had under another URI goes. Without one, a point
/// that had this source stays, without a source.
struct PutSource {
  SourceRecord source;
};
/// Deletes a source record (and its point, if it has one).
struct DeleteSource {
  std::string uri;
};
using WriteOp = std::variant<UpsertPoint, OverwritePayload, DeletePoint, PutSource, DeleteSource,
                             SetPayload, DeletePayloadKeys, ClearPayload, DeletePoints,
                             UpdateVectors, DeleteVectors, OverwritePayloads>;

struct WriteSummary {
  std::uint64_t commit_number = 0;  ///< Visible to searches from here on.
  std::size_t num_inserted = 0, num_updated = 0, num_deleted = 0;
};

/// Nearest points. Of a kSparse name only points that share an index with the query are hits.
struct SearchRequest {
  std::string vector_name;
  std::vector<float> vector;             ///< As NamedVector::values; kCosine: normalised here.
  std::size_t top_k = 10;                ///< 1..10'000
  std::size_t offset = 0;                ///< Hits left out at the top.
  std::optional<float> score_threshold;  ///< Hits of lower score are left out.
  std::vector<PointId> exclude;          ///< Points left out (the one asked "like").
  /// The vector is that of the one excluded point and plays a new query: where the store can, an
  /// index is not helped by the point's place in it (evaluation).
  bool is_stand_in = false;
  bool with_payload = true;
  std::shared_ptr<const Filter> filter;  ///< Null: all points.
  bool exact = false;                    ///< Exact scan whatever the shard type.
  std::size_t nprobe = 0;                ///< Inverted lists probed per shard; 0: as calibrated.
  std::size_t ef_search = 0;             ///< Beam of graphs; 0: as calibrated.
  bool with_version = false;             ///< Fills ScoredPoint::version.
  // The rest of `vector`, as in NamedVector.
  VectorKind kind = VectorKind::kDense;
  std::vector<std::uint32_t> indices = {};
  std::size_t num_rows = 1;
};

/// Points by a score of one's own.
struct ScoredSearch {
  std::string vector_name;
  /// Of a stored vector; higher is better. nullopt or NaN: no hit. Called from many threads at
  /// once; must not call the store.
  std::function<std::optional<float>(const VectorView& stored)> score;
  std::size_t top_k = 10;  ///< 1..10'000
  std::size_t offset = 0;  ///< As in SearchRequest, like all that follows.
  std::optional<float> score_threshold = {};
  std::vector<PointId> exclude = {};
  bool with_payload = true;
  bool with_version = false;
  std::shared_ptr<const Filter> filter = nullptr;
};

/// How a search was answered.
struct SearchPlan {
  /// "exact": all allowed rows were compared; "approximate": through lists or links; "mixed": some
  /// shards so, others so; "empty": no point is allowed.
  std::string strategy;
  std::uint64_t num_points = 0;         ///< Points that have the vector.
  std::uint64_t num_estimated = 0;      ///< Points that the filter was thought to allow.
  std::uint64_t num_allowed = 0;        ///< Points that it allowed.
  std::uint64_t num_scanned = 0;        ///< Rows or codes compared.
  std::uint64_t num_refined = 0;        ///< Of these, compared again by full vectors.
  std::uint64_t num_lists = 0;          ///< Inverted lists probed.
  std::uint64_t num_payloads_read = 0;  ///< By the filter, for want of a payload index.
  std::size_t num_shards = 0;
  std::size_t num_widened = 0;        ///< Shards probed further because of the filter.
  std::vector<std::string> warnings;  ///< "field \"x\" has no index: payloads were read"
};

/// One found point. Score: higher is better; for kEuclid and kManhattan the negated distance.
struct ScoredPoint {
  PointId id;
  float score = 0;
  Json payload;
  std::uint64_t version = 0;  ///< StoredPoint::version, if it was asked for.
};

struct SearchAnswer {
  std::vector<ScoredPoint> hits;  ///< Best first; ties by PointId.
  SearchPlan plan;
};

struct OptimizeOptions {
  /// Also make anew what is good already, and leave no slot free.
  bool force = false;
  /// On one core that makes way for searches, as background building does; otherwise on all cores.
  bool beside_searches = false;
  /// 0 <= share <= 1, and what is being done.
  std::function<void(double share, std::string_view stage)> progress;
};
struct OptimizeSummary {
  std::size_t num_built = 0;    ///< Shards written.
  std::size_t num_removed = 0;  ///< Shards replaced.
  std::uint64_t num_rows = 0;   ///< Rows of the shards written.
  std::uint64_t num_moved = 0;  ///< Points that got a slot that others had left.
};

struct StoredPoint {
  PointId id;
  std::uint64_t version = 0;  ///< Number of the commit that wrote it.
  std::vector<NamedVector> vectors;
  Json payload;
};

struct GetOptions {
  bool with_payload = true;
  bool with_vectors = false;
  /// With with_vectors: only these (names that the collection lacks are passed over); empty: all.
  std::vector<std::string> vector_names = {};
};

/// kDatetime: microseconds since 1970.
using OrderValue = std::variant<std::int64_t, double>;

/// Points in order of a payload field's values, ties by id (in the same
/// direction); a point that has several values comes once for each, one that has none not at all.
struct OrderedScroll {
  std::string key;  ///< A field with a payload index of kInteger, kFloat or kDatetime.
  bool descending = false;
  std::optional<OrderValue> start_from = {};  ///< From this value on (itself included).
  std::size_t limit = 10;
  GetOptions options = {};
  std::shared_ptr<const Filter> filter = nullptr;
};
struct OrderedPoint {
  StoredPoint point;
  OrderValue value;
};

/// How many points have each value of a payload field.
struct FacetRequest {
  std::string key;  ///< A field with a payload index of kKeyword, kInteger, kBool or kUuid.
  std::size_t limit = 10;
  std::shared_ptr<const Filter> filter = nullptr;
};
struct FacetHit {
  MatchScalar value;        ///< A uuid as string.
  std::uint64_t count = 0;  ///< Points; exact.
};

/// One collection.
/// Thread-safety: all methods may run on many threads at once. A search sees every write that was
/// acknowledged before it began, and finds a point that is updated meanwhile exactly once.
class CollectionStore {
 public:
  virtual ~CollectionStore() = default;

  virtual Result<CollectionInfo> info() const = 0;
  /// info().config, without the work of the rest.
  virtual Result<std::shared_ptr<const CollectionConfig>> config() const;

  /// Applies `ops` in order as one atomic commit; returns once it is durable and visible.
  /// errors  kInvalidArgument: unknown vector name, other dim or kind, not finite, an index given
  ///         twice, payload not an object; kNotFound: by `must_exist`; kFailedPrecondition: opened
  ///         for reading; kResourceExhausted: disk full; kIoError.
  virtual Result<WriteSummary> write(std::vector<WriteOp> ops) = 0;

  /// Fewer points than top_k: all of them.
  virtual Result<SearchAnswer> search(const SearchRequest& request, Deadline deadline) const = 0;
  /// Many searches of one state, on all cores: answer i is to request i. A filter that several
  /// share (the same object) is evaluated once; what that took is in the plan of the first.
  /// errors  those of search(); the message says which request, if there are several.
  virtual Result<std::vector<SearchAnswer>> search_batch(std::span<const SearchRequest> requests,
                                                         Deadline deadline) const = 0;

  /// The best of all points that have the vector, each scored once. Reads every vector that the
  /// filter allows. The plan says "exact". errors  kInvalidArgument: unknown name, no score.
  virtual Result<SearchAnswer> search_by(const ScoredSearch& request, Deadline deadline) const = 0;

  /// In the order of `ids`; nullopt where there is no such point.
  virtual Result<std::vector<std::optional<StoredPoint>>> get(std::span<const PointId> ids,
                                                              GetOptions options) const = 0;
  /// Up to `limit` points with id >= `from` (from the first, if absent) that satisfy `filter`
  /// (null: all), ascending.
  virtual Result<std::vector<StoredPoint>> scroll(
      std::optional<PointId> from, std::size_t limit, GetOptions options,
      std::shared_ptr<const Filter> filter = nullptr) const = 0;
  /// `limit` points of those that satisfy `filter` (null: all), each as likely as any other, in
  /// random order; all of them if there are fewer.
  virtual Result<std::vector<StoredPoint>> sample(std::size_t limit, GetOptions options,
                                                  std::shared_ptr<const Filter> filter,
                                                  Deadline deadline) const = 0;
  /// errors  kInvalidArgument: no such index.
  virtual Result<std::vector<OrderedPoint>> scroll_ordered(const OrderedScroll& request,
                                                           Deadline deadline) const = 0;
  virtual Result<std::uint64_t> count(std::shared_ptr<const Filter> filter = nullptr) const = 0;
  /// Most frequent first, ties by value. errors  kInvalidArgument: no such index.
  virtual Result<std::vector<FacetHit>> facet(const FacetRequest& request,
                                              Deadline deadline) const = 0;

  /// Indexes a payload field; of existing points too, before it returns. Replaces an index of
  /// another type. `parameters` are kept and given back (PayloadIndexInfo); with the same type they
  /// are replaced alone. errors  kInvalidArgument: not a path; kFailedPrecondition: opened for
  /// reading.
  virtual Result<void> create_payload_index(std::string_view field, FieldType type,
                                            const Json& parameters = {}) = 0;
  /// False if there was none.
  virtual Result<bool> drop_payload_index(std::string_view field) = 0;

  /// Structure and target of a vector name's sealed shards from now on; optimize() applies it.
  /// errors  kInvalidArgument: unknown name, bad spec.
  virtual Result<void> set_index(std::string_view vector_name, std::string_view spec,
                                 double target_recall) = 0;
  /// Changes `parameters` of the collection and of its vectors by `edit`, which gets the newest
  /// configuration; one edit at a time. errors  those of `edit`, then nothing is changed;
  /// kInvalidArgument: it has changed anything else; kFailedPrecondition: opened for reading.
  virtual Result<void> update_parameters(
      const std::function<Result<void>(CollectionConfig& config)>& edit) = 0;
  /// Seals, merges and compacts until the shards are as their configuration asks; searches and
  /// writes go on meanwhile. Background building does the same bit by bit.
  /// errors  kFailedPrecondition: opened for reading; kCancelled: what was built until then stays.
  virtual Result<OptimizeSummary> optimize(const OptimizeOptions& options, Deadline deadline) = 0;
  /// JPEG bytes; kNotFound if the point has none.
  virtual Result<std::string> thumbnail(const PointId& id) const = 0;

  virtual Result<std::optional<SourceRecord>> find_source(std::string_view uri) const = 0;
  /// A point whose picture has these very bytes, if there is one.
  virtual Result<std::optional<PointId>> find_content(std::string_view content_hash) const = 0;
  /// Calls `visit` for every source whose URI starts with `prefix`, in order of URI, until it
  /// returns false. Reads one snapshot.
  virtual Result<void> visit_sources(
      std::string_view prefix, const std::function<bool(const SourceRecord&)>& visit) const = 0;

  /// Where the pictures lie that were uploaded into this collection; null: not kept here.
  virtual UploadShelf* uploads() const { return nullptr; }

  /// Readers beside a writer: sees what has been committed until now. Does nothing for the writer.
  /// Waits for running reads: not to be called from a visitor. kNotFound: the collection was
  /// deleted.
  virtual Result<void> catch_up() = 0;
  /// Makes everything acknowledged durable (matters with durability `interval`).
  virtual Result<void> flush() = 0;
};

}  // namespace sightline::pipeline
