#include "pipeline/internal/picture_work.h"

#include <algorithm>
#include <utility>

#include "codecs/decode.h"
#include "codecs/facts.h"
#include "core/checksum.h"
#include "pipeline/internal/picture_description.h"
#include "pipeline/internal/source_reader.h"

namespace sightline::pipeline {
namespace {

/// Enough for the header of nearly every picture, and for all of most small ones.
constexpr std::uint64_t kHeadBytes = std::uint64_t{256} << 10;

class PictureWork {
 public:
  PictureWork(const WorkContext& context, const WorkPtr& work)
      : context_(context), work_(work), source_(work->source) {}

  Result<WorkResult> run() {
    if (context_.until_stopped.stop_requested()) return dropped();
    if (!work_->content_hash.empty()) {  // it waited for a picture of the same bytes
      if (!context_.host.claim_content(work_->content_hash, work_)) return parked();
      claim_ = content_hash_ = work_->content_hash;
      SIGHTLINE_TRY(auto copy, copy_of_known_content());
      if (copy) return done(*std::move(copy));
    }
    if (auto skipped = read()) return done(*std::move(skipped));
    if (cancelled_) return dropped();

    digest_ = timed_hash();
    const std::string hash = "sha256:" + to_hex(digest_);
    content_hash_ = hash;
    if (!claim_.empty() && claim_ != content_hash_) {  // changed while it waited
      return done(skipped(skip::kUnreadable, label() + ": was changed while it was read"));
    }
    if (work_->record && work_->record->content_hash == content_hash_) {
      return done(same_content_outcome());
    }
    if (claim_.empty()) {
      if (!context_.host.claim_content(content_hash_, work_)) {
        work_->content_hash = content_hash_;
        return parked();
      }
      claim_ = content_hash_;
      SIGHTLINE_TRY(auto copy, copy_of_known_content());
      if (copy) return done(*std::move(copy));
    }
    return decode();
  }

 private:
  WorkResult done(Outcome outcome) {
    WorkResult result;
    outcome.claimed_content = claim_;
    result.outcome = std::move(outcome);
    return result;
  }
  WorkResult dropped() {
    WorkResult result;
    result.kind = WorkResult::Kind::kDropped;
    result.outcome.claimed_content = claim_;
    return result;
  }
  static WorkResult parked() {
    WorkResult result;
    result.kind = WorkResult::Kind::kParked;
    return result;
  }

  // --- reading ---------------------------------------------------------------------------------

  /// Fills `bytes_`, `header_` and `lease_`; a skipped outcome if the source is unusable.
  std::optional<Outcome> read() {
    auto reader = open_source(source_);
    if (!reader) return skipped(reader.error());
    source_.size = (*reader)->size();
    source_.mtime_ns = (*reader)->mtime_ns();
    if (source_.size == 0) return skipped(skip::kEmpty, label() + ": is empty");
    if (source_.size > kMaxFileBytes) {
      return skipped(skip::kTooLarge, label() + ": is " + std::to_string(source_.size) +
                                          " bytes; the limit is " + std::to_string(kMaxFileBytes) +
                                          " bytes");
    }
    if (auto read = timed_read(**reader, kHeadBytes); !read) return skipped(read.error());
    const bool whole = bytes_.size() == source_.size;
    auto header = codecs::parse_header(bytes_);
    // Some formats keep their sizes behind the pixels: only the whole file tells then.
    if (!header && (whole || header.error().code != StatusCode::kCorruption)) {
      return skipped(header.error().with_context(label()), whole);
    }
    if (header) {
      header_ = *header;
      if (auto over = over_limit()) return over;
      if (!acquire(source_.size + codecs::decode_cost_bytes(header_))) return std::nullopt;
    } else if (!acquire(source_.size)) {
      return std::nullopt;
    }
    if (auto read = timed_read(**reader, source_.size); !read) return skipped(read.error());
    if (header) return std::nullopt;

    header = codecs::parse_header(bytes_);
    if (!header) return skipped(header.error().with_context(label()), true);
    header_ = *header;
    if (auto over = over_limit()) return over;
    lease_.release();  // holding some while waiting for more could lock two workers up
    acquire(source_.size + codecs::decode_cost_bytes(header_));
    return std::nullopt;
  }

