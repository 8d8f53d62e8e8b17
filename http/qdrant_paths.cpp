#include "http/qdrant_paths.h"

#include <array>

namespace sightline::http {
namespace {

constexpr auto kGet = Method::kGet, kPost = Method::kPost, kPut = Method::kPut,
               kPatch = Method::kPatch, kDelete = Method::kDelete;
constexpr auto kServed = Support::kServed, kEchoed = Support::kEchoed, kLeftOut = Support::kLeftOut;

constexpr std::string_view kShardKeys = "shard keys";
constexpr std::string_view kSnapshots = "snapshots over HTTP";
constexpr std::string_view kShardSnapshots = "snapshots of shards";
constexpr std::string_view kCluster = "clusters";
constexpr std::string_view kOlder = "the older search forms: use `points/query`";

constexpr std::array kPaths = std::to_array<QdrantPath>({
    {kPut, "/collections/{collection_name}/shards", kLeftOut, kShardKeys},
    {kGet, "/collections/{collection_name}/shards", kLeftOut, kShardKeys},
    {kPost, "/collections/{collection_name}/shards/delete", kLeftOut, kShardKeys},
    {kGet, "/", kServed, "to browsers it is the page"},
    {kGet, "/telemetry", kLeftOut, "telemetry"},
    {kGet, "/metrics", kServed, "our own metrics, in Prometheus' format"},
    {kGet, "/healthz", kServed, ""},
    {kGet, "/livez", kServed, ""},
    {kGet, "/readyz", kServed, ""},
    {kGet, "/issues", kLeftOut, "issues"},
    {kDelete, "/issues", kLeftOut, "issues"},
    {kGet, "/cluster", kServed, "always disabled"},
    {kGet, "/cluster/telemetry", kLeftOut, "telemetry"},
    {kPost, "/cluster/recover", kLeftOut, kCluster},
    {kDelete, "/cluster/peer/{peer_id}", kLeftOut, kCluster},
    {kGet, "/quotas", kLeftOut, "quotas"},
    {kPut, "/quotas", kLeftOut, "quotas"},
    {kGet, "/collections", kServed, "those that the key is for"},
    {kGet, "/collections/{collection_name}", kServed, ""},
    {kPut, "/collections/{collection_name}", kServed, "settings: below"},
    {kPatch, "/collections/{collection_name}", kServed, "settings: below"},
    {kDelete, "/collections/{collection_name}", kServed, ""},
    {kPost, "/collections/aliases", kServed, ""},
    {kPut, "/collections/{collection_name}/index", kServed, "`field_schema` is needed"},
    {kGet, "/collections/{collection_name}/exists", kServed, ""},
    {kDelete, "/collections/{collection_name}/index/{field_name}", kServed, ""},
    {kPut, "/collections/{collection_name}/vectors/{vector_name}", kLeftOut,
     "vector names added to a collection later"},
    {kDelete, "/collections/{collection_name}/vectors/{vector_name}", kLeftOut,
     "vector names dropped from a collection later"},
    {kGet, "/collections/{collection_name}/cluster", kLeftOut, kCluster},
    {kPost, "/collections/{collection_name}/cluster", kLeftOut, kCluster},
    {kGet, "/collections/{collection_name}/optimizations", kLeftOut, "the list of optimizations"},
    {kGet, "/collections/{collection_name}/aliases", kServed, ""},
    {kGet, "/aliases", kServed, ""},
    {kPost, "/collections/{collection_name}/snapshots/upload", kLeftOut, kSnapshots},
    {kPut, "/collections/{collection_name}/snapshots/recover", kLeftOut, kSnapshots},
    {kGet, "/collections/{collection_name}/snapshots", kLeftOut, kSnapshots},
    {kPost, "/collections/{collection_name}/snapshots", kLeftOut, kSnapshots},
    {kDelete, "/collections/{collection_name}/snapshots/{snapshot_name}", kLeftOut, kSnapshots},
    {kGet, "/collections/{collection_name}/snapshots/{snapshot_name}", kLeftOut, kSnapshots},
    {kGet, "/snapshots", kLeftOut, kSnapshots},
    {kPost, "/snapshots", kLeftOut, kSnapshots},
    {kDelete, "/snapshots/{snapshot_name}", kLeftOut, kSnapshots},
    {kGet, "/snapshots/{snapshot_name}", kLeftOut, kSnapshots},
    {kGet, "/collections/{collection_name}/shards/{shard_id}/snapshot", kLeftOut, kShardSnapshots},
    {kPost, "/collections/{collection_name}/shards/{shard_id}/snapshots/upload", kLeftOut,
     kShardSnapshots},
    {kPut, "/collections/{collection_name}/shards/{shard_id}/snapshots/recover", kLeftOut,
     kShardSnapshots},
    {kGet, "/collections/{collection_name}/shards/{shard_id}/snapshots", kLeftOut, kShardSnapshots},
    {kPost, "/collections/{collection_name}/shards/{shard_id}/snapshots", kLeftOut,
     kShardSnapshots},
    {kDelete, "/collections/{collection_name}/shards/{shard_id}/snapshots/{snapshot_name}",
     kLeftOut, kShardSnapshots},
    {kGet, "/collections/{collection_name}/shards/{shard_id}/snapshots/{snapshot_name}", kLeftOut,
     kShardSnapshots},
    {kGet, "/collections/{collection_name}/points/{id}", kServed, ""},
    {kPost, "/collections/{collection_name}/points", kServed, ""},
    {kPut, "/collections/{collection_name}/points", kServed, ""},
    {kPost, "/collections/{collection_name}/points/delete", kServed, ""},
    {kPut, "/collections/{collection_name}/points/vectors", kServed, ""},
    {kPost, "/collections/{collection_name}/points/vectors/delete", kServed, ""},
    {kPost, "/collections/{collection_name}/points/payload", kServed, ""},
    {kPut, "/collections/{collection_name}/points/payload", kServed, ""},
    {kPost, "/collections/{collection_name}/points/payload/delete", kServed, ""},
    {kPost, "/collections/{collection_name}/points/payload/clear", kServed, ""},
    {kPost, "/collections/{collection_name}/points/batch", kServed, ""},
    {kPost, "/collections/{collection_name}/points/scroll", kServed, ""},
    {kPost, "/collections/{collection_name}/points/count", kServed, "always exact"},
    {kPost, "/collections/{collection_name}/facet", kServed, "always exact"},
    {kPost, "/collections/{collection_name}/points/query", kServed, ""},
    {kPost, "/collections/{collection_name}/points/query/batch", kServed, ""},
    {kPost, "/collections/{collection_name}/points/query/groups", kServed, ""},
    {kPost, "/collections/{collection_name}/points/search/matrix/pairs", kLeftOut,
     "the distance matrix"},
    {kPost, "/collections/{collection_name}/points/search/matrix/offsets", kLeftOut,
     "the distance matrix"},
    {kPost, "/collections/{collection_name}/points/search", kLeftOut, kOlder},
    {kPost, "/collections/{collection_name}/points/search/batch", kLeftOut, kOlder},
    {kPost, "/collections/{collection_name}/points/search/groups", kLeftOut, kOlder},
    {kPost, "/collections/{collection_name}/points/recommend", kLeftOut, kOlder},
    {kPost, "/collections/{collection_name}/points/recommend/batch", kLeftOut, kOlder},
    {kPost, "/collections/{collection_name}/points/recommend/groups", kLeftOut, kOlder},
    {kPost, "/collections/{collection_name}/points/discover", kLeftOut, kOlder},
    {kPost, "/collections/{collection_name}/points/discover/batch", kLeftOut, kOlder},
});

constexpr std::array kFeatures = std::to_array<QdrantFeature>({
    {"Dense vectors: Cosine, Dot, Euclid, Manhattan", kServed,
     "1 to 65,536 floats; Cosine's are kept with length 1, zeros as they are"},
    {"Sparse vectors, multi-vectors", kServed, "compared one by one: exact, without an index"},
    {"`model` of a vector", kServed, "ours: `size` and `distance` may be left out, GET returns it"},
    {"`{text, model}` and `{image, model}` in place of a vector", kServed,
     "in points and queries; those of a request are encoded together"},
    {"Filters", kServed, "all but `slice` and match `prefix`; [filters](filters.md)"},
    {"nearest, recommend (3 strategies), discover, context, order_by, sample", kServed, ""},
    {"Fusion: rrf with `k` and `weights`, dbsf; MMR; nested `prefetch`", kServed, ""},
    {"Groups, `with_lookup`, `lookup_from`", kServed, ""},
    {"`update_filter`, `update_mode`", kServed, ""},
    {"`params.exact`, `params.hnsw_ef`", kServed, "the latter for graphs alone"},
    {"`params.indexed_only`", kServed, "nothing that was acknowledged is ever left out"},
    {"`params.quantization`, `params.acorn`", kEchoed, "checked, without effect"},
    {"`hnsw_config`, `quantization_config`, `optimizers_config`, `wal_config`", kEchoed,
     "indexes are chosen by size: [shards](shard_format.md)"},
    {"`strict_mode_config`", kEchoed, "not enforced"},
    {"`on_disk`, `on_disk_payload`, `memory`, `datatype`", kEchoed, "vectors stay float32"},
    {"`shard_number`, `replication_factor`, `write_consistency_factor`, `read_fan_out_*`", kEchoed,
     "one node"},
    {"`metadata`", kServed, "merged by PATCH, where a null removes its key"},
    {"`wait`", kServed, "writes are always done when they are answered; the word differs"},
    {"`ordering`, `consistency`", kEchoed, "checked, without effect"},
    {"`timeout`", kServed, ""},
    {"Parameters of payload indexes", kEchoed, "`tokenizer`, `is_tenant`, `on_disk`, ..."},
    {"`shard_key`, `sharding_method: custom`", kLeftOut, ""},
    {"`modifier: idf` and `bm25`, `params.idf`, the model `qdrant/bm25`", kLeftOut, ""},
    {"`{object, model}`", kLeftOut, "inference of anything else than texts and pictures"},
    {"`formula`, `relevance_feedback`", kLeftOut, ""},
    {"Filters `slice` and match `prefix`", kLeftOut, ""},
});

}  // namespace

std::string_view support_name(Support support) {
  switch (support) {
    case Support::kServed:
      return "served";
    case Support::kEchoed:
      return "echoed";
    case Support::kLeftOut:
      return "501";
  }
  return "";
}

std::span<const QdrantPath> qdrant_paths() { return kPaths; }
std::span<const QdrantFeature> qdrant_features() { return kFeatures; }

std::string route_pattern(std::string_view qdrant_path) {
  constexpr std::string_view kTheirs = "{collection_name}";
  std::string pattern(qdrant_path);
  const auto at = pattern.find(kTheirs);
  if (at != std::string::npos) pattern.replace(at, kTheirs.size(), "{collection}");
  return pattern;
}

std::string qdrant_paths_markdown() {
  std::string text = "| Route | | |\n|---|---|---|\n";
  for (const QdrantPath& path : kPaths) {
    text.append("| ").append(method_name(path.method)).append(" `").append(path.path);
    text.append("` | ").append(support_name(path.support)).append(" | ").append(path.note);
    text += path.note.empty() ? "|\n" : " |\n";
  }
  return text;
}

std::string qdrant_features_markdown() {
  std::string text = "| Feature | | |\n|---|---|---|\n";
  for (const QdrantFeature& feature : kFeatures) {
    text.append("| ").append(feature.name).append(" | ").append(support_name(feature.support));
    text.append(" | ").append(feature.note);
    text += feature.note.empty() ? "|\n" : " |\n";
  }
  return text;
}

}  // namespace sightline::http
