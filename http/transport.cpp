#include "http/internal/transport.h"

#include <utility>

namespace sightline::http::internal {
namespace {

namespace asio = boost::asio;

class TcpTransport final : public Transport {
 public:
  explicit TcpTransport(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {
    ErrorCode ignored;
    socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
    const auto end = socket_.remote_endpoint(ignored);
    auto address = end.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
      address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
    }
    remote_ = address.to_string(ignored);
    is_loopback_ = address.is_loopback();
  }

  void read_some(asio::mutable_buffer into, IoHandler done) override {
    socket_.async_read_some(into, std::move(done));
  }
  void write_some(const std::array<asio::const_buffer, 2>& from, IoHandler done) override {
    socket_.async_write_some(from, std::move(done));
  }
  void end_writing() override {
    ErrorCode ignored;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  }
  void close() override {
    ErrorCode ignored;
    socket_.close(ignored);
  }
  const std::string& remote() const override { return remote_; }
  bool is_loopback() const override { return is_loopback_; }

 private:
  asio::ip::tcp::socket socket_;
  std::string remote_;
  bool is_loopback_ = false;
};

}  // namespace

std::unique_ptr<Transport> make_tcp_transport(asio::ip::tcp::socket socket) {
  return std::make_unique<TcpTransport>(std::move(socket));
}

}  // namespace sightline::http::internal
