// What becomes of a request: who is let in, where its body goes, who works for it.
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

#include "core/log.h"
#include "http/errors.h"
#include "http/internal/connection.h"
#include "http/internal/request_id.h"
#include "http/internal/stream_sink.h"

namespace sightline::http::internal {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kLargeRead = 256 * 1024;  // while a body comes

}  // namespace

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

}  // namespace sightline::http::internal
