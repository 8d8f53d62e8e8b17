// http/internal/answer.h: a Response as bytes: status line, conditions, ranges.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/exchange.h"

namespace sightline::http::internal {

/// An open file; closed with this.
class FileHandle {
 public:
  FileHandle() = default;
  explicit FileHandle(int descriptor) : descriptor_(descriptor) {}
  FileHandle(FileHandle&& other) noexcept;
  FileHandle& operator=(FileHandle&& other) noexcept;
  ~FileHandle();
  int get() const { return descriptor_; }
  explicit operator bool() const { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

/// What is sent: the head, then one of text, part of a file, or a stream.
struct Answer {
  int status = 200;
  std::string head;
  std::string text;
  FileHandle file;
  std::uint64_t offset = 0, size = 0;  ///< Of the file's part.
  StreamBody stream;
  bool chunked = false;  ///< The stream is sent in chunks; otherwise until the connection closes.
  bool keep_alive = true;
};

/// What of the request the answer depends on.
struct AnswerContext {
  bool is_head = false;
  bool is_get = false;
  int version = 11;
  bool keep_alive = true;
  const Headers* headers = nullptr;  ///< Of the request: conditions and ranges; null: none.
  const Headers* more = nullptr;     ///< Of the answer: CORS; null: none.
  std::string_view id;               ///< X-Request-Id
};

/// Opens the file of a FileBody: one that cannot be read is a 404.
Answer make_answer(Response response, const AnswerContext& context);

/// "Mon, 02 Jan 2006 15:04:05 GMT"
std::string http_date(std::int64_t unix_seconds);

}  // namespace sightline::http::internal
