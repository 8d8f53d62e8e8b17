#include "http/api_images.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <utility>
#include <variant>

#include "core/checksum.h"
#include "http/api_json.h"
#include "http/api_scope.h"
#include "http/errors.h"
#include "http/percent.h"
#include "pipeline/data_folder.h"
#include "pipeline/encoder_host.h"
#include "pipeline/picture_search.h"

namespace sightline::http {
namespace {

using pipeline::Uploader;
using pipeline::UploadItem;
using pipeline::UploadResult;
using pipeline::UploadSummary;

/// Pictures that are stored together and whose results come together.
constexpr std::size_t kPicturesAtOnce = 16;
constexpr std::size_t kThumbnailEdge = 256;
constexpr std::string_view kLineType = "application/x-ndjson";
constexpr std::string_view kPicturePolicy =
    "default-src 'none'; style-src 'unsafe-inline'; sandbox";

Result<PointId> parse_upload_id(std::string_view text) {
  auto id = PointId::parse(text);
  if (!id) return validation_error("id", text, "must be an unsigned number or a UUID");
  return id;
}

Result<Json> parse_payload(std::string_view text) {
  auto payload = parse_json(text, "payload");
  if (!payload) return validation_error("payload", text, payload.error().message);
  if (!payload->is_object() && !payload->is_array()) {
    return validation_error("payload", *payload, "must be an object or a list of objects");
  }
  return payload;
}

/// Objects by the names of these files.
Result<void> give_by_file_name(const Json& payload, std::vector<UploadItem>& items) {
  for (const auto& [key, value] : payload.items()) {
    bool is_known = false;
    for (UploadItem& item : items) {
      if (item.picture.name != key) continue;
      is_known = true;
      if (!value.is_null()) item.payload = value;
    }
    const std::string path = "payload[" + dump_json(key) + "]";
    if (!is_known) {
      return validation_error(path, value, "must be of a file of this request, as other keys are");
    }
    if (!value.is_object() && !value.is_null()) {
      return validation_error(path, value, "must be an object: the key is the name of a file");
    }
  }
  return {};
}

Result<void> give_payloads(const Json& payload, std::vector<UploadItem>& items) {
  if (payload.is_array()) {
    if (payload.size() != items.size()) {
      return validation_error(
          "payload", payload.size(),
          "must have one object for each of the " + std::to_string(items.size()) + " pictures");
    }
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (payload[i].is_null()) continue;
      if (!payload[i].is_object()) {
        return validation_error("payload[" + std::to_string(i) + "]", payload[i],
                                "must be an object");
      }
      items[i].payload = payload[i];
    }
    return {};
  }
  if (std::ranges::any_of(
          items, [&](const UploadItem& item) { return payload.contains(item.picture.name); })) {
    return give_by_file_name(payload, items);
  }
  for (UploadItem& item : items) item.payload = payload;
  return {};
}

/// The second of two pictures would silently take the place of the first.
Result<void> check_distinct_ids(const std::vector<UploadItem>& items) {
  std::map<PointId, std::string_view> names;
  for (const UploadItem& item : items) {
    if (!item.id) continue;
    const auto [known, is_first] = names.emplace(*item.id, item.picture.name);
    if (!is_first) {
      return validation_error("id", item.id->to_json(),
                              "must be given once: it is that of " + std::string(known->second) +
                                  " and of " + item.picture.name);
    }
  }
  return {};
}

/// One picture as the body; id, name and payload from the URL.
Result<UploadWish> uploads_from_body(const Request& request) {
  SIGHTLINE_TRY(const Json object, object_from_query(request.query, {.texts = {"id", "name"},
                                                                     .counts = {},
                                                                     .numbers = {},
                                                                     .flags = {},
                                                                     .jsons = {"payload"}}));
  UploadWish wish;
  if (request.content_type == "application/x-tar" || request.content_type == "application/tar") {
    if (!object.empty()) {
      return validation_error(object.begin().key(), *object.begin(), "does not go with a tar");
    }
    wish.tars.push_back(request.body_file);
    return wish;
  }
  SIGHTLINE_TRY(Fields fields, Fields::of(object));
  UploadItem item;
  SIGHTLINE_TRY(const auto name, fields.text("name"));
  item.picture = {name.value_or("picture"), request.body_file};
  SIGHTLINE_TRY(const auto id, fields.text("id"));
  if (id) {
    SIGHTLINE_TRY(item.id, parse_upload_id(*id));
  }
  if (const Json* payload = fields.find("payload")) {
    if (!payload->is_object()) return fields.invalid("payload", "must be an object");
    item.payload = *payload;
  }
  wish.items.push_back(std::move(item));
  return wish;
}

Json summary_json(const UploadSummary& summary) {
  return Json{{"indexed", summary.indexed},
              {"updated", summary.updated},
              {"unchanged", summary.unchanged},
              {"failed", summary.failed}};
}

/// Stores what a request brings in and tells of each picture.
class UploadRun {
 public:
  using Tell = std::function<Result<void>(const UploadResult&)>;

  UploadRun(Uploader uploader, UploadWish wish, Deadline deadline)
      : uploader_(std::move(uploader)), wish_(std::move(wish)), deadline_(std::move(deadline)) {}

