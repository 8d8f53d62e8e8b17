#include "pipeline/internal/sources.h"

#include <utility>

#include "codecs/facts.h"
#include "core/checksum.h"

namespace sightline::pipeline {

std::string_view skip_reason(StatusCode code) {
  switch (code) {
    case StatusCode::kInvalidArgument:
      return skip::kNotAPicture;
    case StatusCode::kNotFound:
      return skip::kMissing;
    case StatusCode::kCorruption:
      return skip::kCorrupt;
    case StatusCode::kResourceExhausted:
      return skip::kTooLarge;
    case StatusCode::kPermissionDenied:
    case StatusCode::kIoError:
      return skip::kUnreadable;
    case StatusCode::kUnimplemented:
      return skip::kUnsupported;
    case StatusCode::kValidation:
    case StatusCode::kOverloaded:
    case StatusCode::kAlreadyExists:
    case StatusCode::kFailedPrecondition:
    case StatusCode::kDeadlineExceeded:
    case StatusCode::kCancelled:
    case StatusCode::kInternal:
      return skip::kFailed;
  }
  return skip::kFailed;
}

std::string payload_checksum(const Json& payload) {
  if (payload.empty()) return {};
  Checksum128 checksum;
  checksum.update(dump_json(payload));
  return checksum.hex();
}

void derive_id(Source& source) {
  source.id = PointId::from_digest(codecs::sha256(std::string_view(source.uri)));
}

Source bad_source(std::string uri, std::string path, std::string_view reason, std::string message) {
  Source source;
  source.uri = std::move(uri);
  source.path = std::move(path);
  source.problem = reason;
  source.problem_message = std::move(message);
  return source;
}

}  // namespace sightline::pipeline
