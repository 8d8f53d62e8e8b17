#include "http/internal/transport.h"

#include <sys/socket.h>

#include <utility>

#include "core/mutex.h"

namespace sightline::http::internal {
namespace {

namespace asio = boost::asio;

class TcpTransport final : public Transport {
 public:
  explicit TcpTransport(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {
    ErrorCode ignored;
    descriptor_ = socket_.native_handle();
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
  std::size_t try_write(const std::array<asio::const_buffer, 2>& from) override {
    std::array<iovec, 2> pieces;
    for (std::size_t i = 0; i < from.size(); ++i) {
      pieces[i] = {const_cast<void*>(from[i].data()), from[i].size()};  // NOLINT: it is only read
    }
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    const MutexLock lock(mutex_);  // a descriptor that is closed may be another's at once
    if (descriptor_ < 0) return 0;
    const ssize_t sent = ::sendmsg(descriptor_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent > 0 ? static_cast<std::size_t>(sent) : 0;  // an error is met by the next write
  }
  void end_writing() override {
    ErrorCode ignored;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  }
  void close() override {
    ErrorCode ignored;
    const MutexLock lock(mutex_);
    descriptor_ = -1;
    socket_.close(ignored);
  }
  const std::string& remote() const override { return remote_; }
  bool is_loopback() const override { return is_loopback_; }

 private:
  asio::ip::tcp::socket socket_;
  std::string remote_;
  bool is_loopback_ = false;
  Mutex mutex_;
  int descriptor_ GUARDED_BY(mutex_) = -1;
};

}  // namespace

std::unique_ptr<Transport> make_tcp_transport(asio::ip::tcp::socket socket) {
  return std::make_unique<TcpTransport>(std::move(socket));
}

}  // namespace sightline::http::internal