  Result<UploadSummary> run(const Tell& tell) {
    std::vector<UploadItem>& items = wish_.items;
    for (std::size_t first = 0; first < items.size(); first += kPicturesAtOnce) {
      const auto begin = items.begin() + static_cast<std::ptrdiff_t>(first);
      const auto count = std::min(kPicturesAtOnce, items.size() - first);
      std::vector<UploadItem> some(
          std::make_move_iterator(begin),
          std::make_move_iterator(begin + static_cast<std::ptrdiff_t>(count)));
      SIGHTLINE_TRY(const auto results, uploader_.upload(std::move(some), deadline_));
      for (const UploadResult& result : results) {
        count_result(result);
        SIGHTLINE_TRY_DO(tell(result));
      }
    }
    for (const std::filesystem::path& tar : wish_.tars) {
      Result<void> told;
      SIGHTLINE_TRY_DO(uploader_.upload_tar(
          tar,
          [&](const UploadResult& result) {
            count_result(result);
            if (told) told = tell(result);
          },
          deadline_));
      SIGHTLINE_TRY_DO(told);
    }
    return summary_;
  }

 private:
  void count_result(const UploadResult& result) {
    if (result.status == "indexed") ++summary_.indexed;
    if (result.status == "updated") ++summary_.updated;
    if (result.status == "unchanged") ++summary_.unchanged;
    if (result.status == "failed") ++summary_.failed;
  }

  Uploader uploader_;
  UploadWish wish_;
  Deadline deadline_;
  UploadSummary summary_;
};

Result<Response> answer_whole(UploadRun run, const std::string& collection) {
  const auto start = std::chrono::steady_clock::now();
  Json results = Json::array();
  SIGHTLINE_TRY(const UploadSummary summary, run.run([&](const UploadResult& result) {
    results.push_back(pipeline::to_json(result));
    return Result<void>();
  }));
  const std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - start;
  Json json = summary_json(summary);
  json["collection"] = collection;
  json["results"] = std::move(results);
  json["timings_ms"] = {{"total", elapsed.count()}};
  Response response = json_response(json);
  response.timings_ms["upload"] = elapsed.count();
  return response;
}

/// A line per picture. What ends the work early is a last line {"error": ...}: the status is sent.
Response answer_in_lines(UploadRun run) {
  Response response;
  response.content_type = kLineType;
  const auto shared = std::make_shared<UploadRun>(std::move(run));
  response.body = [shared](BodySink& sink) -> Result<void> {
    const auto summary = shared->run([&](const UploadResult& result) {
      return sink.write(dump_json(pipeline::to_json(result)) + "\n");
    });
    if (summary) return sink.write(dump_json(summary_json(*summary)) + "\n");
    const Response failure = error_response(summary.error(), ErrorStyle::kOpenAi, 0);
    return sink.write(std::get<std::string>(failure.body) + "\n");
  };
  return response;
}

Result<Response> post_images(const Services& services, const Request& request) {
  const std::string& name = request.param("collection");
  SIGHTLINE_TRY_DO(check_right(request.principal, Right::kWrite, name));
  const bool is_form = request.content_type == "multipart/form-data";
  SIGHTLINE_TRY(UploadWish wish,
                is_form ? said_of(RequestPlace::kForm, uploads_from_form(request.parts))
                        : said_of(RequestPlace::kQueryParameters, uploads_from_body(request)));
  pipeline::UploadOptions options;
  options.thumbnail_edge = static_cast<std::size_t>(services.settings.image.thumbnail_edge);
  SIGHTLINE_TRY(Uploader uploader,
                Uploader::open(services.folder, name, services.encoders, services.pool, options));
  UploadRun run(std::move(uploader), std::move(wish), request.deadline);
  const auto accept = request.headers.find("accept");
  if (accept && accept->find(kLineType) != accept->npos) return answer_in_lines(std::move(run));
  return answer_whole(std::move(run), name);
}

/// A point of a collection, as the routes below name it.
struct PictureTarget {
  std::shared_ptr<pipeline::CollectionStore> store;
  PointId id;
};

Result<PictureTarget> target_of(const Services& services, const Request& request) {
  PictureTarget target;
  SIGHTLINE_TRY(target.store,
                open_for(services, request.principal, Right::kRead, request.param("collection")));
  SIGHTLINE_TRY(target.id, PointId::parse(request.param("id")));
  return target;
}

/// Whether `?v=` names the content that the point has now: such a URL never changes its meaning.
/// Others are of other content, or made up.
Result<bool> names_content(const Request& request, const PictureTarget& target) {
  const auto version = request.query.find("v");
  if (!version || version->empty()) return false;
  SIGHTLINE_TRY(auto points, target.store->get({&target.id, 1}, {true, false}));
  if (points.empty() || !points[0]) return false;  // deleted meanwhile
  return pipeline::to_picture_hit(*std::move(points[0]), {}).version == *version;
}

void protect(bool is_kept, Response& response) {
  response.headers.add("Cache-Control",
                       is_kept ? "private, max-age=31536000, immutable" : "private, no-cache");
  response.headers.add("X-Content-Type-Options", "nosniff");
  response.headers.add("Content-Security-Policy", std::string(kPicturePolicy));
}

Result<Response> send_picture(const Services& services, const Request& request,
                              const PictureTarget& target,
                              const pipeline::PointPictureOptions& options) {
  SIGHTLINE_TRY(const bool is_kept, names_content(request, target));
  SIGHTLINE_TRY(pipeline::PointPicture picture,
                pipeline::point_picture(*target.store, target.id, options, services.encoders,
                                        services.pool, request.deadline));
  Response response;
  response.content_type = std::move(picture.content_type);
  response.etag = "\"" + picture.etag + "\"";
  if (!picture.name.empty()) {
    response.headers.add("Content-Disposition",
                         "inline; filename*=UTF-8''" + percent_encode(picture.name));
  }
  if (auto* file = std::get_if<std::filesystem::path>(&picture.body)) {
    response.body = FileBody{std::move(*file)};
  } else {
    response.body = std::get<std::string>(std::move(picture.body));
  }
  protect(is_kept, response);
  return response;
}

Result<Response> get_image(const Services& services, const Request& request) {
  SIGHTLINE_TRY(const PictureTarget target, target_of(services, request));
  SIGHTLINE_TRY(
      const Json object,
      object_from_query(
          request.query,
          {.texts = {"v"}, .counts = {}, .numbers = {}, .flags = {"original"}, .jsons = {}}));
  pipeline::PointPictureOptions options;
  options.original = object.value("original", false);
  return send_picture(services, request, target, options);
}

Result<Response> get_thumbnail(const Services& services, const Request& request) {
  SIGHTLINE_TRY(const PictureTarget target, target_of(services, request));
  SIGHTLINE_TRY(const bool is_kept, names_content(request, target));
  auto thumbnail = target.store->thumbnail(target.id);
  if (!thumbnail) {
    if (thumbnail.error().code != StatusCode::kNotFound) return std::move(thumbnail).error();
    // Indexed without thumbnails: the picture itself.
    pipeline::PointPictureOptions options;
    options.preview_edge = kThumbnailEdge;
    return send_picture(services, request, target, options);
  }
  Response response;
  response.content_type = "image/jpeg";
  response.etag = "\"" + std::to_string(checksum64(*thumbnail)) + "\"";
  response.body = *std::move(thumbnail);
  protect(is_kept, response);
  return response;
}

}  // namespace

