// How an answer leaves: head and text in one piece, files and streams piece by piece. What comes
// after it.
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <utility>

#include "core/log.h"
#include "http/internal/connection.h"
#include "http/internal/stream_sink.h"

namespace sightline::http::internal {
namespace {

namespace asio = boost::asio;

using Clock = std::chrono::steady_clock;

constexpr std::size_t kFilePiece = 256 * 1024;
constexpr std::chrono::seconds kLingerTime{2};

}  // namespace

Answer Connection::prepare(Response response, bool may_keep_alive) const {
  for (const auto& [stage, ms] : response.timings_ms) hub_.metrics.count_stage(stage, ms / 1000);
  AnswerContext context;
  context.is_head = method_ == "HEAD";
  context.is_get = method_ == "GET";
  context.version = version_;
  context.keep_alive = keep_alive_ && may_keep_alive && !hub_.stopping.load();
  context.headers = &request_.headers;
  context.more = &cors_;
  context.id = request_.id;
  return make_answer(std::move(response), context);
}

void Connection::answer(Response response, bool may_keep_alive) {
  send(prepare(std::move(response), may_keep_alive), 0, nullptr);
}

/// Of which `bytes_sent` have left already.
void Connection::send(Answer answer, std::size_t bytes_sent, std::shared_ptr<StreamSink> sink) {
  if (phase_ == Phase::kClosed) {
    if (sink) sink->fail();
    return;
  }
  sink_ = std::move(sink);
  answer_ = std::move(answer);
  head_sent_ = std::min(bytes_sent, answer_.head.size());
  text_sent_ = bytes_sent - head_sent_;
  bytes_sent_ = bytes_sent;
  phase_ = Phase::kWriting;
  write_rest();
}

void Connection::write_rest() {
  if (phase_ != Phase::kWriting) return;
  if (text_sent_ == answer_.text.size() && answer_.size > 0 && answer_.file && !fill_from_file()) {
    close();  // a length was promised
    return;
  }
  if (head_sent_ == answer_.head.size() && text_sent_ == answer_.text.size()) {
    if (sink_) {
      sink_->sent();
    } else {
      after_answer();
    }
    return;
  }
  expire_at(std::chrono::steady_clock::now() + hub_.options.write_timeout);
  transport_->write_some(
      {asio::buffer(answer_.head) + head_sent_, asio::buffer(answer_.text) + text_sent_},
      [self = shared_from_this()](ErrorCode error, std::size_t bytes) {
        if (self->phase_ != Phase::kWriting) return;
        if (error) {
          self->close();
          return;
        }
        self->bytes_sent_ += bytes;
        const std::size_t of_head = std::min(bytes, self->answer_.head.size() - self->head_sent_);
        self->head_sent_ += of_head;
        self->text_sent_ += bytes - of_head;
        self->write_rest();
      });
}

/// The next piece of the file becomes the text. False: it cannot be read, or is shorter than it
/// was.
bool Connection::fill_from_file() {
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kFilePiece, answer_.size));
  answer_.text.resize(wanted);
  text_sent_ = 0;
  std::size_t filled = 0;
  while (filled < wanted) {
    const ssize_t got = ::pread(answer_.file.get(), answer_.text.data() + filled, wanted - filled,
                                static_cast<off_t>(answer_.offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    filled += static_cast<std::size_t>(got);
  }
  answer_.offset += filled;
  answer_.size -= filled;
  return true;
}

void Connection::write_chunk(std::string bytes) {
  if (phase_ != Phase::kWriting || !sink_) return;
  if (answer_.chunked) {
    char size[24];
    const int digits = std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
    bytes.insert(0, size, static_cast<std::size_t>(digits));
    bytes += "\r\n";
  }
  answer_.text = std::move(bytes);
  text_sent_ = 0;
  write_rest();
}

void Connection::end_stream(bool is_complete) {
  if (phase_ != Phase::kWriting || !sink_) return;
  sink_.reset();
  if (!is_complete) {
    close();  // without the last chunk the client sees that something is missing
    return;
  }
  answer_.text = answer_.chunked ? "0\r\n\r\n" : "";
  text_sent_ = 0;
  write_rest();
}

void Connection::next_request() {
  reader_.reset();
  receiver_.reset();
  request_ = {};
  cors_ = {};
  route_ = nullptr;
  started_ = {};
  if (read_buffer_.size() > kSmallRead && !read_is_pending_) {
    read_buffer_.resize(kSmallRead);
    read_buffer_.shrink_to_fit();
  }
  phase_ = Phase::kHead;
  if (hub_.stopping.load() && pending_.empty()) {
    close();
    return;
  }
  expire_at(Clock::now() + hub_.options.keep_alive);
}

void Connection::after_answer() {
  hub_.num_requests.fetch_sub(1);
  record_request();
  answer_.file = {};
  answer_.text = {};
  receiver_.reset();
  if (!answer_.keep_alive) {
    transport_->end_writing();
    phase_ = Phase::kLinger;
    expire_at(Clock::now() + kLingerTime);
    if (peer_has_ended_) {
      close();
    } else {
      read_more();
    }
    return;
  }
  if (peer_has_ended_ && pending_.empty()) {
    phase_ = Phase::kLinger;  // this request is counted as done already
    close();
    return;
  }
  if (reader_.state() == RequestReader::State::kBody) {
    phase_ = Phase::kDiscard;
    reader_.accept_body(nullptr);
    expire_at(Clock::now() + hub_.options.header_timeout);
  } else {
    next_request();
  }
  advance();
}

void Connection::record_request() {
  const double seconds = seconds_since_start();
  const std::string_view pattern = route_ != nullptr ? std::string_view(route_->pattern) : "none";
  // Methods that are not known would make a label each.
  const std::string_view method = route_ != nullptr ? method_name(route_->method) : "none";
  hub_.metrics.count_request(method, pattern, answer_.status, seconds, reader_.body_bytes(),
                             bytes_sent_);
  if (!hub_.options.access_log || log_level() > LogLevel::kInfo) return;
  char milliseconds[32];
  std::snprintf(milliseconds, sizeof milliseconds, "%.3f", 1000 * seconds);
  log_info("http", method_,
           {{"path", log_target_},
            {"status", std::to_string(answer_.status)},
            {"ms", milliseconds},
            {"in", std::to_string(reader_.body_bytes())},
            {"out", std::to_string(bytes_sent_)},
            {"remote", peer_.address},
            {"key", request_.principal.name},
            {"id", request_.id}});
}

std::shared_ptr<Connection> StreamSink::connection() const {
  MutexLock lock(mutex_);
  return connection_;
}

Result<void> StreamSink::wait_until_sent() {
  MutexLock lock(mutex_);
  while (is_sending_ && connection_) changed_.wait(mutex_);
  if (!connection_) return Status{StatusCode::kCancelled, "the client is gone"};
  return {};
}

Result<void> StreamSink::write(std::string_view bytes) {
  if (bytes.empty()) return {};
  SIGHTLINE_TRY_DO(wait_until_sent());
  {
    MutexLock lock(mutex_);
    is_sending_ = true;
  }
  asio::post(io_, [self = shared_from_this(), text = std::string(bytes)]() mutable {
    if (const auto to = self->connection()) to->write_chunk(std::move(text));
  });
  return {};
}

void StreamSink::run(const StreamBody& stream) {
  Result<void> result;
  try {
    result = stream(*this);
  } catch (const std::exception& e) {
    result = internal_error(e.what());
  } catch (...) {
    result = internal_error("unknown exception");
  }
  const bool is_sent = wait_until_sent().has_value();
  if (!result && is_sent)
    log_warning("http", "a streamed answer failed: " + result.error().message);
  const bool is_complete = result && is_sent;
  asio::post(io_, [self = shared_from_this(), is_complete] {
    if (const auto to = self->connection()) to->end_stream(is_complete);
    self->fail();  // lets go of the connection
  });
}

void StreamSink::sent() {
  {
    MutexLock lock(mutex_);
    is_sending_ = false;
  }
  changed_.notify_all();
}

void StreamSink::fail() {
  std::shared_ptr<Connection> released;
  {
    MutexLock lock(mutex_);
    released = std::move(connection_);
    connection_ = nullptr;
  }
  changed_.notify_all();
}

}  // namespace sightline::http::internal
