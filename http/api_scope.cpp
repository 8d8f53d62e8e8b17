#include "http/api_scope.h"

#include "http/internal/text.h"
#include "pipeline/data_folder.h"

namespace sightline::http {

Result<void> check_right(const Principal& principal, Right right, std::string_view collection) {
  if (principal.may(right, collection)) return {};
  return Status{StatusCode::kPermissionDenied,
                "the key may not do this in collection \"" + std::string(collection) + "\""};
}

Result<std::shared_ptr<pipeline::CollectionStore>> open_for(const Services& services,
                                                            const Principal& principal, Right right,
                                                            std::string_view name) {
  SIGHTLINE_TRY_DO(check_right(principal, right, name));
  auto store = services.folder.open_collection(name);
  // Where the folder is and what else it holds are not for everyone.
  if (!store && store.error().code == StatusCode::kNotFound) {
    return not_found("there is no collection \"" + std::string(name) + "\"");
  }
  return store;
}

Result<pipeline::Picture> load_image(const Services& services, const Principal& principal,
                                     std::string_view source, const Deadline& deadline) {
  pipeline::ImageSourceOptions options = services.images.options();
  if (!principal.may(Right::kAdmin)) options.roots.clear();
  auto picture = pipeline::ImageSource(std::move(options)).load(source, deadline);
  const bool is_remote = internal::lower(source.substr(0, 4)) == "http";
  if (!picture && picture.error().code == StatusCode::kIoError && is_remote) {
    return invalid_argument(std::move(picture).error().message);
  }
  return picture;
}

Result<std::vector<std::string>> visible_collections(const Services& services,
                                                     const Principal& principal) {
  SIGHTLINE_TRY(std::vector<std::string> names, services.folder.list_collections());
  std::erase_if(names, [&](const std::string& name) { return !principal.may(Right::kRead, name); });
  return names;
}

std::string collection_or_default(const Services& services, std::string_view name) {
  return name.empty() ? services.settings.collection : std::string(name);
}

}  // namespace sightline::http
