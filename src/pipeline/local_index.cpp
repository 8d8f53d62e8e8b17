#include "pipeline/internal/local_index.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/bitmap.h"
#include "core/log.h"
#include "pipeline/internal/collection_config.h"
#include "pipeline/internal/files.h"

namespace sightline::pipeline {
namespace {

// Of larger shards only what is parsed is verified when they are opened (a search in a few lists
// should not wait until all is read), and the rest by verify.
constexpr std::uint64_t kVerifyAtOnceBytes = std::uint64_t{256} << 20;
// Growing shards that wait for a background build after opening; with more, sealing begins at once.
constexpr std::uint64_t kMaxFullWhileLoading = 4;
// Payloads that a reader reads at once when it catches up.
constexpr std::size_t kPayloadBlock = 1024;
// A full growing shard with fewer live rows than this share of all is copied, not sealed.
constexpr std::uint64_t kMinLiveShare = 4;

std::string folder_name(std::uint64_t number) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "%06llu", static_cast<unsigned long long>(number));
  return text.data();
}

void list_all(ShardSet& shards) {
  shards.all.assign(shards.sealed.begin(), shards.sealed.end());
  shards.all.insert(shards.all.end(), shards.full.begin(), shards.full.end());
  shards.all.push_back(shards.growing);
}

bool contains(const index::ShardList& list, const std::shared_ptr<index::Shard>& shard) {
  return std::find(list.begin(), list.end(), shard) != list.end();
}

}  // namespace

