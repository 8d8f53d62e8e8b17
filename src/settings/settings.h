// settings/settings.h: every setting of the program, and where each value came from.
//
// Later sources win: defaults < configuration file (TOML) < environment < flags. The file is the
// one that --config names, else $SIGHTLINE_CONFIG, else the first that exists of
// $XDG_CONFIG_HOME/sightline/config.toml (~/.config/...) and /etc/sightline/config.toml. A key
// "image.alpha" is [image] alpha in the file and SIGHTLINE_IMAGE_ALPHA in the environment; an empty
// variable counts as unset. config/sightline.toml shows all of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/json.h"
#include "core/result.h"

namespace sightline::settings {

/// Ranges and meanings: setting_table.cpp, which is also what `sightline config show` prints.
struct Settings {
  /// Absolute. Default $XDG_DATA_HOME/sightline, else ~/.local/share/sightline.
  std::filesystem::path data_dir;
  std::string collection = "default";
  std::string model = "embedded";  ///< A Hugging Face folder, or "embedded".
  std::string precision = "fp32";  ///< "fp32", "bf16", "fp16"
  std::string device = "auto";     ///< "auto", "cpu", "cuda"
  std::uint64_t threads = 0;       ///< Of the compute pool; 0: all cores.

  struct Image {
    std::string alpha = "white";  ///< "white", "drop"
    std::uint64_t max_pixels = 100'000'000;
    /// Bytes. 0 in a source means the smaller of 1 GiB and a quarter of the memory, and is that
    /// number once loaded.
    std::uint64_t decode_bytes = 0;
    std::uint64_t thumbnail_edge = 256;  ///< Pixels; 0: no thumbnails.
  } image;
  struct Ingest {
    std::uint64_t batch_size = 0;  ///< Pictures per forward pass; 0: chosen.
  } ingest;
  struct Storage {
    std::uint64_t cache_bytes = std::uint64_t{256} << 20;
    std::uint64_t memtable_bytes = std::uint64_t{128} << 20;
    std::uint64_t background_rate_bytes = std::uint64_t{1} << 30;
    std::string durability = "sync";  ///< "sync", "interval"
    std::chrono::milliseconds sync_interval{200};
  } storage;
  struct Index {
    /// Anonymous memory of all that is open, building and RocksDB included. 0 in a source means
    /// half of the memory, and is that number once loaded.
    std::uint64_t memory_bytes = 0;
  } index;
  /// Of `sightline serve`; docs/server.md.
  struct Server {
    std::string listen = "127.0.0.1:6333";
    bool allow_public = false;
    std::vector<std::string> allowed_hosts;
    std::vector<std::string> cors_origins;
    std::filesystem::path keys_file;  ///< Empty: none.
    std::string api_key;              ///< Empty: none. Right: admin.
    std::string read_only_api_key;    ///< Empty: none.
    bool anonymous_read = false;
    std::vector<std::filesystem::path> allowed_roots;
    std::uint64_t max_json_bytes = std::uint64_t{32} << 20;
    std::uint64_t max_json_in_flight_bytes = std::uint64_t{512} << 20;
    std::uint64_t max_upload_bytes = std::uint64_t{16} << 30;
    std::uint64_t max_connections = 4096;
    std::uint64_t queue_size = 1024;
    std::uint64_t io_threads = 0;     ///< 0: chosen.
    std::uint64_t query_threads = 0;  ///< 0: chosen.
    std::uint64_t write_threads = 0;  ///< 0: chosen.
    std::uint64_t long_threads = 0;   ///< 0: chosen.
    std::chrono::milliseconds keep_alive{90'000};
    std::chrono::milliseconds header_timeout{10'000};
    std::uint64_t min_body_bytes_per_s = 1024;
    std::chrono::milliseconds query_timeout{60'000};
    std::chrono::milliseconds shutdown_grace{20'000};
    bool access_log = true;
    bool fetch_urls = false;
    std::uint64_t max_picture_bytes = std::uint64_t{64} << 20;
    std::uint64_t batch_size = 64;
    std::chrono::milliseconds batch_wait{2};
    std::uint64_t cached_texts = 10'000;
    std::uint64_t parallel_jobs = 1;
  } server;
  struct Log {
    std::string level = "info";   ///< "trace", "debug", "info", "warning", "error", "off"
    std::string format = "text";  ///< "text", "json"
  } log;
};

/// What the command line said: the text, and the flag for messages ("--alpha").
struct FlagValue {
  std::string text;
  std::string flag;
};

struct LoadOptions {
  std::optional<std::filesystem::path> config_file;  ///< --config
  std::map<std::string, FlagValue> flags;  ///< By key: {"image.alpha", {"drop", "--alpha"}}
  /// Reads a variable; empty function: the process's environment. For tests.
  std::function<std::optional<std::string>(const std::string& name)> environment;
  /// Looked at after the user's own; for tests.
  std::filesystem::path system_config_file = "/etc/sightline/config.toml";
};

/// One setting as it stands, for people and programs.
struct Described {
  std::string key;     ///< "image.alpha"
  Json value;          ///< String, unsigned number, bool or list of strings. Keys are not told.
  std::string source;  ///< "default", "file /x.toml:3", "environment SIGHTLINE_X", "flag --y"
  std::string unit;    ///< "bytes", "bytes/s", "ms", "pixels", or empty
  std::string rule;    ///< "1..1000000", "white | drop", or empty
  std::string default_value;  ///< As text.
  std::string help;           ///< One sentence.
};

struct LoadedSettings {
  Settings values;
  std::vector<Described> described;                  ///< In the order of the table.
  std::optional<std::filesystem::path> config_file;  ///< The file that was read.
};

/// errors  kNotFound: a file named by flag or environment is missing. kInvalidArgument: not TOML,
/// an
///         unknown key (names file, line and the nearest known key), a value of the wrong type or
///         out of range (names source, value and rule).
Result<LoadedSettings> load_settings(const LoadOptions& options);

/// "KEY = VALUE  # SOURCE" lines: a valid configuration file.
std::string describe_text(const LoadedSettings& settings);
/// {"config_file": path or null, "settings": {KEY: {"value", "source", "unit", "rule", "default",
/// "help"}}}
OrderedJson describe_json(const LoadedSettings& settings);

/// Bytes of memory this process may use: the machine's, within the limit of its control group.
std::uint64_t usable_memory_bytes();

}  // namespace sightline::settings
