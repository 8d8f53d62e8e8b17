// http/internal/request_reader.h: HTTP/1.1 requests out of bytes, without any socket.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"
#include "http/exchange.h"

namespace sightline::http::internal {

inline constexpr std::size_t kMaxHeaderBytes = 64 * 1024;

/// What stands before the body.
struct RequestHead {
  std::optional<Method> method;  ///< nullopt: one that no route has.
  std::string method_text;
  std::string target;
  int version = 11;  ///< 10, 11
  Headers headers;
  bool keep_alive = true;
  bool chunked = false;
  bool expects_continue = false;
  std::optional<std::uint64_t> content_length;

  bool has_body() const { return chunked || content_length.value_or(0) > 0; }
};

/// Reads one request; reset() before the next. Thread-safety: one thread.
class RequestReader {
 public:
  enum class State {
    kHead,
    kBody,    ///< head() is there; pieces of the body go to the function of accept_body().
    kDone,    ///< All of the request has been read.
    kFailed,  ///< failure() says why: the connection cannot go on.
  };
  struct Failure {
    int http_status = 400;
    std::string message;
  };
  using BodyPiece = std::function<Result<void>(std::string_view bytes)>;

  RequestReader();
  ~RequestReader();

  /// Takes what it can from the front of `bytes` and says how much that was: what is left is to be
  /// given again with more behind it. Goes no further than the end of the head until accept_body()
  /// was called.
  std::size_t read(std::string_view bytes);
  /// The head has been read: where the body goes. A piece that fails ends the request with 400;
  /// body_error() has it.
  void accept_body(BodyPiece piece);
  void reset();

  State state() const { return state_; }
  const RequestHead& head() const { return head_; }
  RequestHead take_head() { return std::move(head_); }
  const Failure& failure() const { return failure_; }
  const std::optional<Status>& body_error() const { return body_error_; }
  std::uint64_t body_bytes() const { return body_bytes_; }  ///< So far.

 private:
  class Parser;
  void fail(int http_status, std::string message);

  std::unique_ptr<Parser> parser_;
  State state_ = State::kHead;
  RequestHead head_;
  Failure failure_;
  BodyPiece piece_;
  std::optional<Status> body_error_;
  std::uint64_t body_bytes_ = 0;
};

}  // namespace sightline::http::internal