bool is_shard_folder(std::string_view name) {
  return name.size() >= 6 && name.size() <= 19 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::set<std::string> listed_folders(const Json& list) {
  std::set<std::string> names;
  try {
    const Json vectors = list.value("vectors", Json::object());
    for (const Json& entries : vectors) {
      for (const Json& entry : entries) names.insert(entry.at("folder").get<std::string>());
    }
  } catch (const Json::exception&) {
    // Damaged: load() says so, and everything is built anew.
  }
  return names;
}

struct LocalIndex::Contents {
  struct Name {
    std::vector<WantedRow> rows;
    Bitmap slots;
  };
  std::map<std::string, Name, std::less<>> names;
  Bitmap points;
  std::vector<std::pair<index::Slot, PointId>> new_ids;
  std::vector<std::pair<index::Slot, index::Version>> versions;  // of points
};

LocalIndex::LocalIndex(std::string collection_name, std::filesystem::path folder,
                       const CollectionConfig& config, const SealingOptions& options)
    : collection_name_(std::move(collection_name)), folder_(std::move(folder)), options_(options) {
  for (const auto& [name, vector] : config.vectors) {
    Rows& rows = names_[name];
    rows.dim = vector.dim;
    rows.distance = distance_of(vector.metric);
    rows.kind = vector.kind;
    if (rows.kind != VectorKind::kDense) continue;
    rows.shards.growing = std::make_shared<index::GrowingShard>(rows.dim, rows.distance);
    list_all(rows.shards);
  }
  publish_table();
}

// --- loading -------------------------------------------------------------------------------------

Result<LocalIndex::Loaded> LocalIndex::load(const storage::CollectionDb& db,
                                            const storage::CollectionSnapshot& at,
                                            const LoadOptions& options) {
  SIGHTLINE_TRY(const Json list, db.shards(at));
  OpenShards opened;
  SIGHTLINE_TRY(const bool all_open, open_shards(list, options.do_without, opened));
  if (!all_open) return Loaded::kUnusable;
  Contents contents;
  SIGHTLINE_TRY(const bool complete, read_slots(db, at, contents));
  if (!complete) return Loaded::kIncomplete;

  ++load_number_;
  for (const auto& [slot, id] : contents.new_ids) ids_->set(slot, id);
  points_.assign(std::move(contents.points));
  for (auto& [name, rows] : names_) {
    Contents::Name& wanted = contents.names[name];
    rows.slots.assign(std::move(wanted.slots));
    if (rows.kind != VectorKind::kDense) continue;
    rows.shards.sealed = std::move(opened[name]);
    list_all(rows.shards);
    compare(rows, wanted.rows, at.counters().commit);
    SIGHTLINE_TRY_DO(load_rows(db, at, name, wanted.rows, options));
  }
  publish_table();
  SIGHTLINE_TRY_DO(load_payload_indexes(db, at, contents));
  return Loaded::kYes;
}

std::shared_ptr<index::SealedShard> LocalIndex::find_open(const Rows& rows,
                                                          const std::string& folder) const {
  for (const auto& shard : rows.shards.sealed) {
    if (shard->folder().filename() == folder) return shard;
  }
  return nullptr;
}

Result<bool> LocalIndex::open_shards(const Json& list, bool do_without, OpenShards& opened) {
  std::vector<std::string> problems;
  try {
    next_folder_ = std::max(next_folder_, list.value("next", std::uint64_t{1}));
    const Json vectors = list.value("vectors", Json::object());
    for (const auto& [name, entries] : vectors.items()) {
      const auto rows = names_.find(name);
      for (const Json& entry : entries) {
        const auto folder = entry.at("folder").get<std::string>();
        if (rows == names_.end() || rows->second.kind != VectorKind::kDense ||
            !is_shard_folder(folder)) {
          problems.push_back("the list of shards names \"" + folder + "\" of vector \"" + name +
                             "\"");
          continue;
        }
        if (auto shard = find_open(rows->second, folder)) {
          opened[name].push_back(std::move(shard));
          continue;
        }
        index::OpenShardOptions options;
        options.dim = rows->second.dim;
        options.distance = rows->second.distance;
        options.verify_all = bytes_below(folder_ / folder) <= kVerifyAtOnceBytes;
        auto shard = index::SealedShard::open(folder_ / folder, options);
        if (shard) {
          opened[name].push_back(*std::move(shard));
        } else if (do_without) {
          problems.push_back(shard.error().message);
        } else {
          return false;
        }
      }
    }
  } catch (const Json::exception& e) {
    problems.push_back(std::string("the list of shards is damaged: ") + e.what());
  }
  for (const std::string& problem : problems) {
    log_warning("index", "collection \"" + collection_name_ + "\" does without a shard, " +
                             "whose vectors are read from the database: " + problem);
  }
  list_changed_ = list_changed_ || !problems.empty();
  return true;
}

Result<bool> LocalIndex::read_slots(const storage::CollectionDb& db,
                                    const storage::CollectionSnapshot& at,
                                    Contents& contents) const {
  std::optional<Status> failure;
  const auto visit = [&](index::Slot slot, const storage::SlotRecord& record) {
    if (!ids_->contains(slot)) contents.new_ids.emplace_back(slot, record.id);
    contents.points.add(slot);
    if (!db.is_writer()) contents.versions.emplace_back(slot, record.version);
    for (const auto& [name, version] : record.vectors) {
      if (!names_.contains(name)) {
        failure =
            corruption("collection \"" + collection_name_ + "\": point " + record.id.to_string() +
                       " has vector \"" + name + "\", which the collection does not");
        return;
      }
      Contents::Name& wanted = contents.names[name];
      wanted.slots.add(slot);
      wanted.rows.push_back({slot, version});
    }
  };
  SIGHTLINE_TRY(const std::uint64_t digest, db.visit_slots(at, visit));
  if (digest != at.counters().slots_digest) return false;
  if (failure) return *failure;
  return true;
}

/// Ends what `wanted` (ascending by slot) does not name, and leaves in it what no shard holds.
void LocalIndex::compare(Rows& rows, std::vector<WantedRow>& wanted, index::Version version) {
  std::vector<bool> found(wanted.size());
  for (const auto& shard : rows.shards.all) {
    std::size_t at = 0;
    for (const index::RowRef& row : shard->live_rows()) {
      while (at < wanted.size() && wanted[at].slot < row.slot) ++at;
      if (at < wanted.size() && wanted[at].slot == row.slot && wanted[at].version == row.version &&
          !found[at]) {
        found[at] = true;
      } else {
        shard->remove(row.slot, version);
      }
    }
  }
  std::size_t num_missing = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!found[i]) wanted[num_missing++] = wanted[i];
  }
  wanted.resize(num_missing);

  auto& full = rows.shards.full;
  std::erase_if(full, [](const auto& shard) { return shard->num_live() == 0; });
  if (rows.shards.growing->num_live() == 0 && rows.shards.growing->num_rows() > 0)
    rows.shards.growing = std::make_shared<index::GrowingShard>(rows.dim, rows.distance);
  list_all(rows.shards);
}