  bool acquire(std::uint64_t cost) {
    auto lease = context_.budget.acquire(cost, context_.until_stopped);
    if (!lease) {
      cancelled_ = true;
      return false;
    }
    lease_ = *std::move(lease);
    return true;
  }

  std::optional<Outcome> over_limit() {
    const auto fits = codecs::check_pixels(header_, context_.options.decode.max_pixels);
    if (fits) return std::nullopt;
    return skipped(fits.error().with_context(label()));
  }

  Result<void> timed_read(SourceReader& reader, std::uint64_t total) {
    CpuTimer timer(context_.times, Stage::kRead);
    return reader.read_to(total, bytes_);
  }

  codecs::Sha256 timed_hash() {
    CpuTimer timer(context_.times, Stage::kHash);
    return codecs::sha256(bytes_);
  }

  // --- outcomes that need no decoding ----------------------------------------------------------

  std::string label() const {
    return source_.member.empty() ? source_.path : source_.path + "#" + source_.member;
  }

  SourceRecord new_record() const {
    SourceRecord record;
    record.uri = source_.uri;
    record.size = source_.size;
    record.mtime_ns = source_.mtime_ns;
    record.content_hash = content_hash_;
    // A source without columns (a file in a folder) leaves those of an earlier manifest alone.
    const bool keeps_columns = !source_.payload && work_->record && work_->record->id;
    record.payload_hash = keeps_columns ? work_->record->payload_hash : source_.payload_hash;
    return record;
  }

  Outcome outcome(Tally tally) const {
    Outcome result;
    result.tally = tally;
    result.uri = source_.uri;
    result.path = label();
    return result;
  }

  Outcome skipped(const Status& status, bool whole_in_memory = false) {
    if (whole_in_memory && !status.message.empty())
      content_hash_ = "sha256:" + to_hex(timed_hash());
    return skipped(skip_reason(status.code), status.message);
  }

  /// A picture that became unusable loses its point, which no longer describes it. One that cannot
  /// be looked at proves nothing and keeps it.
  Outcome skipped(std::string_view reason, std::string message) {
    Outcome result = outcome(Tally::kSkipped);
    result.reason = reason;
    result.message = std::move(message);
    const bool has_point = work_->record && work_->record->id;
    const bool unseen =
        reason == skip::kUnreadable || reason == skip::kFailed || reason == skip::kMissing;
    if (reason == skip::kMissing || reason == skip::kFailed || (unseen && has_point)) return result;
    if (has_point) result.ops.push_back(DeletePoint{*work_->record->id});
    SourceRecord record = new_record();
    record.skip_reason = reason;
    record.skip_message = result.message;
    result.ops.push_back(PutSource{std::move(record)});
    return result;
  }

  /// The file was touched, its bytes are what they were.
  Outcome same_content_outcome() {
    const SourceRecord& known = *work_->record;
    SourceRecord record = new_record();
    record.id = known.id;
    record.skip_reason = known.skip_reason;
    record.skip_message = known.skip_message;
    Outcome result = outcome(Tally::kUnchanged);
    if (!known.id) {
      result.tally = Tally::kSkipped;
      result.reason = known.skip_reason;
      result.message = known.skip_message;
    } else if (record.payload_hash != known.payload_hash) {
      result = payload_outcome(*work_);
      result.ops.clear();
      result.ops.push_back(OverwritePayload{*known.id, *source_.payload});
    }
    result.ops.push_back(PutSource{std::move(record)});
    return result;
  }

  /// Takes vector, facts and thumbnail over from a point with the same bytes, if there is one.
  Result<std::optional<Outcome>> copy_of_known_content() {
    SIGHTLINE_TRY(auto known, find_known_picture(context_.store, content_hash_, ""));
    if (!known) return std::optional<Outcome>();
    SIGHTLINE_TRY(Outcome result, indexed(std::move(known->facts)));
    auto& upsert = std::get<UpsertPoint>(result.ops[static_cast<std::size_t>(result.upsert_at)]);
    upsert.vectors.push_back(std::move(known->vector));
    upsert.thumbnail = std::move(known->thumbnail);
    result.upsert_at = -1;
    return std::optional<Outcome>(std::move(result));
  }