Result<UploadWish> uploads_from_form(std::span<const FormPart> parts) {
  UploadWish wish;
  std::vector<std::string> ids;
  std::optional<Json> payload;
  for (const FormPart& part : parts) {
    if (!part.file.empty()) {
      const bool is_tar =
          part.file_name.ends_with(".tar") || part.content_type == "application/x-tar";
      if (is_tar) {
        wish.tars.push_back(part.file);
      } else {
        wish.items.push_back(
            {{part.file_name.empty() ? part.name : part.file_name, part.file}, {}, {}});
      }
    } else if (part.name == "id") {
      ids.push_back(part.value);
    } else if (part.name == "payload") {
      if (payload) return validation_error("payload", part.value, "must stand once");
      SIGHTLINE_TRY(payload, parse_payload(part.value));
    } else {
      return validation_error(part.name, part.value, "is not one of id, payload and files");
    }
  }
  if (wish.items.empty() && wish.tars.empty()) {
    return validation_error("files", 0, "must be at least one part with a file name");
  }
  if (!wish.tars.empty() && (payload || !ids.empty())) {
    return validation_error(payload ? "payload" : "id", payload ? *payload : Json(ids),
                            "does not go with a tar");
  }
  if (!ids.empty() && ids.size() != wish.items.size()) {
    return validation_error("id", ids.size(), "must be given for each picture, or for none");
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    SIGHTLINE_TRY(wish.items[i].id, parse_upload_id(ids[i]));
  }
  SIGHTLINE_TRY_DO(check_distinct_ids(wish.items));
  if (payload) SIGHTLINE_TRY_DO(give_payloads(*payload, wish.items));
  return wish;
}

void add_image_routes(RouteTable& table, const Services& services) {
  Route post;
  post.method = Method::kPost;
  post.pattern = "/v1/collections/{collection}/images";
  post.right = Right::kWrite;
  post.body = {.form = true, .file = true, .required = true};
  post.lane = Lane::kLong;
  post.summary = "Brings pictures into a collection.";
  post.handle = [&services](Request& request) { return post_images(services, request); };
  table.add(std::move(post));

  Route image;
  image.pattern = "/v1/images/{collection}/{id}";
  image.summary = "The picture of a point.";
  image.handle = [&services](Request& request) {
    return said_of(RequestPlace::kQueryParameters, get_image(services, request));
  };
  table.add(std::move(image));

  Route thumbnail;
  thumbnail.pattern = "/v1/images/{collection}/{id}/thumbnail";
  thumbnail.summary = "A small JPEG of a point's picture.";
  thumbnail.handle = [&services](Request& request) { return get_thumbnail(services, request); };
  table.add(std::move(thumbnail));
}

}  // namespace sightline::http
