#include "pipeline/encoder_host.h"

#include <algorithm>
#include <exception>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/log.h"
#include "core/mutex.h"
#include "pipeline/image_source.h"
#include "pipeline/internal/collection_config.h"
#include "pipeline/internal/hosted_encoder.h"

namespace sightline::pipeline {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEmbedded = "embedded";
// "ORGANISATION/MODEL", as on the hub.
constexpr int kRootDepth = 2;

bool is_model_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path / "config.json", error);
}

std::optional<fs::path> real_path(const fs::path& path) {
  std::error_code error;
  fs::path resolved = fs::canonical(path, error);
  if (error) return std::nullopt;
  return resolved;
}

/// "clip-vit-base-patch32 (3f9a02c1)"
std::string describe(std::string_view name, std::string_view checksum) {
  return std::string(name) + " (" + std::string(checksum.substr(0, 8)) + ")";
}

/// Model folders below `folder`, by their names relative to `root`.
void find_folders(const fs::path& root, const fs::path& folder, int depth,
                  std::map<std::string, fs::path>& found) {
  std::error_code error;
  for (fs::directory_iterator at(folder, error); !error && at != fs::end(at); at.increment(error)) {
    std::error_code unusable;
    if (!at->is_directory(unusable)) continue;
    if (is_model_folder(at->path())) {
      found.emplace(at->path().lexically_relative(root).string(), at->path());
    } else if (depth > 1) {
      find_folders(root, at->path(), depth - 1, found);
    }
  }
}

}  // namespace

struct EncoderHost::Impl {
  using Loaded = std::shared_ptr<const HostedEncoder>;
  /// A model that is being loaded or was.
  struct Slot {
    bool done = false;
    std::optional<Result<Loaded>> result;
  };

  Impl(EncoderHostOptions options, ComputePool& pool) : parts(std::move(options), pool) {}

  Result<fs::path> default_folder() const {
    return encoders::resolve_model_folder(parts.options.default_model);
  }
  std::map<std::string, fs::path> folders_in_roots() const {
    std::map<std::string, fs::path> found;
    for (const fs::path& root : parts.options.roots) find_folders(root, root, kRootDepth, found);
    return found;
  }
  bool is_default(std::string_view name) const;
  Result<fs::path> folder_of(std::string_view name) const;
  Result<Loaded> load(const fs::path& folder);
  Result<Loaded> load_now(const fs::path& folder);
  std::optional<Loaded> find_loaded(std::string_view checksum) const;
  std::vector<Loaded> loaded() const;

  mutable HostParts parts;
  mutable Mutex mutex;
  CondVar loaded_one;
  std::map<fs::path, std::shared_ptr<Slot>> slots GUARDED_BY(mutex);  // by resolved folder
};

bool EncoderHost::Impl::is_default(std::string_view name) const {
  const std::string& configured = parts.options.default_model;
  return name.empty() || name == configured ||
         name == fs::path(configured).lexically_normal().filename().string();
}

Result<fs::path> EncoderHost::Impl::folder_of(std::string_view name) const {
  if (is_default(name)) return default_folder();
  if (name == kEmbedded) return encoders::resolve_model_folder(std::string(name));
  const fs::path path(name);
  for (const fs::path& root : parts.options.roots) {
    const auto resolved = resolve_under(path.is_absolute() ? path : root / path, {&root, 1});
    if (resolved && is_model_folder(*resolved)) return *resolved;
  }
  // The default's folder under another spelling.
  if (const auto folder = default_folder(); folder && path.is_absolute()) {
    if (const auto wanted = real_path(path); wanted && wanted == real_path(*folder)) return *folder;
  }
  std::string known = std::string(kEmbedded);
  if (parts.options.default_model != kEmbedded) known += ", " + parts.options.default_model;
  for (const auto& [folder, ignored] : folders_in_roots()) known += ", " + folder;
  return not_found("there is no model \"" + std::string(name) + "\"; there are: " + known);
}

