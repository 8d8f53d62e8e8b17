// http/internal/transport.h: a connection's bytes, whatever carries them. TLS is another class
// here.
#pragma once

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <functional>
#include <memory>
#include <string>

namespace sightline::http::internal {

using ErrorCode = boost::system::error_code;
using IoHandler = std::function<void(ErrorCode error, std::size_t bytes)>;

/// Thread-safety: belongs to the thread of its io_context, but for try_write().
class Transport {
 public:
  virtual ~Transport() = default;
  virtual void read_some(boost::asio::mutable_buffer into, IoHandler done) = 0;
  virtual void write_some(const std::array<boost::asio::const_buffer, 2>& from, IoHandler done) = 0;
  /// Sends what can be sent without waiting and says how many bytes that were; 0 also where it
  /// cannot, or no more. From any thread, while nobody else writes or ends the writing.
  virtual std::size_t try_write(const std::array<boost::asio::const_buffer, 2>& from) = 0;
  /// Says that nothing more will be sent.
  virtual void end_writing() = 0;
  virtual void close() = 0;                       ///< Operations in flight end with an error.
  virtual const std::string& remote() const = 0;  ///< Address without port.
  virtual bool is_loopback() const = 0;           ///< The remote end is on this machine.
};

std::unique_ptr<Transport> make_tcp_transport(boost::asio::ip::tcp::socket socket);

}  // namespace sightline::http::internal
