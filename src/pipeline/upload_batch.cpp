#include "pipeline/internal/upload_batch.h"

#include <algorithm>
#include <exception>
#include <future>
#include <map>
#include <utility>

#include "core/checksum.h"
#include "image/preprocess.h"
#include "pipeline/internal/picture_description.h"
#include "pipeline/internal/picture_loading.h"
#include "pipeline/internal/tar_reader.h"

namespace sightline::pipeline {
namespace {

Result<void> check_payload(const Json& payload) {
  if (!payload.is_object()) {
    return Status{
        StatusCode::kValidation,
        "the payload is a JSON " + std::string(payload.type_name()) + "; it must be an object"};
  }
  for (const auto& [key, ignored] : payload.items()) {
    if (is_reserved_column(key)) {
      return Status{StatusCode::kValidation,
                    "the payload has the key \"" + key + "\", which is reserved"};
    }
  }
  return {};
}

std::size_t size_fact(const Json& facts, const char* key) {
  const auto value = facts.find(key);
  return value != facts.end() && value->is_number_unsigned() ? value->get<std::size_t>() : 0;
}

}  // namespace

struct UploadBatch::Upload {
  enum class Stage {
    kReading,
    kComparing,
    kDecoding,
    kEncoding,  ///< Its row is in `pixels`.
    kStoring,   ///< `ops` are complete.
    kThrough,   ///< Failed, or nothing to do.
    kCopy,      ///< Of `original`.
  };

  explicit Upload(UploadItem& i) : item(i) { result.name = i.picture.name; }
  void fail(Status status) {
    result.status = "failed";
    result.error = std::move(status);
    ops.clear();
    stage = Stage::kThrough;
  }
  UpsertPoint& upsert() { return std::get<UpsertPoint>(ops.front()); }

  /// The user's payload of the point as it will be stored; null: as it is.
  Json* payload_to_store() {
    if (ops.empty()) return nullptr;
    if (auto* write = std::get_if<OverwritePayload>(&ops.front())) return &write->payload;
    return &upsert().payload;
  }