Result<EncoderHost::Impl::Loaded> EncoderHost::Impl::load_now(const fs::path& folder) {
  encoders::EncoderOptions options;
  options.model = folder.string();
  // By its name it gets that name, whatever its folder's is.
  if (const auto embedded = encoders::resolve_model_folder(std::string(kEmbedded));
      embedded && real_path(*embedded) == real_path(folder)) {
    options.model = kEmbedded;
  }
  options.precision = parts.options.precision;
  options.device = parts.options.device;
  try {
    // On a worker, whose counts of threads are set.
    auto encoder =
        parts.pool.submit(Priority::kDecode, [&] { return encoders::load_encoder(options); }).get();
    if (!encoder) return std::move(encoder).error();
    log_info("models", "loaded " + folder.string(),
             {{"name", (*encoder)->info().name}, {"checksum", (*encoder)->info().checksum}});
    return Loaded(std::make_shared<const HostedEncoder>(*std::move(encoder), parts));
  } catch (const std::exception& e) {
    return internal_error("loading model " + folder.string() + ": " + e.what());
  }
}

Result<EncoderHost::Impl::Loaded> EncoderHost::Impl::load(const fs::path& folder) {
  const fs::path key = real_path(folder).value_or(folder);
  std::shared_ptr<Slot> slot;
  {
    const MutexLock lock(mutex);
    auto& known = slots[key];
    if (known) {
      slot = known;
      while (!slot->done) loaded_one.wait(mutex);
      return *slot->result;
    }
    slot = known = std::make_shared<Slot>();
  }
  auto result = load_now(folder);
  const MutexLock lock(mutex);
  slot->result = result;
  slot->done = true;
  if (!result) slots.erase(key);  // the next caller tries again
  loaded_one.notify_all();
  return result;
}

std::vector<EncoderHost::Impl::Loaded> EncoderHost::Impl::loaded() const {
  std::vector<Loaded> models;
  const MutexLock lock(mutex);
  for (const auto& [folder, slot] : slots)
    if (slot->done && *slot->result) models.push_back(**slot->result);
  return models;
}

std::optional<EncoderHost::Impl::Loaded> EncoderHost::Impl::find_loaded(
    std::string_view checksum) const {
  for (Loaded& model : loaded())
    if (model->info().checksum == checksum) return std::move(model);
  return std::nullopt;
}

EncoderHost::EncoderHost(EncoderHostOptions options, ComputePool& pool)
    : impl_(std::make_unique<Impl>(std::move(options), pool)) {}

EncoderHost::~EncoderHost() = default;

Result<HostedModel> EncoderHost::find(std::string_view name) {
  SIGHTLINE_TRY(const fs::path folder, impl_->folder_of(name));
  SIGHTLINE_TRY(auto model, impl_->load(folder));
  return HostedModel(std::move(model));
}

Result<fs::path> EncoderHost::locate(std::string_view name) const {
  auto folder = impl_->folder_of(name);
  if (folder || name.find('/') == name.npos) return folder;
  // A path rather than a name: where it leads is said before that nothing is there.
  const std::vector<fs::path>& roots = impl_->parts.options.roots;
  const fs::path path(name);
  std::vector<fs::path> places;
  if (path.is_absolute()) places.push_back(path);
  if (path.is_relative()) {
    for (const fs::path& root : roots) places.push_back(root / path);
  }
  std::optional<Status> outside;
  for (const fs::path& place : places) {
    auto resolved = resolve_under(place, roots);
    if (resolved || resolved.error().code != StatusCode::kPermissionDenied) return folder;
    outside = std::move(resolved).error();
  }
  if (outside) return *std::move(outside);
  return folder;
}

