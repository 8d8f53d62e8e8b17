// http/internal/body_receiver.h: where the bytes of a body go, by its kind.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"
#include "http/exchange.h"
#include "http/internal/body_budget.h"

namespace sightline::http::internal {

enum class BodyKind {
  kNone,  ///< What comes is read and forgotten.
  kJson,  ///< Into Request::body.
  kForm,  ///< Into Request::parts; files go to the spool folder.
  kFile,  ///< Into Request::body_file.
};

struct BodyPlan {
  BodyKind kind = BodyKind::kNone;
  std::uint64_t max_bytes = 0;
  std::uint64_t expected_bytes = 0;  ///< 0: not known.
  std::string content_type;          ///< With its parameters.
  std::filesystem::path spool_folder;
};

/// Takes a body and puts it into a request; files are removed with the receiver.
/// Thread-safety: one thread at a time.
class BodyReceiver {
 public:
  virtual ~BodyReceiver() = default;
  /// errors  kResourceExhausted: more than BodyPlan::max_bytes, or the disk is full;
  ///         kOverloaded: the budget is used up; kInvalidArgument: not what the content type says.
  virtual Result<void> take(std::string_view bytes) = 0;
  virtual Result<void> finish(Request& request) = 0;
  /// The HTTP status of a failure of these: 413 over a limit, 429 over the budget, 507 where the
  /// disk is full.
  virtual int failure_status(const Status& status) const = 0;
};

/// A JSON body takes what it holds from `budget`, which outlives the receiver, until the receiver
/// ends. errors  kInvalidArgument: no boundary; kIoError.
Result<std::unique_ptr<BodyReceiver>> make_body_receiver(const BodyPlan& plan, BodyBudget& budget);

/// Makes the folder and removes what a server before has left in it.
Result<void> prepare_spool_folder(const std::filesystem::path& folder);

}  // namespace sightline::http::internal
