// apps/remote.h: doing a command's work on a running `sightline serve` (docs/api.md).
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "core/result.h"

namespace sightline::apps {

struct RemoteFlags {
  std::string server, key;
};
/// --server URL and --key K; what is not given is taken from $SIGHTLINE_SERVER and $SIGHTLINE_KEY.
void add_remote_flags(CLI::App& command, RemoteFlags& flags);

/// A server that is spoken to. Thread-safety: one thread.
class RemoteServer {
 public:
  /// Of the flags or the environment; nothing: the work is done here.
  /// errors  kInvalidArgument: not an http(s) URL, a key without a server.
  static Result<std::optional<RemoteServer>> chosen(const RemoteFlags& flags);
  RemoteServer(RemoteServer&&) noexcept;
  RemoteServer& operator=(RemoteServer&&) noexcept;
  ~RemoteServer();

  const std::string& url() const { return url_; }

  // `path` begins with '/'. errors  name the server. kIoError: no answer; its own, by their status,
  // with their message: kNotFound, kPermissionDenied (401, 403), kInvalidArgument (other 4xx),
  // kOverloaded, kUnimplemented, kInternal.
  Result<Json> get(std::string_view path);
  Result<Json> post(std::string_view path, const Json& body);
  Result<Json> remove(std::string_view path);
  /// The body as it is: a picture.
  Result<std::string> download(std::string_view path);
  struct FilePart {
    std::string name;
    std::filesystem::path file;
  };
  /// A form with `request` as JSON and files.
  Result<Json> post_form(std::string_view path, const Json& request,
                         const std::vector<FilePart>& files);

 private:
  class Connection;
  RemoteServer(std::string url, std::unique_ptr<Connection> connection);
  Result<std::string> call(const char* method, std::string_view path, const std::string* body,
                           const std::vector<FilePart>* files);
  Result<Json> call_json(const char* method, std::string_view path, const Json* body,
                         const std::vector<FilePart>* files);

  std::string url_;
  std::unique_ptr<Connection> connection_;
};

/// For paths: everything but letters, digits and "-._~" percent-encoded.
std::string encode_segment(std::string_view text);

}  // namespace sightline::apps
