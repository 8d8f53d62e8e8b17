#include "http/internal/request_reader.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace sightline::http::internal {

namespace beast = boost::beast;

namespace {

std::optional<Method> method_of(beast::http::verb verb) {
  switch (verb) {
    case beast::http::verb::get:
      return Method::kGet;
    case beast::http::verb::head:
      return Method::kHead;
    case beast::http::verb::post:
      return Method::kPost;
    case beast::http::verb::put:
      return Method::kPut;
    case beast::http::verb::patch:
      return Method::kPatch;
    case beast::http::verb::delete_:
      return Method::kDelete;
    case beast::http::verb::options:
      return Method::kOptions;
    default:
      return std::nullopt;
  }
}

std::string to_text(beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

class RequestReader::Parser final : public beast::http::basic_parser<true> {
 public:
  explicit Parser(RequestReader& reader) : reader_(reader) {
    header_limit(kMaxHeaderBytes);
    body_limit(boost::none);  // the route's, which the receiver of the body knows
  }

  int num_hosts() const { return num_hosts_; }
  const std::string& unknown_coding() const { return unknown_coding_; }  ///< Or empty.

 private:
  using Error = beast::error_code;

  void on_request_impl(beast::http::verb verb, beast::string_view method, beast::string_view target,
                       int version, Error&) override {
    RequestHead& head = reader_.head_;
    head.method = method_of(verb);
    head.method_text = to_text(method);
    head.target = to_text(target);
    head.version = version;
  }
  void on_response_impl(int, beast::string_view, int, Error&) override {}
  void on_field_impl(beast::http::field field, beast::string_view name, beast::string_view value,
                     Error& error) override {
    // Beast's own limit starts anew with each piece that it is given.
    header_bytes_ += name.size() + value.size() + 4;
    if (header_bytes_ > kMaxHeaderBytes) {
      error = beast::http::error::header_limit;
      return;
    }
    if (is_header_done()) return;  // a trailer of the body: nothing here looks at those
    if (field == beast::http::field::expect && beast::iequals(value, "100-continue")) {
      reader_.head_.expects_continue = true;
    }
    if (field == beast::http::field::host) ++num_hosts_;
    if (field == beast::http::field::transfer_encoding && !beast::iequals(value, "chunked")) {
      unknown_coding_ = to_text(value);
    }
    reader_.head_.headers.add(to_text(name), to_text(value));
  }
  void on_header_impl(Error&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Error&) override {}
  std::size_t on_body_impl(beast::string_view body, Error& error) override {
    return give(body, error);
  }
  void on_chunk_header_impl(std::uint64_t, beast::string_view, Error&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, Error& error) override {
    return give(body, error);
  }
  void on_finish_impl(Error&) override {}

  std::size_t give(beast::string_view body, Error& error) {
    reader_.body_bytes_ += body.size();
    if (reader_.piece_) {
      if (auto taken = reader_.piece_({body.data(), body.size()}); !taken) {
        reader_.body_error_ = std::move(taken).error();
        error = beast::http::error::body_limit;
      }
    }
    return body.size();
  }

  RequestReader& reader_;
  std::size_t header_bytes_ = 0;
  int num_hosts_ = 0;
  std::string unknown_coding_;
};

RequestReader::RequestReader() { reset(); }
RequestReader::~RequestReader() = default;

void RequestReader::reset() {
  parser_ = std::make_unique<Parser>(*this);
  state_ = State::kHead;
  head_ = {};
  failure_ = {};
  piece_ = nullptr;
  body_error_.reset();
  body_bytes_ = 0;
}

void RequestReader::fail(int http_status, std::string message) {
  state_ = State::kFailed;
  failure_ = {http_status, std::move(message)};
}

void RequestReader::accept_body(BodyPiece piece) {
  piece_ = std::move(piece);
  parser_->eager(true);
}

std::size_t RequestReader::read(std::string_view bytes) {
  if (state_ != State::kHead && state_ != State::kBody) return 0;
  // Empty lines before a request are passed over (RFC 9112, 2.2).
  std::size_t used = 0;
  if (state_ == State::kHead && !parser_->got_some()) {
    while (bytes.substr(used).starts_with("\r\n")) used += 2;
    if (bytes.substr(used) == "\r") return used;  // half of one
  }
  beast::error_code error;
  while (used < bytes.size() && !error) {
    const std::size_t taken =
        parser_->put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), error);
    used += taken;
    if (parser_->is_done() || taken == 0) break;
    if (state_ == State::kHead && parser_->is_header_done()) break;
  }
  if (error && error != beast::http::error::need_more) {
    if (body_error_) {
      fail(400, body_error_->message);
    } else if (error == beast::http::error::header_limit) {
      fail(431, "the header is larger than " + std::to_string(kMaxHeaderBytes) + " bytes");
    } else {
      fail(400, "not an HTTP/1.1 request: " + error.message());
    }
    return used;
  }
  if (state_ == State::kHead && parser_->is_header_done()) {
    // Where the next request begins, and which route is meant, must not be in doubt.
    if (parser_->num_hosts() > 1) {
      fail(400, "the header names more than one host");
      return used;
    }
    if (const std::string& coding = parser_->unknown_coding(); !coding.empty()) {
      fail(501, "transfer encoding \"" + coding + "\" is not taken");
      return used;
    }
    state_ = State::kBody;
    head_.keep_alive = parser_->keep_alive();
    head_.chunked = parser_->chunked();
    if (const auto length = parser_->content_length()) head_.content_length = *length;
  }
  if (state_ == State::kBody && parser_->is_done()) state_ = State::kDone;
  return used;
}

}  // namespace sightline::http::internal
