#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "benchmarks/http/load_callers.h"

namespace sightline::benchmarks {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPatienceMs = 60'000;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Of a head with "Content-Length: N", which is all that the measured routes send.
std::size_t content_length(std::string_view head) {
  constexpr std::string_view kName = "\r\nContent-Length: ";
  const std::size_t at = head.find(kName);
  std::size_t length = 0;
  if (at == head.npos ||
      std::from_chars(head.data() + at + kName.size(), head.data() + head.size(), length).ec !=
          std::errc()) {
    throw std::runtime_error("an answer without Content-Length: " + std::string(head));
  }
  return length;
}

}  // namespace

struct HttpCallers::Connection {
  explicit Connection(int port) : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {  // NOLINT
      fail("cannot connect");
    }
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~Connection() { ::close(socket); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void begin(std::string_view request) {
    unsent = request;
    received.clear();
    size = 0;
    start = Clock::now();
    send();
  }
  void send() {
    while (!unsent.empty()) {
      const ssize_t sent =
          ::send(socket, unsent.data(), unsent.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno == EAGAIN) return;
      if (sent < 0) fail("cannot send");
      unsent.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  /// True: the answer is whole.
  bool receive() {
    std::array<char, 64 * 1024> buffer;
    const ssize_t got = ::recv(socket, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return false;
    if (got <= 0) fail("the server closed a connection");
    received.append(buffer.data(), static_cast<std::size_t>(got));
    if (size == 0) {
      const std::size_t head = received.find("\r\n\r\n");
      if (head == received.npos) return false;
      body = head + 4;
      size = body + content_length(std::string_view(received).substr(0, body));
    }
    if (received.size() < size) return false;
    if (!received.starts_with("HTTP/1.1 200 ")) throw std::runtime_error(received);
    return true;
  }

  const int socket;
  std::string_view unsent;
  std::string received;
  std::size_t body = 0, size = 0;  // where the body begins and ends; 0: not known yet
  Clock::time_point start;
};

HttpCallers::HttpCallers(int port, std::size_t num_connections)
    : poll_(::epoll_create1(EPOLL_CLOEXEC)) {
  for (std::size_t i = 0; i < num_connections; ++i) {
    auto& connection = connections_.emplace_back(std::make_unique<Connection>(port));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = connection.get();
    if (::epoll_ctl(poll_, EPOLL_CTL_ADD, connection->socket, &event) != 0) fail("epoll_ctl");
  }
}

HttpCallers::~HttpCallers() { ::close(poll_); }

RoundTimes HttpCallers::run(std::span<const std::string> requests) {
  RoundTimes times;
  times.latency_ms.reserve(requests.size());
  std::size_t next = 0;
  const auto watch = [this](Connection& connection) {
    epoll_event event{};
    event.events = connection.unsent.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT;
    event.data.ptr = &connection;
    ::epoll_ctl(poll_, EPOLL_CTL_MOD, connection.socket, &event);
  };
  const auto begin_next = [&](Connection& connection) {
    if (next == requests.size()) return;
    connection.begin(requests[next++]);
    if (!connection.unsent.empty()) watch(connection);
  };

  const auto start = Clock::now();
  for (const auto& connection : connections_) begin_next(*connection);
  std::array<epoll_event, 64> events;
  while (times.latency_ms.size() < requests.size()) {
    const int count = ::epoll_wait(poll_, events.data(), events.size(), kPatienceMs);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw std::runtime_error("no answer within a minute");
    for (int i = 0; i < count; ++i) {
      auto& connection = *static_cast<Connection*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (!connection.unsent.empty()) {
        connection.send();
        if (connection.unsent.empty()) watch(connection);
      }
      if ((events[static_cast<std::size_t>(i)].events & ~EPOLLOUT) == 0) continue;
      if (!connection.receive()) continue;
      times.latency_ms.push_back(milliseconds_since(connection.start));
      begin_next(connection);
    }
  }
  times.seconds = milliseconds_since(start) / 1000;
  return times;
}

std::string HttpCallers::call(const std::string& request) {
  run({&request, 1});
  const Connection& connection = *connections_.front();
  return connection.received.substr(connection.body);
}

}  // namespace sightline::benchmarks