  UploadItem& item;
  Stage stage = Stage::kReading;
  UploadResult result;
  std::vector<std::byte> storage;
  std::span<const std::byte> bytes;
  codecs::Sha256 digest{};
  std::string hex, uri;
  PointId id;
  std::vector<float> pixels;
  std::vector<WriteOp> ops;  ///< Of a picture to be indexed: its UpsertPoint first.
  bool needs_file = false;
  Upload* original = nullptr;       ///< An earlier item with the same source.
  std::optional<Json> stored;       ///< The user's payload that the point has.
  std::optional<Status> undecoded;  ///< Why it is no picture, without its name.
};

UploadBatch::UploadBatch(const UploadContext& context, std::vector<UploadItem*> items)
    : context_(context) {
  for (UploadItem* item : items) uploads_.push_back(std::make_unique<Upload>(*item));
}
UploadBatch::~UploadBatch() = default;

Result<std::vector<UploadResult>> UploadBatch::run() {
  on_pool(&UploadBatch::read);
  std::map<std::string_view, Upload*> originals;
  for (const auto& upload : uploads_) {
    if (upload->stage != Upload::Stage::kComparing) continue;
    const auto [known, is_first] = originals.emplace(upload->uri, upload.get());
    if (is_first) {
      SIGHTLINE_TRY_DO(compare(*upload));
    } else {
      upload->original = known->second;
      upload->stage = Upload::Stage::kCopy;
    }
  }
  SIGHTLINE_TRY_DO(context_.deadline.check("uploading"));
  on_pool(&UploadBatch::decode);
  SIGHTLINE_TRY_DO(context_.deadline.check("uploading"));
  SIGHTLINE_TRY_DO(encode());
  for (const auto& upload : uploads_) {
    if (upload->stage == Upload::Stage::kCopy) follow(*upload);
  }
  SIGHTLINE_TRY_DO(store());
  std::vector<UploadResult> results;
  for (const auto& upload : uploads_) results.push_back(std::move(upload->result));
  return results;
}

void UploadBatch::on_pool(Result<void> (UploadBatch::*step)(Upload&)) {
  const auto stage =
      step == &UploadBatch::read ? Upload::Stage::kReading : Upload::Stage::kDecoding;
  std::vector<std::pair<Upload*, std::future<Result<void>>>> running;
  for (const auto& upload : uploads_) {
    if (upload->stage != stage) continue;
    running.emplace_back(upload.get(),
                         context_.pool.submit(Priority::kDecode, [this, step, &upload] {
                           return (this->*step)(*upload);
                         }));
  }
  for (auto& [upload, future] : running) {
    try {
      if (auto done = future.get(); !done) upload->fail(std::move(done).error());
    } catch (const std::exception& e) {
      upload->fail(internal_error(upload->result.name + ": " + e.what()));
    }
  }
}

// --- steps ---------------------------------------------------------------------------------------

Result<void> UploadBatch::read(Upload& upload) {
  UploadItem& item = upload.item;
  if (item.payload) {
    auto sound = check_payload(*item.payload);
    if (!sound) return sound.error().with_context(shown_name(item.picture));
  }
  SIGHTLINE_TRY(upload.bytes, bytes_of(item.picture, upload.storage, context_.options.max_bytes));
  if (upload.bytes.size() > context_.options.max_bytes) {
    return Status{StatusCode::kResourceExhausted,
                  shown_name(item.picture) + ": is " + std::to_string(upload.bytes.size()) +
                      " bytes; the limit is " + std::to_string(context_.options.max_bytes)};
  }
  upload.digest = codecs::sha256(upload.bytes);
  upload.hex = to_hex(upload.digest);
  upload.uri = upload_uri(upload.hex, item.id);
  upload.id =
      item.id ? *item.id : PointId::from_digest(codecs::sha256(std::string_view(upload.uri)));
  upload.stage = Upload::Stage::kComparing;
  return {};
}

Result<void> UploadBatch::compare(Upload& upload) {
  SIGHTLINE_TRY(const auto record, context_.store.find_source(upload.uri));
  if (record && record->id == upload.id) return compare_payload(upload);
  SIGHTLINE_TRY(auto known,
                find_known_picture(context_.store, "sha256:" + upload.hex, context_.vector_name));
  if (!known) {
    upload.stage = Upload::Stage::kDecoding;
    return {};
  }
  SIGHTLINE_TRY_DO(index(upload, std::move(known->facts)));
  upload.upsert().thumbnail = std::move(known->thumbnail);
  upload.upsert().vectors.push_back(std::move(known->vector));
  upload.stage = Upload::Stage::kStoring;
  return {};
}

/// These very bytes are there already, under this id.
Result<void> UploadBatch::compare_payload(Upload& upload) {
  SIGHTLINE_TRY(auto points, context_.store.get({&upload.id, 1}, {true, false}));
  if (points.empty() || !points[0]) {  // deleted this moment
    upload.stage = Upload::Stage::kDecoding;
    return {};
  }
  Json& stored = points[0]->payload;
  if (const auto facts = stored.find("_image"); facts != stored.end() && facts->is_object()) {
    upload.result.width = size_fact(*facts, "width");
    upload.result.height = size_fact(*facts, "height");
  }
  stored.erase("_image");
  upload.result.id = upload.id;
  upload.result.status = "unchanged";
  upload.needs_file = true;  // should it have been lost
  upload.stored = std::move(stored);
  upload.stage = Upload::Stage::kStoring;
  if (!upload.item.payload || *upload.item.payload == *upload.stored) return {};
  upload.result.status = "updated";
  upload.ops.push_back(OverwritePayload{upload.id, *std::move(upload.item.payload)});
  return {};
}

/// One that comes after its original does what it would do in an upload of its own: it may change
/// the payload that is about to be stored.
void UploadBatch::follow(Upload& copy) {
  Upload& original = *copy.original;
  copy.bytes = {};
  copy.storage = {};
  if (original.undecoded) {
    copy.fail(original.undecoded->with_context(shown_name(copy.item.picture)));
    return;
  }
  copy.stage = Upload::Stage::kThrough;
  if (original.result.error) {
    copy.fail(*original.result.error);
    return;
  }
  copy.result.id = original.result.id;
  copy.result.width = original.result.width;
  copy.result.height = original.result.height;
  copy.result.status = "unchanged";
  if (!copy.item.payload) return;
  Json* next = original.payload_to_store();
  Json facts;
  if (next != nullptr && next->contains("_image")) {
    facts = std::move((*next)["_image"]);
    next->erase("_image");
  }
  if (*copy.item.payload != (next != nullptr ? *next : *original.stored)) {
    copy.result.status = "updated";
    if (next == nullptr) {
      original.ops.push_back(OverwritePayload{original.id, {}});
      next = original.payload_to_store();
    }
    *next = *std::move(copy.item.payload);
  }
  if (!facts.is_null()) (*next)["_image"] = std::move(facts);
}

Result<void> UploadBatch::decode(Upload& upload) {
  SIGHTLINE_TRY_DO(context_.deadline.check("decoding pictures"));
  auto decoded = decode_picture(upload);
  if (decoded) return decoded;
  upload.undecoded = decoded.error();
  return decoded.error().with_context(shown_name(upload.item.picture));
}

Result<void> UploadBatch::decode_picture(Upload& upload) {
  SIGHTLINE_TRY(const codecs::ImageHeader header, codecs::parse_header(upload.bytes));
  codecs::DecodeBudget::Lease lease;
  // What is over the limit of pixels is refused by decode() before it takes memory.
  if (std::uint64_t{header.width} * header.height <= context_.decode.max_pixels) {
    SIGHTLINE_TRY(lease,
                  context_.budget.acquire(codecs::decode_cost_bytes(header) + upload.bytes.size(),
                                          context_.deadline));
  }
  SIGHTLINE_TRY(PictureDescription described,
                describe_picture(upload.bytes, header, upload.digest, context_.decode,
                                 context_.options.thumbnail_edge, times_));
  const image::PreprocessSpec& spec = context_.model.info().preprocess;
  upload.pixels.resize(3 * spec.output_height() * spec.output_width());
  SIGHTLINE_TRY_DO(image::preprocess(described.pixels.view(), spec, upload.pixels));
  SIGHTLINE_TRY_DO(index(upload, std::move(described.facts)));
  upload.upsert().thumbnail = std::move(described.thumbnail);
  upload.stage = Upload::Stage::kEncoding;
  return {};
}

Result<void> UploadBatch::index(Upload& upload, Json facts) {
  UploadItem& item = upload.item;
  upload.result.status = "indexed";
  upload.result.id = upload.id;
  upload.result.width = size_fact(facts, "width");
  upload.result.height = size_fact(facts, "height");
  UpsertPoint upsert;
  upsert.id = upload.id;
  if (item.payload) {
    upsert.payload = *std::move(item.payload);
  } else if (item.id) {  // another picture for a point says nothing of what the user wrote to it
    SIGHTLINE_TRY(auto points, context_.store.get({&upload.id, 1}, {true, false}));
    if (!points.empty() && points[0]) upsert.payload = std::move(points[0]->payload);
  }
  facts["uri"] = upload.uri;
  facts["name"] = last_name(item.picture.name);
  upsert.payload["_image"] = std::move(facts);
  SourceRecord record;
  record.uri = upload.uri;
  record.size = upload.bytes.size();
  record.content_hash = "sha256:" + upload.hex;
  record.id = upload.id;
  upload.ops.push_back(std::move(upsert));
  upload.ops.push_back(PutSource{std::move(record)});
  upload.needs_file = true;
  return {};
}

Result<void> UploadBatch::encode() {
  std::vector<Upload*> waiting;
  for (const auto& upload : uploads_)
    if (upload->stage == Upload::Stage::kEncoding) waiting.push_back(upload.get());
  if (waiting.empty()) return {};
  const image::PreprocessSpec& spec = context_.model.info().preprocess;
  image::PixelBatch pixels(waiting.size(), spec.output_height(), spec.output_width());
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    std::ranges::copy(waiting[i]->pixels, pixels.row(i).begin());
    waiting[i]->pixels = {};
  }
  SIGHTLINE_TRY(const auto rows, context_.model.encode_pixels(pixels, context_.deadline));
  for (std::size_t i = 0; i < waiting.size(); ++i) {
    const auto row = rows.row(i);
    waiting[i]->upsert().vectors.push_back(
        NamedVector{context_.vector_name, {row.begin(), row.end()}});
    waiting[i]->stage = Upload::Stage::kStoring;
  }
  return {};
}

Result<void> UploadBatch::store() {
  const CollectionStore& store = context_.store;
  UploadShelf::Deposit deposit(context_.shelf, [&](const std::string& hex) -> Result<bool> {
    bool named = false;
    SIGHTLINE_TRY_DO(store.visit_sources(upload_uri(hex, std::nullopt), [&](const SourceRecord&) {
      named = true;
      return false;
    }));
    return named;
  });
  std::vector<WriteOp> ops;
  for (const auto& upload : uploads_) {
    if (upload->stage != Upload::Stage::kStoring) continue;
    if (upload->needs_file) SIGHTLINE_TRY_DO(deposit.add(upload->hex, upload->bytes));
    std::ranges::move(upload->ops, std::back_inserter(ops));
    upload->stage = Upload::Stage::kThrough;
  }
  SIGHTLINE_TRY_DO(deposit.sync());
  if (!ops.empty()) SIGHTLINE_TRY_DO(context_.store.write(std::move(ops)));
  return {};
}

}  // namespace sightline::pipeline
