// pipeline/internal/picture_work.h: what one worker does with one source: read, compare with what
// is known, decode, describe, preprocess.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "codecs/decode_budget.h"
#include "encoders/encoder.h"
#include "image/preprocess.h"
#include "pipeline/internal/ingest_ledger.h"
#include "pipeline/internal/source_scout.h"
#include "pipeline/internal/spare_pictures.h"
#include "pipeline/internal/stage_times.h"

namespace sightline::pipeline {

/// Pictures on their way through the encoder together.
struct EncodeBatch {
  explicit EncodeBatch(image::PixelBatch p) : pixels(std::move(p)), outcomes(pixels.size()) {}
  image::PixelBatch pixels;
  std::vector<Outcome> outcomes;  ///< One per row.
  std::size_t num_reserved = 0;   ///< Rows given out; those before it are written or being written.
  std::size_t num_ready = 0;
};

/// One row of a batch, owned by the worker that fills it.
struct BatchRow {
  std::shared_ptr<EncodeBatch> batch;
  std::size_t index = 0;
};

/// What a worker needs of the job it works for.
class WorkHost {
 public:
  virtual ~WorkHost() = default;
  /// True: the caller is the one to deal with pictures of these bytes until its outcome is
  /// committed. False: another is at it; `work` is tried again once that is done, and is the
  /// caller's no more.
  virtual bool claim_content(const std::string& content_hash, const WorkPtr& work) = 0;
  virtual BatchRow reserve_row() = 0;
};

/// What is shared by all workers of a job.
struct WorkContext {
  const CollectionStore& store;
  const encoders::EncoderInfo& encoder;
  const IngestOptions& options;
  codecs::DecodeBudget& budget;
  SparePictures& spare_pictures;
  StageTimes& times;
  WorkHost& host;
  Deadline until_stopped;  ///< Called off when the job stops.
};

struct WorkResult {
  enum class Kind {
    kDone,     ///< `outcome` is complete.
    kRow,      ///< The pixels are in `row`; `outcome` waits for the vector.
    kParked,   ///< Waits for a picture of the same bytes.
    kDropped,  ///< The job stopped before it was dealt with.
  };
  Kind kind = Kind::kDone;
  Outcome outcome;
  BatchRow row;
};

/// Deals with one source. errors  the store's own; everything else becomes a skipped outcome.
Result<WorkResult> do_picture_work(const WorkContext& context, const WorkPtr& work);

/// The outcome of a source of which only the columns changed.
Outcome payload_outcome(const Work& work);

}  // namespace sightline::pipeline