Result<void> LocalIndex::load_rows(const storage::CollectionDb& db,
                                   const storage::CollectionSnapshot& at,
                                   const std::string& vector_name,
                                   std::span<const WantedRow> wanted, const LoadOptions& options) {
  Rows& rows = names_.find(vector_name)->second;
  std::vector<index::Slot> slots;
  slots.reserve(wanted.size());
  for (const WantedRow& row : wanted) slots.push_back(row.slot);
  std::uint64_t bytes = wanted.size() * rows.dim * sizeof(float);
  if (options.seal) bytes = std::min(bytes, (kMaxFullWhileLoading + 1) * options_.full_bytes);
  if (bytes > options_.small_bytes) SIGHTLINE_TRY_DO(options.reserve(bytes));

  std::optional<Status> failure;
  std::uint64_t num_lost = 0;
  std::string first_loss;
  auto expected = wanted.begin();
  SIGHTLINE_TRY_DO(db.visit_vectors(
      at, vector_name, slots, [&](index::Slot slot, const Result<storage::VectorRow>& row) {
        const index::Version version = (expected++)->version;
        std::string loss;
        if (failure) return;
        if (!row) {
          loss = row.error().message;
        } else if (row->version != version || row->values.size() != rows.dim) {
          loss = "the row of slot " + std::to_string(slot) + " has version " +
                 std::to_string(row->version) + " and " + std::to_string(row->values.size()) +
                 " dimensions; expected were " + std::to_string(version) + " and " +
                 std::to_string(rows.dim);
        } else {
          rows.shards.growing->put(slot, version, row->values);
          roll(rows);
          if (!options.seal || rows.shards.full.size() <= kMaxFullWhileLoading) return;
          if (auto sealed = seal_oldest(vector_name, options); !sealed)
            failure = std::move(sealed).error();
          return;
        }
        if (num_lost++ == 0) first_loss = std::move(loss);
      }));
  if (failure) return *failure;
  if (num_lost > 0) {
    log_warning("storage",
                "collection \"" + collection_name_ + "\": " + std::to_string(num_lost) +
                    " damaged vectors cannot be found by searches; the first: " + first_loss);
  }
  return {};
}

/// What a lost shard held may be more than memory takes.
Result<void> LocalIndex::seal_oldest(const std::string& vector_name, const LoadOptions& options) {
  BuildPlan plan;
  plan.spec.automatic = false;  // Flat
  plan.full = {0};
  const ShardBuild build = begin_build(vector_name, plan);
  auto fresh = options.seal(build);
  if (fresh) {
    finish_build(build, *std::move(fresh), index::kNever);
    list_changed_ = true;
  }
  end_build();
  if (!fresh) return std::move(fresh).error();
  return {};
}

Result<void> LocalIndex::load_payload_indexes(const storage::CollectionDb& db,
                                              const storage::CollectionSnapshot& at,
                                              const Contents& contents) {
  SIGHTLINE_TRY(auto types, db.payload_indexes(at));
  const bool only_changes = !db.is_writer() && types == payload_types_;
  if (!only_changes) {
    for (const auto& [field, type] : payload_types_) payload_.drop_field(field);
    payload_types_.clear();
    for (const auto& [field, type] : types)
      SIGHTLINE_TRY_DO(add_payload_index(db, at, field, type));
  } else if (!types.empty()) {
    std::vector<index::Slot> changed;
    Bitmap living;
    for (const auto& [slot, version] : contents.versions) {
      living.add(slot);
      if (slot >= indexed_versions_.size() || indexed_versions_[slot] != version)
        changed.push_back(slot);
    }
    for (index::Slot slot = 0; slot < indexed_versions_.size(); ++slot) {
      if (indexed_versions_[slot] != 0 && !living.contains(slot)) payload_.remove(slot);
    }
    for (std::size_t first = 0; first < changed.size(); first += kPayloadBlock) {
      const auto block = std::span<const index::Slot>(changed).subspan(
          first, std::min(kPayloadBlock, changed.size() - first));
      SIGHTLINE_TRY(const auto payloads, db.payloads(at, block));
      for (std::size_t i = 0; i < block.size(); ++i) payload_.put(block[i], payloads[i]);
    }
  }
  indexed_versions_.clear();
  if (!types.empty() && !contents.versions.empty()) {
    indexed_versions_.resize(std::size_t{contents.versions.back().first} + 1);
    for (const auto& [slot, version] : contents.versions) indexed_versions_[slot] = version;
  }
  payload_bytes_ = payload_.memory_bytes();
  return {};
}

