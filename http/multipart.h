// http/multipart.h: multipart/form-data (RFC 7578, RFC 2046), piece by piece as it comes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace sightline::http {

struct MultipartLimits {
  std::size_t max_parts = 10'000;
  std::size_t max_header_bytes = 16 * 1024;  ///< Of one part.
};

/// What stands before a part's bytes.
struct PartHead {
  std::string name;
  std::string file_name;  ///< Of filename* if there is one, else of filename.
  bool has_file_name = false;
  std::string content_type;  ///< Lower case, without parameters; may be empty.
};

/// The boundary of "multipart/form-data; boundary=...", quoted or not.
/// errors  kInvalidArgument: none, or not 1..70 of the characters that RFC 2046 allows.
Result<std::string> multipart_boundary(std::string_view content_type);

/// Memory: no more than a part's head and a boundary, whatever the size of parts.
/// Thread-safety: one thread.
class MultipartParser {
 public:
  /// Called in order; a failure ends the parsing and is what feed() returns.
  struct Events {
    std::function<Result<void>(PartHead head)> begin_part;
    std::function<Result<void>(std::string_view bytes)> data;
    std::function<Result<void>()> end_part;
  };

  MultipartParser(std::string_view boundary, Events events, MultipartLimits limits = {});

  /// errors  kInvalidArgument: not a multipart body; kResourceExhausted: over a limit; those of the
  ///         events.
  Result<void> feed(std::string_view bytes);
  /// No more will come. errors  kInvalidArgument: the last boundary is missing.
  Result<void> finish() const;

 private:
  enum class Place { kPreamble, kAfterBoundary, kHead, kData, kEpilogue };

  Result<void> skip_preamble();
  Result<void> after_boundary();
  Result<void> read_head();
  Result<void> read_data();

  const std::string delimiter_;  // CR LF "--" boundary
  const Events events_;
  const MultipartLimits limits_;
  Place place_ = Place::kPreamble;
  std::string pending_;  // not yet taken
  bool moved_ = false;   // the last step took something
  std::size_t num_parts_ = 0;
};

/// The head of a part from its lines. errors  kInvalidArgument: no "form-data" with a name.
Result<PartHead> parse_part_head(std::string_view lines);

}  // namespace sightline::http
