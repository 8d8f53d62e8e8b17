// tests/support/http_client.h: a client that sends the very bytes a test wants to send.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace sightline::testing_support {

struct HttpAnswer {
  int status = 0;
  std::string head;
  std::map<std::string, std::string> headers;  ///< Names in lower case; the last of a name.
  std::string body;

  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

/// One connection to a server on this machine. Throws where a test cannot go on.
class HttpClient {
 public:
  explicit HttpClient(int port) {
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      ::close(socket_);
      throw std::runtime_error("cannot connect to port " + std::to_string(port));
    }
  }
  ~HttpClient() { close(); }
  HttpClient(HttpClient&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), pending_(std::move(other.pending_)) {}
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  void end_writing() { ::shutdown(socket_, SHUT_WR); }

  /// False: the server does not take it any more.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// Up to the end of `wait`; empty: nothing came. nullopt: the server has closed.
  std::optional<std::string> read_some(std::chrono::milliseconds wait) {
    if (!pending_.empty()) return std::exchange(pending_, {});
    pollfd ready{socket_, POLLIN, 0};
    if (::poll(&ready, 1, static_cast<int>(wait.count())) <= 0) return std::string();
    char buffer[64 * 1024];
    const ssize_t got = ::recv(socket_, buffer, sizeof buffer, 0);
    if (got <= 0) return std::nullopt;
    return std::string(buffer, static_cast<std::size_t>(got));
  }
  /// Whether the server closes within `wait`; what it sends until then is dropped.
  bool closes_within(std::chrono::milliseconds wait) {
    const auto end = std::chrono::steady_clock::now() + wait;
    pending_.clear();
    while (std::chrono::steady_clock::now() < end) {
      if (!read_some(std::chrono::milliseconds(20))) return true;
    }
    return false;
  }

  HttpAnswer read_answer(bool is_head = false) {
    HttpAnswer answer;
    const std::size_t end = fill_until("\r\n\r\n");
    answer.head = pending_.substr(0, end);
    pending_.erase(0, end + 4);
    parse_head(answer);
    if (is_head || answer.status == 100 || answer.status == 204 || answer.status == 304) {
      return answer;
    }
    if (answer.header("transfer-encoding") == "chunked") {
      for (;;) {
        const std::size_t line = fill_until("\r\n");
        const std::size_t size = std::stoul(pending_.substr(0, line), nullptr, 16);
        pending_.erase(0, line + 2);
        fill(size + 2);
        answer.body += pending_.substr(0, size);
        pending_.erase(0, size + 2);
        if (size == 0) return answer;
      }
    }
    const std::string length = answer.header("content-length");
    if (length.empty()) {
      while (auto more = read_some(kPatience)) {
        if (more->empty()) throw std::runtime_error("the answer does not end");
        answer.body += *more;
      }
      return answer;
    }
    fill(std::stoul(length));
    answer.body = pending_.substr(0, std::stoul(length));
    pending_.erase(0, answer.body.size());
    return answer;
  }

  HttpAnswer request(std::string_view bytes) {
    send(bytes);
    return read_answer(bytes.starts_with("HEAD "));
  }
  /// `headers`: lines that end in CR LF.
  HttpAnswer request(const std::string& method, const std::string& target,
                     const std::string& headers = "", const std::string& body = "") {
    std::string text = method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers;
    if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    return request(text + "\r\n" + body);
  }
  HttpAnswer post_json(const std::string& target, const std::string& body,
                       const std::string& method = "POST") {
    return request(method, target, "Content-Type: application/json\r\n", body);
  }

 private:
  static constexpr std::chrono::seconds kPatience{30};

  void fill(std::size_t size) {
    while (pending_.size() < size) grow();
  }
  std::size_t fill_until(std::string_view mark) {
    for (;;) {
      if (const std::size_t at = pending_.find(mark); at != std::string::npos) return at;
      grow();
    }
  }
  void grow() {
    std::string before = std::exchange(pending_, {});
    const auto more = read_some(kPatience);
    if (!more) throw std::runtime_error("the server closed: \"" + before + "\"");
    if (more->empty()) throw std::runtime_error("no answer: \"" + before + "\"");
    pending_ = std::move(before) + *more;
  }
  static void parse_head(HttpAnswer& answer) {
    answer.status = std::stoi(answer.head.substr(9, 3));
    std::size_t at = answer.head.find("\r\n");
    while (at != std::string::npos) {
      const std::size_t next = answer.head.find("\r\n", at + 2);
      const std::string line =
          answer.head.substr(at + 2, next == std::string::npos ? std::string::npos : next - at - 2);
      const std::size_t colon = line.find(": ");
      std::string name = line.substr(0, colon);
      for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
      answer.headers[name] = colon == std::string::npos ? "" : line.substr(colon + 2);
      at = next;
    }
  }

  int socket_ = -1;
  std::string pending_;
};

}  // namespace sightline::testing_support
