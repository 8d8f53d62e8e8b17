#include "http/internal/connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <cstdio>
#include <exception>
#include <random>
#include <utility>

#include "core/log.h"
#include "http/errors.h"
#include "http/internal/stream_sink.h"

namespace sightline::http::internal {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kSmallRead = 4 * 1024;    // idle connections hold no more
constexpr std::size_t kLargeRead = 256 * 1024;  // while a body comes
constexpr std::size_t kMaxPipelined = 64 * 1024;
constexpr std::chrono::seconds kLingerTime{2};
constexpr std::size_t kMaxRequestId = 128;

/// Of this process, so that ids of two runs differ.
std::string new_request_id() {
  static const std::uint64_t seed = std::random_device{}() | std::uint64_t{1} << 40;
  static std::atomic<std::uint64_t> counter{0};
  char text[40];
  std::snprintf(text, sizeof text, "%08llx-%llx",
                static_cast<unsigned long long>(seed & 0xffffffff),
                static_cast<unsigned long long>(counter.fetch_add(1) + 1));
  return text;
}

/// The client's own id, if it is one that logs and headers can carry.
std::string request_id(const Headers& headers) {
  const auto given = headers.find("x-request-id");
  if (!given || given->empty() || given->size() > kMaxRequestId) return new_request_id();
  for (const char c : *given) {
    const bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                          (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '.' || c == ':';
    if (!is_plain) return new_request_id();
  }
  return std::string(*given);
}

}  // namespace

Connection::Connection(Hub& hub, asio::io_context& io, std::unique_ptr<Transport> transport)
    : hub_(hub),
      io_(io),
      transport_(std::move(transport)),
      peer_{transport_->remote(), transport_->is_loopback()},
      read_buffer_(kSmallRead),
      timer_(io) {
  hub_.num_connections.fetch_add(1);
}

Connection::~Connection() { hub_.num_connections.fetch_sub(1); }

void Connection::start() {
  expire_at(Clock::now() + hub_.options.keep_alive);
  read_more();
}

void Connection::shut_down() {
  if (phase_ == Phase::kHead && pending_.empty()) close();
}

void Connection::close() {
  if (phase_ == Phase::kClosed) return;
  if (phase_ != Phase::kHead && phase_ != Phase::kLinger && phase_ != Phase::kDiscard) {
    hub_.num_requests.fetch_sub(1);
  }
  phase_ = Phase::kClosed;
  stop_.request_stop();
  transport_->close();
  expire_never();
  timer_.cancel();
  if (sink_) std::exchange(sink_, nullptr)->fail();
}

// ---- reading

void Connection::read_more() {
  if (read_is_pending_ || peer_has_ended_ || phase_ == Phase::kClosed) return;
  read_is_pending_ = true;
  transport_->read_some(asio::buffer(read_buffer_),
                        [self = shared_from_this()](ErrorCode error, std::size_t bytes) {
                          self->on_read(error, bytes);
                        });
}

void Connection::on_read(ErrorCode error, std::size_t bytes) {
  read_is_pending_ = false;
  if (phase_ == Phase::kClosed) return;
  if (error) {
    peer_has_ended_ = true;
    switch (phase_) {
      case Phase::kHead:
      case Phase::kBody:
      case Phase::kDiscard:
      case Phase::kLinger:
        close();
        return;
      case Phase::kWorking:
      case Phase::kWriting:
        stop_.request_stop();  // nobody waits for the answer any more
        return;
      case Phase::kContinue:
      case Phase::kClosed:
        return;
    }
  }
  const std::string_view read(read_buffer_.data(), bytes);
  if (phase_ == Phase::kLinger) {
    read_more();
    return;
  }
  // Bodies go from the buffer to where they belong without another copy.
  std::size_t taken = 0;
  if ((phase_ == Phase::kBody || phase_ == Phase::kDiscard) && pending_.empty()) {
    taken = reader_.read(read);
  }
  pending_ += read.substr(taken);
  advance();
}

void Connection::advance() {
  bool goes_on = true;
  while (goes_on) {
    switch (phase_) {
      case Phase::kHead:
        goes_on = read_head();
        break;
      case Phase::kBody:
      case Phase::kDiscard:
        goes_on = read_body();
        break;
      case Phase::kWorking:
        // A client that goes away is noticed by reading on.
        if (pending_.size() < kMaxPipelined) read_more();
        return;
      case Phase::kContinue:
      case Phase::kWriting:
      case Phase::kLinger:
      case Phase::kClosed:
        return;
    }
  }
}

/// True: another phase has begun.
bool Connection::read_head() {
  if (!pending_.empty()) {
    if (started_ == Time{}) {
      started_ = Clock::now();
      expire_at(started_ + hub_.options.header_timeout);
    }
    pending_.erase(0, reader_.read(pending_));
  }
  if (reader_.state() == RequestReader::State::kHead) {
    read_more();
    return false;
  }
  hub_.num_requests.fetch_add(1);
  if (reader_.state() == RequestReader::State::kFailed) {
    route_ = nullptr;
    method_ = "?";
    log_target_.clear();
    request_ = {};
    request_.id = new_request_id();
    const auto& failure = reader_.failure();
    answer(error_response(failure.http_status, failure.message, ErrorStyle::kQdrant, 0), false);
  } else {
    begin_request();
  }
  return phase_ != Phase::kHead;
}

void Connection::begin_request() {
  RequestHead head = reader_.take_head();
  version_ = head.version;
  keep_alive_ = head.keep_alive;
  method_ = head.method_text;
  route_ = nullptr;
  stop_ = {};
  const bool expects_continue = head.expects_continue && head.version >= 11;
  const bool is_long = head.chunked || head.content_length.value_or(0) > kMaxPipelined;
  std::string id = request_id(head.headers);

  log_target_ = head.target;
  Verdict verdict = hub_.gate.judge(std::move(head), peer_);
  cors_ = std::move(verdict.cors);
  if (auto* refusal = std::get_if<Refusal>(&verdict.outcome)) {
    request_ = {};
    request_.id = std::move(id);
    route_ = refusal->route;
    // What is left of a short body is read afterwards; a long one is not waited for.
    answer(std::move(refusal->response), !expects_continue && !is_long);
    return;
  }
  auto& admission = std::get<Admission>(verdict.outcome);
  route_ = admission.route;
  request_ = std::move(admission.request);
  request_.id = std::move(id);
  timeout_ = admission.timeout;
  if (reader_.state() == RequestReader::State::kDone) {
    dispatch();
    return;
  }
  const WorkQueue* queue = hub_.lanes.queue(route_->lane);
  if (queue != nullptr && queue->is_full()) {
    answer(error_response(429, "too many requests are waiting", route_->errors, 0),
           !expects_continue && !is_long);
    return;
  }
  if (admission.body.kind == BodyKind::kJson &&
      !hub_.json_budget.has_room(admission.body.expected_bytes)) {
    answer(error_response(429, "too many large bodies are in work", route_->errors, 0),
           !expects_continue && !is_long);
    return;
  }
  auto receiver = make_body_receiver(admission.body, hub_.json_budget);
  if (!receiver) {
    answer(error_response(receiver.error(), route_->errors, 0), !expects_continue && !is_long);
    return;
  }
  receiver_ = *std::move(receiver);
  reader_.accept_body([this](std::string_view bytes) { return receiver_->take(bytes); });
  if (is_long && read_buffer_.size() < kLargeRead && !read_is_pending_) {
    read_buffer_.resize(kLargeRead);
  }
  begin_body();
  if (expects_continue && pending_.empty()) send_continue();
}

void Connection::begin_body() {
  phase_ = Phase::kBody;
  started_body_ = Clock::now();
  expire_at(started_body_ + hub_.options.body_grace);
}

void Connection::send_continue() {
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  phase_ = Phase::kContinue;
  transport_->write_some({asio::const_buffer(kContinue.data(), kContinue.size()), {}},
                         [self = shared_from_this()](ErrorCode error, std::size_t bytes) {
                           if (self->phase_ != Phase::kContinue) return;
                           if (error || bytes != kContinue.size()) {
                             self->close();
                             return;
                           }
                           self->phase_ = Phase::kBody;
                           self->advance();
                         });
}

bool Connection::read_body() {
  if (!pending_.empty()) pending_.erase(0, reader_.read(pending_));
  switch (reader_.state()) {
    case RequestReader::State::kHead:
    case RequestReader::State::kBody: {
      if (phase_ == Phase::kBody) {
        const auto earned = std::chrono::milliseconds(
            reader_.body_bytes() * 1000 /
            std::max<std::uint64_t>(1, hub_.options.min_body_bytes_per_s));
        expire_at(started_body_ + hub_.options.body_grace + earned);
      }
      read_more();
      return false;
    }
    case RequestReader::State::kDone:
      if (phase_ == Phase::kDiscard) {
        next_request();
      } else {
        dispatch();
      }
      return true;
    case RequestReader::State::kFailed:
      if (phase_ == Phase::kDiscard) {
        close();
        return false;
      }
      if (const auto& failed = reader_.body_error()) {
        answer(error_response(receiver_->failure_status(*failed), failed->message, error_style(),
                              seconds_since_start()),
               false);
      } else {
        answer(error_response(reader_.failure().http_status, reader_.failure().message,
                              error_style(), seconds_since_start()),
               false);
      }
      return false;
  }
  return false;
}

// ---- work

void Connection::dispatch() {
  phase_ = Phase::kWorking;
  expire_never();
  if (receiver_) {
    if (auto finished = receiver_->finish(request_); !finished) {
      answer(error_response(receiver_->failure_status(finished.error()), finished.error().message,
                            error_style(), seconds_since_start()));
      return;
    }
  }
  request_.deadline = (timeout_.count() > 0 ? Deadline::after(timeout_) : Deadline::never())
                          .with_stop(stop_.get_token());
  WorkQueue* queue = hub_.lanes.queue(route_->lane);
  if (queue == nullptr) {
    Response response = respond(call_handler());
    release_body();
    answer(std::move(response));
    return;
  }
  const bool is_posted = queue->try_post([self = shared_from_this()]() mutable {
    Connection& connection = *self;
    connection.run_on_lane(std::move(self));
  });
  if (!is_posted) {
    answer(
        error_response(429, "too many requests are waiting", error_style(), seconds_since_start()));
  }
}

Result<Response> Connection::call_handler() {
  try {
    return route_->handle(request_);
  } catch (const std::bad_alloc&) {
    return Status{StatusCode::kResourceExhausted, "out of memory"};
  } catch (const std::exception& e) {
    return internal_error(std::string("a handler failed: ") + e.what());
  } catch (...) {
    return internal_error("a handler failed");
  }
}

void Connection::run_on_lane(std::shared_ptr<Connection> self) {
  asio::io_context& io = io_;
  // Who waited too long in the queue is not worked for.
  auto waited = request_.deadline.check("waiting in the queue");
  Response response =
      respond(waited ? call_handler() : Result<Response>(std::move(waited).error()));

  StreamBody stream;
  std::shared_ptr<StreamSink> sink;
  if (request_.method != Method::kHead) {
    if (auto* body = std::get_if<StreamBody>(&response.body)) {
      stream = *body;
      sink = std::make_shared<StreamSink>(self, io);
    }
  }
  if (!sink) release_body();
  Answer answer = prepare(std::move(response), true);
  // The client does not wait until the connection's thread has woken.
  std::size_t bytes_sent = 0;
  if (!sink && !answer.file) {
    bytes_sent = transport_->try_write({asio::buffer(answer.head), asio::buffer(answer.text)});
  }
  asio::post(io, [self = std::move(self), answer = std::move(answer), bytes_sent, sink]() mutable {
    self->send(std::move(answer), bytes_sent, std::move(sink));
  });
  if (sink) sink->run(stream);
}

/// A client that is slow to take the answer keeps no room from others.
void Connection::release_body() {
  if (request_.body.empty()) return;
  request_.body = {};
  receiver_.reset();
}

Response Connection::respond(Result<Response> result) const {
  if (result) return *std::move(result);
  const Status& status = result.error();
  if (http_status(status.code) >= 500 && status.code != StatusCode::kUnimplemented &&
      status.code != StatusCode::kCancelled) {
    log(LogLevel::kError, "http", status.message, {{"id", request_.id}, {"path", request_.path}});
  }
  return error_response(status, error_style(), seconds_since_start());
}

// ---- the end of a request

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
  if (peer_has_ended_) {
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

// ---- time

double Connection::seconds_since_start() const {
  return std::chrono::duration<double>(Clock::now() - started_).count();
}

ErrorStyle Connection::error_style() const {
  return route_ != nullptr ? route_->errors : ErrorStyle::kQdrant;
}

// One timer that is rarely set: a later moment is seen when the earlier one has come.
void Connection::expire_at(Time time) {
  expires_ = time;
  if (time < timer_at_) wait_for_timer();
}

void Connection::expire_never() { expires_ = Time::max(); }

void Connection::wait_for_timer() {
  timer_at_ = expires_;
  timer_.expires_at(timer_at_);
  timer_.async_wait([self = shared_from_this()](ErrorCode error) {
    if (!error) self->on_timer();
  });
}

void Connection::on_timer() {
  timer_at_ = Time::max();
  if (phase_ == Phase::kClosed || expires_ == Time::max()) return;
  if (Clock::now() < expires_) {
    wait_for_timer();
    return;
  }
  if (phase_ == Phase::kHead && !pending_.empty()) {
    hub_.num_requests.fetch_add(1);
    method_ = "?";
    log_target_.clear();
    request_.id = new_request_id();
    answer(error_response(408, "the header did not come in time", ErrorStyle::kQdrant, 0), false);
  } else if (phase_ == Phase::kBody) {
    answer(error_response(408, "the body came too slowly", error_style(), seconds_since_start()),
           false);
  } else {
    close();
  }
}

}  // namespace sightline::http::internal
