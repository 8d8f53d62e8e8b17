// pipeline/internal/upload_batch.h: some uploads on their way into a collection together.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "codecs/decode_budget.h"
#include "codecs/facts.h"
#include "core/compute_pool.h"
#include "pipeline/collection_store.h"
#include "pipeline/internal/stage_times.h"
#include "pipeline/query_encoder.h"
#include "pipeline/upload.h"
#include "pipeline/upload_shelf.h"

namespace sightline::pipeline {

/// Borrows all.
struct UploadContext {
  CollectionStore& store;
  UploadShelf& shelf;
  const QueryEncoder& model;
  codecs::DecodeOptions decode;
  codecs::DecodeBudget& budget;
  ComputePool& pool;
  const UploadOptions& options;
  std::string vector_name;
  Deadline deadline;
};

/// Read and hash, compare with what is known, decode, encode, store: each step for all uploads
/// before the next one. Thread-safety: one thread; it waits for the pool.
class UploadBatch {
 public:
  /// Both outlive the batch; the items are used up.
  UploadBatch(const UploadContext& context, std::vector<UploadItem*> items);
  ~UploadBatch();

  /// One result per item, as if they came one after the other: an item whose source was there
  /// before is a copy. errors  as Uploader::upload().
  Result<std::vector<UploadResult>> run();

 private:
  struct Upload;

  Result<void> read(Upload& upload);
  Result<void> compare(Upload& upload);
  Result<void> compare_payload(Upload& upload);
  void follow(Upload& copy);
  Result<void> decode(Upload& upload);
  Result<void> decode_picture(Upload& upload);
  Result<void> encode();
  Result<void> store();
  /// Plans the writing of a point; its vector may be to come.
  Result<void> index(Upload& upload, Json facts);
  /// Runs a step of all that are not through, on the pool; what fails there fails alone.
  void on_pool(Result<void> (UploadBatch::*step)(Upload&));

  const UploadContext& context_;
  std::vector<std::unique_ptr<Upload>> uploads_;
  StageTimes times_;
};

}  // namespace sightline::pipeline