Result<void> LocalIndex::add_payload_index(const storage::CollectionDb& db,
                                           const storage::CollectionSnapshot& at,
                                           std::string_view field, FieldType type) {
  SIGHTLINE_TRY(const FieldPath path, FieldPath::parse(field));
  SIGHTLINE_TRY_DO(payload_.add_field(
      path, type, [&](const std::function<void(const IndexedValue&, index::Slot)>& visit) {
        return db.visit_payload_index(at, field, type, visit);
      }));
  payload_types_[std::string(field)] = type;
  payload_bytes_ = payload_.memory_bytes();
  return {};
}

void LocalIndex::drop_payload_index(std::string_view field) {
  payload_.drop_field(field);
  payload_types_.erase(std::string(field));
  payload_bytes_ = payload_.memory_bytes();
}

// --- commits -------------------------------------------------------------------------------------

void LocalIndex::apply(std::span<const storage::RowEffect> effects) {
  using Kind = storage::RowEffect::Kind;
  for (const storage::RowEffect& effect : effects) {
    switch (effect.kind) {
      case Kind::kPut:
        ids_->set(effect.slot, effect.id);
        put_row(names_.find(effect.vector_name)->second, effect.slot, effect.version,
                effect.values);
        break;
      case Kind::kRemove: {
        Rows& rows = names_.find(effect.vector_name)->second;
        if (rows.slots.remove(effect.slot)) end_row(rows, effect.slot, effect.version);
        break;
      }
      case Kind::kPayload:
        ids_->set(effect.slot, effect.id);
        points_.add(effect.slot);
        payload_.put(effect.slot, effect.payload);
        break;
      case Kind::kGone:
        points_.remove(effect.slot);
        payload_.remove(effect.slot);
        break;
    }
  }
  payload_bytes_ = payload_.memory_bytes();
}

void LocalIndex::put_row(Rows& rows, index::Slot slot, index::Version version,
                         std::span<const float> values) {
  if (!rows.slots.add(slot)) end_row(rows, slot, version);
  if (rows.kind != VectorKind::kDense) return;
  rows.shards.growing->put(slot, version, values);
  roll(rows);
}

void LocalIndex::end_row(Rows& rows, index::Slot slot, index::Version version) {
  for (const auto& shard : rows.shards.all) shard->remove(slot, version);
  if (building_ && &names_.find(*building_)->second == &rows) ended_.push_back(slot);
}

void LocalIndex::roll(Rows& rows) {
  const index::GrowingShard& growing = *rows.shards.growing;
  const std::uint64_t num_rows = growing.num_rows();
  if (num_rows < options_.full_rows && num_rows * rows.dim * sizeof(float) < options_.full_bytes) {
    return;
  }
  auto next = std::make_shared<index::GrowingShard>(rows.dim, rows.distance);
  if (growing.num_live() * kMinLiveShare < num_rows) {
    // A few points that are updated all the time. Views that know the old shard keep it.
    std::vector<float> values(rows.dim);
    for (const index::RowRef& row : growing.live_rows()) {
      std::memcpy(values.data(), row.values, rows.dim * sizeof(float));
      next->put(row.slot, row.version, values);
    }
  } else {
    rows.shards.full.push_back(rows.shards.growing);
  }
  rows.shards.growing = std::move(next);
  list_all(rows.shards);
  publish_table();
}

void LocalIndex::publish_table() {
  auto table = std::make_shared<ShardTable>();
  for (const auto& [name, rows] : names_) {
    if (rows.kind == VectorKind::kDense) table->emplace(name, rows.shards);
  }
  table_ = std::move(table);
}

IndexView LocalIndex::view() const {
  IndexView view;
  view.shards = table_;
  view.payload = payload_.view();
  view.payload_types = payload_types_;
  view.ids = ids_;
  view.points = points_.view();
  for (const auto& [name, rows] : names_) view.with_vector[name] = rows.slots.view();
  return view;
}

// --- numbering slots anew ------------------------------------------------------------------------

std::vector<LocalIndex::SlotMove> LocalIndex::plan_moves() {
  renew_ids();
  const std::uint64_t num_points = points_.slots().count();
  Bitmap below;
  below.add_range(0, num_points);
  Bitmap above = points_.slots();
  above -= below;
  below -= points_.slots();
  const std::vector<index::Slot> from = above.to_vector(), to = below.to_vector();
  SIGHTLINE_CHECK(from.size() == to.size());
  std::vector<SlotMove> moves;
  moves.reserve(from.size());
  for (std::size_t i = 0; i < from.size(); ++i)
    moves.push_back({ids_->get(from[i]), from[i], to[i]});
  return moves;
}