Result<HostedModel> EncoderHost::find(const ModelIdentity& identity) {
  if (identity.checksum.empty())
    return failed_precondition("the vectors came from outside, not from a model");
  if (auto known = impl_->find_loaded(identity.checksum)) return HostedModel(*std::move(known));

  std::vector<fs::path> places;
  if (identity.name == kEmbedded) {
    if (auto folder = encoders::resolve_model_folder(std::string(kEmbedded)))
      places.push_back(*std::move(folder));
  }
  if (!identity.path_hint.empty() && is_model_folder(identity.path_hint))
    places.emplace_back(identity.path_hint);
  if (auto folder = impl_->default_folder()) places.push_back(*std::move(folder));
  for (const auto& [name, folder] : impl_->folders_in_roots()) {
    if (name == identity.name || folder.filename() == identity.name) places.push_back(folder);
  }

  std::string others;
  std::set<std::optional<fs::path>> tried;
  for (const fs::path& place : places) {
    if (!tried.insert(real_path(place)).second) continue;
    auto model = impl_->load(place);
    if (model && (*model)->info().checksum == identity.checksum)
      return HostedModel(*std::move(model));
    others += (others.empty() ? "" : ", ") +
              (model ? describe((*model)->info().name, (*model)->info().checksum) + " at " +
                           place.string()
                     : model.error().message);
  }
  return failed_precondition("the vectors were made by model " +
                             describe(identity.name, identity.checksum) +
                             ", which is not here; found: " + (others.empty() ? "none" : others));
}

Result<HostedModel> EncoderHost::find(const CollectionInfo& collection,
                                      std::string_view vector_name) {
  const auto vector = collection.config.vectors.find(std::string(vector_name));
  if (vector == collection.config.vectors.end()) {
    return invalid_argument("collection \"" + collection.name + "\" has no " +
                            shown_vector_name(vector_name));
  }
  auto model = find(vector->second.model);
  if (!model) return model.error().with_context("collection \"" + collection.name + "\"");
  return model;
}

std::vector<ModelListing> EncoderHost::list() const {
  std::map<fs::path, Impl::Loaded> loaded;
  {
    const MutexLock lock(impl_->mutex);
    for (const auto& [folder, slot] : impl_->slots)
      if (slot->done && *slot->result) loaded.emplace(folder, **slot->result);
  }
  std::vector<ModelListing> listings;
  std::set<fs::path> seen;
  const auto add = [&](std::string name, const fs::path& folder, bool is_default) {
    const fs::path key = real_path(folder).value_or(folder);
    if (!seen.insert(key).second) return;
    ModelListing listing;
    listing.name = std::move(name);
    listing.path = folder;
    listing.is_default = is_default;
    if (const auto at = loaded.find(key); at != loaded.end()) {
      const encoders::EncoderInfo& info = at->second->info();
      listing.loaded = true;
      listing.checksum = info.checksum;
      listing.architecture = info.architecture;
      listing.precision = encoders::precision_name(info.precision);
      listing.device = info.device == encoders::Device::kCuda ? "cuda" : "cpu";
      listing.dim = info.dim;
      listing.image_size = info.image_size;
      listing.max_tokens = info.max_tokens;
      listing.num_parameters = info.num_parameters;
    }
    listings.push_back(std::move(listing));
  };
  if (const auto folder = impl_->default_folder())
    add(impl_->parts.options.default_model, *folder, true);
  if (const auto folder = encoders::resolve_model_folder(std::string(kEmbedded)))
    add(std::string(kEmbedded), *folder, false);
  for (const auto& [name, folder] : impl_->folders_in_roots()) add(name, folder, false);
  // Those that collections recorded elsewhere.
  for (const auto& [folder, model] : loaded) add(model->info().name, folder, false);
  return listings;
}

EncoderHostStatistics EncoderHost::statistics() const {
  EncoderHostStatistics statistics;
  for (const Impl::Loaded& model : impl_->loaded()) model->add_to(statistics);
  statistics.cache_entries = impl_->parts.cache.size();
  return statistics;
}

const EncoderHostOptions& EncoderHost::options() const { return impl_->parts.options; }
codecs::DecodeBudget& EncoderHost::decode_budget() const { return impl_->parts.budget; }

}  // namespace sightline::pipeline