  // --- decoding --------------------------------------------------------------------------------

  Result<WorkResult> decode() {
    auto described = describe_picture(bytes_, header_, digest_, context_.options.decode,
                                      context_.options.thumbnail_edge, context_.times,
                                      context_.spare_pictures.take());
    if (!described) return done(skipped(described.error().with_context(label())));
    bytes_ = {};
    SIGHTLINE_TRY(Outcome outcome, indexed(std::move(described->facts)));
    std::get<UpsertPoint>(outcome.ops[static_cast<std::size_t>(outcome.upsert_at)]).thumbnail =
        std::move(described->thumbnail);

    WorkResult result;
    result.kind = WorkResult::Kind::kRow;
    result.row = context_.host.reserve_row();
    CpuTimer timer(context_.times, Stage::kPreprocess);
    auto preprocessed = image::preprocess(described->pixels.view(), context_.encoder.preprocess,
                                          result.row.batch->pixels.row(result.row.index));
    context_.spare_pictures.keep(std::move(described->pixels));
    // The row is taken either way: a skipped outcome in it passes through the encoder unseen.
    if (!preprocessed) outcome = skipped(preprocessed.error().with_context(label()));
    outcome.claimed_content = claim_;
    result.outcome = std::move(outcome);
    return result;
  }

  /// The writing of a point with `facts`; its vector is to come.
  Result<Outcome> indexed(Json facts) {
    Outcome result = outcome(Tally::kIndexed);
    UpsertPoint upsert;
    upsert.id = source_.id;
    if (source_.payload) {
      upsert.payload = *source_.payload;
    }
    SIGHTLINE_TRY_DO(consider_stored_point(upsert, result.ops));
    facts["uri"] = source_.uri;
    facts["name"] = last_name(source_.member.empty() ? source_.path : source_.member);
    upsert.payload["_image"] = std::move(facts);
    SourceRecord record = new_record();
    record.id = source_.id;
    result.upsert_at = static_cast<std::ptrdiff_t>(result.ops.size());
    result.ops.push_back(std::move(upsert));
    result.ops.push_back(PutSource{std::move(record)});
    return result;
  }

  /// Keeps what the user wrote to a point whose source says nothing of a payload, and parts a given
  /// id from the source that had it before.
  Result<void> consider_stored_point(UpsertPoint& upsert, std::vector<WriteOp>& ops) {
    const bool is_update = work_->record && work_->record->id;
    const bool keeps_payload = is_update && !source_.payload;
    const bool may_displace = source_.id_given && !is_update;
    if (!keeps_payload && !may_displace) return {};
    SIGHTLINE_TRY(auto points, context_.store.get({&source_.id, 1}, {true, false}));
    if (points.empty() || !points[0]) return {};
    Json& stored = points[0]->payload;
    if (keeps_payload) {
      stored.erase("_image");
      upsert.payload = std::move(stored);
      return {};
    }
    const auto facts = stored.find("_image");
    if (facts == stored.end() || !facts->is_object()) return {};
    const auto uri = facts->find("uri");
    if (uri == facts->end() || !uri->is_string()) return {};
    if (const auto old = uri->get<std::string>(); old != source_.uri) {
      ops.push_back(DeleteSource{old});
    }
    return {};
  }

  const WorkContext& context_;
  const WorkPtr& work_;
  Source& source_;
  std::vector<std::byte> bytes_;
  codecs::ImageHeader header_;
  codecs::DecodeBudget::Lease lease_;
  codecs::Sha256 digest_{};
  std::string content_hash_;
  std::string claim_;  // the content hash that this work holds a claim on
  bool cancelled_ = false;
};

}  // namespace

Result<WorkResult> do_picture_work(const WorkContext& context, const WorkPtr& work) {
  return PictureWork(context, work).run();
}

Outcome payload_outcome(const Work& work) {
  Outcome result;
  result.tally = Tally::kIndexed;
  result.uri = work.source.uri;
  SourceRecord record = *work.record;
  record.payload_hash = work.source.payload_hash;
  result.ops.push_back(OverwritePayload{*record.id, *work.source.payload});
  result.ops.push_back(PutSource{std::move(record)});
  return result;
}

}  // namespace sightline::pipeline