void LocalIndex::renew_ids() {
  auto fresh = std::make_shared<SlotIds>();
  points_.slots().for_each([&](index::Slot slot) { fresh->set(slot, ids_->get(slot)); });
  ids_ = std::move(fresh);
}

// --- sealed shards -------------------------------------------------------------------------------

ShardsState LocalIndex::state(std::string_view vector_name, const VectorConfig& config,
                              std::uint64_t memory_bytes) const {
  const Rows& rows = names_.find(vector_name)->second;
  ShardsState state;
  state.dim = rows.dim;
  state.distance = rows.distance;
  if (auto spec = index::parse_shard_spec(config.index)) state.wanted = *spec;
  state.memory_bytes = memory_bytes;
  for (const auto& shard : rows.shards.sealed)
    state.sealed.push_back({shard->num_rows(), shard->num_live(), shard->spec()});
  for (const auto& shard : rows.shards.full) state.full.push_back(shard->num_live());
  state.growing = rows.shards.growing->num_live();
  return state;
}

bool LocalIndex::has_full_shards() const {
  return std::any_of(names_.begin(), names_.end(),
                     [](const auto& entry) { return !entry.second.shards.full.empty(); });
}

ShardBuild LocalIndex::begin_build(std::string_view vector_name, const BuildPlan& plan) {
  const auto found = names_.find(vector_name);
  Rows& rows = found->second;
  ShardBuild build;
  build.vector_name = found->first;
  build.dim = rows.dim;
  build.distance = rows.distance;
  build.spec = plan.spec;
  build.folder = folder_name(next_folder_++);
  build.load_number = load_number_;
  for (const std::size_t at : plan.sealed) build.inputs.push_back(rows.shards.sealed[at]);
  for (const std::size_t at : plan.full) build.inputs.push_back(rows.shards.full[at]);
  if (plan.growing && rows.shards.growing->num_rows() > 0) {
    build.inputs.push_back(rows.shards.growing);
    rows.shards.full.push_back(rows.shards.growing);
    rows.shards.growing = std::make_shared<index::GrowingShard>(rows.dim, rows.distance);
    list_all(rows.shards);
    publish_table();
  }
  for (const auto& shard : build.inputs) build.rows.push_back(shard->live_rows());
  building_ = build.vector_name;
  ended_.clear();
  return build;
}

Json LocalIndex::list_after(const ShardBuild& build, const index::SealedShard* fresh) const {
  Json vectors = Json::object();
  for (const auto& [name, rows] : names_) {
    Json entries = Json::array();
    for (const auto& shard : rows.shards.sealed) {
      if (contains(build.inputs, shard)) continue;
      entries.push_back({{"folder", shard->folder().filename().string()},
                         {"spec", index::to_string(shard->spec())}});
    }
    if (fresh != nullptr && name == build.vector_name)
      entries.push_back({{"folder", build.folder}, {"spec", index::to_string(fresh->spec())}});
    if (!entries.empty()) vectors[name] = std::move(entries);
  }
  return {{"next", next_folder_}, {"vectors", std::move(vectors)}};
}

Json LocalIndex::list() const { return list_after({}, nullptr); }

void LocalIndex::finish_build(const ShardBuild& build, std::shared_ptr<index::SealedShard> fresh,
                              index::Version version) {
  ShardSet& shards = names_.find(build.vector_name)->second.shards;
  const auto is_input = [&](const auto& shard) { return contains(build.inputs, shard); };
  std::erase_if(shards.sealed, is_input);
  std::erase_if(shards.full, is_input);
  if (fresh != nullptr) {
    for (const index::Slot slot : ended_) fresh->remove(slot, version);
    shards.sealed.push_back(std::move(fresh));
  }
  list_all(shards);
  publish_table();
}

void LocalIndex::end_build() {
  building_.reset();
  ended_ = {};
}

std::set<std::string> LocalIndex::folders() const {
  std::set<std::string> names;
  for (const auto& [name, rows] : names_) {
    for (const auto& shard : rows.shards.sealed) names.insert(shard->folder().filename().string());
  }
  return names;
}

}  // namespace sightline::pipeline
