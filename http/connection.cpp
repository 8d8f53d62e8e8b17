// A connection's life: what it reads, and how long it waits.
#include "http/internal/connection.h"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <utility>

#include "http/errors.h"
#include "http/internal/request_id.h"
#include "http/internal/stream_sink.h"

namespace sightline::http::internal {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kHalfClosedTime{1};

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
    // Who has only closed its sending half still waits for the answer: a short one comes.
    const bool may_still_read = error == asio::error::eof;
    switch (phase_) {
      case Phase::kHead:
      case Phase::kBody:
      case Phase::kDiscard:
      case Phase::kLinger:
        close();
        return;
      case Phase::kWorking:
        if (may_still_read) {
          expire_at(Clock::now() + kHalfClosedTime);
          return;
        }
        [[fallthrough]];
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
    if (peer_has_ended_) {
      close();
    } else {
      read_more();
    }
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
    answer(error_response(failure.http_status, failure.message,
                          error_style_of(reader_.head().target), 0),
           false);
  } else {
    begin_request();
  }
  return phase_ != Phase::kHead;
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
      if (peer_has_ended_) {
        close();
      } else {
        read_more();
      }
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
  } else if (phase_ == Phase::kWorking) {
    expire_never();
    stop_.request_stop();  // of a client that has closed its half long ago
  } else if (phase_ == Phase::kBody) {
    answer(error_response(408, "the body came too slowly", error_style(), seconds_since_start()),
           false);
  } else {
    close();
  }
}

}  // namespace sightline::http::internal
