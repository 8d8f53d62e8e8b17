#include <algorithm>
#include <charconv>
#include <numeric>

#include "settings/internal/setting_table.h"

namespace sightline::settings::internal {
namespace {

constexpr std::uint64_t kKibi = 1024, kMebi = kKibi * 1024, kGibi = kMebi * 1024,
                        kTebi = kGibi * 1024;

template <typename T>
constexpr bool kIsList = std::is_same_v<T, std::vector<std::string>> ||
                         std::is_same_v<T, std::vector<std::filesystem::path>>;
template <typename T>
constexpr bool kIsNumber =
    std::is_same_v<T, std::uint64_t> || std::is_same_v<T, std::chrono::milliseconds>;

/// "1048576", and for bytes "64 MiB" or "64M".
std::optional<std::uint64_t> parse_number(std::string_view text, bool bytes) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  std::string_view suffix(end, text.data() + text.size());
  if (suffix.empty()) return number;
  if (!bytes) return std::nullopt;
  while (suffix.starts_with(' ')) suffix.remove_prefix(1);
  std::uint64_t factor = 0;
  for (const auto& [name, value] : {std::pair<std::string_view, std::uint64_t>{"K", kKibi},
                                    {"M", kMebi},
                                    {"G", kGibi},
                                    {"T", kTebi}}) {
    if (suffix == name || suffix == std::string(name) + "iB") factor = value;
  }
  if (factor == 0 || number > UINT64_MAX / factor) return std::nullopt;
  return number * factor;
}

/// ["a", "b"] or "a, b"; texts that are empty are left out. nullopt: another type.
std::optional<std::vector<std::string>> parse_list(const Json& value) {
  std::vector<std::string> list;
  if (value.is_array()) {
    for (const Json& element : value) {
      if (!element.is_string()) return std::nullopt;
      list.push_back(element.get<std::string>());
    }
    return list;
  }
  if (!value.is_string()) return std::nullopt;
  std::string_view text = value.get_ref<const std::string&>();
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    std::string_view item = text.substr(0, end);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (!item.empty()) list.emplace_back(item);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return list;
}

/// Texts that say "none" by being empty.
bool may_be_empty(const SettingRow& row) { return is_secret(row) || row.key == "server.keys_file"; }

Status bad_value(const SettingRow& row, const Json& value) {
  if (is_secret(row)) return invalid_argument(std::string(row.key) + " must be a text");
  const std::string rule = rule_of(row);
  return invalid_argument(std::string(row.key) + " is " + dump_json(value) + "; it must be " +
                          (rule.empty() ? "a text that is not empty" : rule));
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::span<const SettingRow> setting_table() {
  using S = Settings;
  using Text = Field<std::string>;
  using Number = Field<std::uint64_t>;
  using Path = Field<std::filesystem::path>;
  using Time = Field<std::chrono::milliseconds>;
  using Flag = Field<bool>;
  using Texts = Field<std::vector<std::string>>;
  using Paths = Field<std::vector<std::filesystem::path>>;
  static const std::vector<SettingRow> table = {
      {"data_dir",
       Path([](S & s) -> auto& { return s.data_dir; }),
       "",
       0,
       0,
       {},
       "Folder that holds the collections."},
      {"collection",
       Text([](S & s) -> auto& { return s.collection; }),
       "",
       0,
       0,
       {},
       "Collection that commands work on."},
      {"model",
       Text([](S & s) -> auto& { return s.model; }),
       "",
       0,
       0,
       {},
       "Hugging Face folder of the encoder, or \"embedded\" for the one that ships."},
      {"precision",
       Text([](S & s) -> auto& { return s.precision; }),
       "",
       0,
       0,
       {"fp32", "bf16", "fp16"},
       "Number format of the encoder's forward pass."},
      {"device",
       Text([](S & s) -> auto& { return s.device; }),
       "",
       0,
       0,
       {"auto", "cpu", "cuda"},
       "Where models run; auto takes CUDA when there is one."},
      {"threads",
       Number([](S & s) -> auto& { return s.threads; }),
       "",
       0,
       1024,
       {},
       "Threads that compute; 0 takes all cores."},
      {"image.alpha",
       Text([](S & s) -> auto& { return s.image.alpha; }),
       "",
       0,
       0,
       {"white", "drop"},
       "Transparent pictures: put them on white, or drop the alpha channel as Hugging Face's "
       "processors do."},
      {"image.max_pixels",
       Number([](S & s) -> auto& { return s.image.max_pixels; }),
       "pixels",
       1,
       100'000'000'000,
       {},
       "Larger pictures are skipped before a byte of them is decoded."},
      {"image.decode_bytes",
       Number([](S & s) -> auto& { return s.image.decode_bytes; }),
       "bytes",
       0,
       64 * kTebi,
       {},
       "Memory of all pictures in decoding together; one that needs more is decoded alone. 0 takes "
       "the smaller of 1 GiB and a quarter of the memory."},
      {"image.thumbnail_edge",
       Number([](S & s) -> auto& { return s.image.thumbnail_edge; }),
       "pixels",
       0,
       4096,
       {},
       "Longer edge of stored thumbnails; 0 stores none."},
      {"ingest.batch_size",
       Number([](S & s) -> auto& { return s.ingest.batch_size; }),
       "pictures",
       0,
       4096,
       {},
       "Pictures per forward pass; 0 lets the program choose."},
      {"storage.cache_bytes",
       Number([](S & s) -> auto& { return s.storage.cache_bytes; }),
       "bytes",
       kMebi,
       64 * kTebi,
       {},
       "RocksDB's block cache, shared by all collections."},
      {"storage.memtable_bytes",
       Number([](S & s) -> auto& { return s.storage.memtable_bytes; }),
       "bytes",
       kMebi,
       64 * kTebi,
       {},
       "RocksDB's write buffers, shared by all collections."},
      {"storage.background_rate_bytes",
       Number([](S & s) -> auto& { return s.storage.background_rate_bytes; }),
       "bytes",
       0,
       64 * kTebi,
       {},
       "What RocksDB writes in the background in a second, so that searches get their share of the "
       "disk, at least 1 MiB; 0 sets no limit."},
      {"storage.durability",
       Text([](S & s) -> auto& { return s.storage.durability; }),
       "",
       0,
       0,
       {"sync", "interval"},
       "A write is acknowledged once it is on disk (sync), or once the kernel has it and the disk "
       "within sync_interval_ms (interval)."},
      {"storage.sync_interval_ms",
       Time([](S & s) -> auto& { return s.storage.sync_interval; }),
       "ms",
       1,
       60'000,
       {},
       "Longest time between syncs with durability = \"interval\"."},
      {"index.memory_bytes",
       Number([](S & s) -> auto& { return s.index.memory_bytes; }),
       "bytes",
       0,
       64 * kTebi,
       {},
       "Anonymous memory of open collections: new points, codes, payload indexes, building, "
       "RocksDB's cache and write buffers; mapped files do not count. 0 takes half of the memory."},
      {"server.listen",
       Text([](S & s) -> auto& { return s.server.listen; }),
       "",
       0,
       0,
       {},
       "Address and port that the server listens on."},
      {"server.allow_public",
       Flag([](S & s) -> auto& { return s.server.allow_public; }),
       "",
       0,
       0,
       {},
       "Listen where others can reach the server though it has no keys."},
      {"server.allowed_hosts",
       Texts([](S & s) -> auto& { return s.server.allowed_hosts; }),
       "",
       0,
       0,
       {},
       "Names that requests without a key may call the server by, beside localhost."},
      {"server.cors_origins",
       Texts([](S & s) -> auto& { return s.server.cors_origins; }),
       "",
       0,
       0,
       {},
       "Origins whose pages may call the server (https://example.org), or * for all."},
      {"server.keys_file",
       Path([](S & s) -> auto& { return s.server.keys_file; }),
       "",
       0,
       0,
       {},
       "File of keys with their rights."},
      {"server.api_key",
       Text([](S & s) -> auto& { return s.server.api_key; }),
       "",
       0,
       0,
       {},
       "A key that may do everything."},
      {"server.read_only_api_key",
       Text([](S & s) -> auto& { return s.server.read_only_api_key; }),
       "",
       0,
       0,
       {},
       "A key that may read everything."},
      {"server.anonymous_read",
       Flag([](S & s) -> auto& { return s.server.anonymous_read; }),
       "",
       0,
       0,
       {},
       "Requests without a key may read."},
      {"server.allowed_roots",
       Paths([](S & s) -> auto& { return s.server.allowed_roots; }),
       "",
       0,
       0,
       {},
       "Folders of the server that requests may name files and models in."},
      {"server.max_json_bytes",
       Number([](S & s) -> auto& { return s.server.max_json_bytes; }),
       "bytes",
       1024,
       kGibi,
       {},
       "Largest JSON body."},
      {"server.max_json_in_flight_bytes",
       Number([](S & s) -> auto& { return s.server.max_json_in_flight_bytes; }),
       "bytes",
       1024,
       kTebi,
       {},
       "JSON bodies held at once; more get 429."},
      {"server.max_upload_bytes",
       Number([](S & s) -> auto& { return s.server.max_upload_bytes; }),
       "bytes",
       1024,
       64 * kTebi,
       {},
       "Largest upload."},
      {"server.max_connections",
       Number([](S & s) -> auto& { return s.server.max_connections; }),
       "",
       1,
       1'000'000,
       {},
       "Open connections; more are closed at once."},
      {"server.queue_size",
       Number([](S & s) -> auto& { return s.server.queue_size; }),
       "",
       1,
       1'000'000,
       {},
       "Requests that may wait for a thread, for each kind of work; more get 429."},
      {"server.io_threads",
       Number([](S & s) -> auto& { return s.server.io_threads; }),
       "",
       0,
       256,
       {},
       "Threads that move bytes; 0 lets the program choose."},
      {"server.query_threads",
       Number([](S & s) -> auto& { return s.server.query_threads; }),
       "",
       0,
       4096,
       {},
       "Searches and reads at once; 0 lets the program choose."},
      {"server.write_threads",
       Number([](S & s) -> auto& { return s.server.write_threads; }),
       "",
       0,
       4096,
       {},
       "Writes at once; 0 lets the program choose."},
      {"server.long_threads",
       Number([](S & s) -> auto& { return s.server.long_threads; }),
       "",
       0,
       4096,
       {},
       "Uploads and streams at once; 0 lets the program choose."},
      {"server.keep_alive_ms",
       Time([](S & s) -> auto& { return s.server.keep_alive; }),
       "ms",
       1000,
       86'400'000,
       {},
       "How long an idle connection stays open."},
      {"server.header_timeout_ms",
       Time([](S & s) -> auto& { return s.server.header_timeout; }),
       "ms",
       100,
       3'600'000,
       {},
       "How long a request's header may take."},
      {"server.min_body_bytes_per_s",
       Number([](S & s) -> auto& { return s.server.min_body_bytes_per_s; }),
       "bytes/s",
       1,
       kGibi,
       {},
       "Slower bodies are given up, after ten seconds."},
      {"server.query_timeout_ms",
       Time([](S & s) -> auto& { return s.server.query_timeout; }),
       "ms",
       1,
       86'400'000,
       {},
       "How long a search may take that names no timeout."},
      {"server.shutdown_grace_ms",
       Time([](S & s) -> auto& { return s.server.shutdown_grace; }),
       "ms",
       0,
       24'000,
       {},
       "When the server ends: how long requests may go on before they are called off."},
      {"server.access_log",
       Flag([](S & s) -> auto& { return s.server.access_log; }),
       "",
       0,
       0,
       {},
       "A line for every request."},
      {"server.fetch_urls",
       Flag([](S & s) -> auto& { return s.server.fetch_urls; }),
       "",
       0,
       0,
       {},
       "Requests may name pictures by http(s) addresses, of public servers alone."},
      {"server.max_picture_bytes",
       Number([](S & s) -> auto& { return s.server.max_picture_bytes; }),
       "bytes",
       1024,
       kGibi,
       {},
       "Largest picture that a request names or brings in JSON."},
      {"server.batch_size",
       Number([](S & s) -> auto& { return s.server.batch_size; }),
       "",
       1,
       4096,
       {},
       "Texts or pictures of concurrent requests that are encoded at once."},
      {"server.batch_wait_ms",
       Time([](S & s) -> auto& { return s.server.batch_wait; }),
       "ms",
       0,
       1000,
       {},
       "While the encoder is busy: how long a batch waits to become full."},
      {"server.cached_texts",
       Number([](S & s) -> auto& { return s.server.cached_texts; }),
       "",
       0,
       10'000'000,
       {},
       "Query texts whose embeddings are kept."},
      {"server.parallel_jobs",
       Number([](S & s) -> auto& { return s.server.parallel_jobs; }),
       "",
       1,
       64,
       {},
       "Indexing jobs that run at once."},
      {"log.level",
       Text([](S & s) -> auto& { return s.log.level; }),
       "",
       0,
       0,
       {"trace", "debug", "info", "warning", "error", "off"},
       "Least serious message to show."},
      {"log.format",
       Text([](S & s) -> auto& { return s.log.format; }),
       "",
       0,
       0,
       {"text", "json"},
       "Lines for people, or one JSON object per line."},
  };
  return table;
}

std::string environment_name(const SettingRow& row) {
  std::string name = "SIGHTLINE_";
  for (const char c : row.key) {
    name += c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return name;
}

bool is_secret(const SettingRow& row) { return row.key.ends_with("api_key"); }

std::string rule_of(const SettingRow& row) {
  return std::visit(
      [&](auto field) -> std::string {
        using T = std::remove_reference_t<std::invoke_result_t<decltype(field), Settings&>>;
        if constexpr (kIsNumber<T>) return std::to_string(row.min) + ".." + std::to_string(row.max);
        if constexpr (std::is_same_v<T, bool>) return "true | false";
        if constexpr (kIsList<T>) return "list of texts";
        std::string rule;
        for (const std::string_view choice : row.choices) {
          rule.append(rule.empty() ? "" : " | ").append(choice);
        }
        return rule;
      },
      row.field);
}

Json value_of(const SettingRow& row, const Settings& settings) {
  return std::visit(
      [&](auto field) -> Json {
        const auto& value = field(const_cast<Settings&>(settings));  // read only
        using T = std::remove_cvref_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::filesystem::path>) {
          return value.string();
        } else if constexpr (std::is_same_v<T, std::vector<std::filesystem::path>>) {
          Json list = Json::array();
          for (const auto& path : value) list.push_back(path.string());
          return list;
        } else if constexpr (std::is_same_v<T, std::chrono::milliseconds>) {
          return static_cast<std::uint64_t>(value.count());
        } else {
          return value;
        }
      },
      row.field);
}

Result<void> set_value(const SettingRow& row, Settings& settings, const Json& value) {
  return std::visit(
      [&](auto field) -> Result<void> {
        auto& target = field(settings);
        using T = std::remove_reference_t<decltype(target)>;
        if constexpr (kIsNumber<T>) {
          std::optional<std::uint64_t> number;
          if (value.is_number_unsigned()) number = value.get<std::uint64_t>();
          if (value.is_string()) {
            number = parse_number(value.get_ref<const std::string&>(), row.unit == "bytes");
          }
          if (!number || *number < row.min || *number > row.max) return bad_value(row, value);
          target = T(*number);
        } else if constexpr (std::is_same_v<T, bool>) {
          if (value != true && value != false && value != "true" && value != "false") {
            return bad_value(row, value);
          }
          target = value == true || value == "true";
        } else if constexpr (kIsList<T>) {
          const auto list = parse_list(value);
          if (!list) return bad_value(row, value);
          target.assign(list->begin(), list->end());
        } else {
          if (!value.is_string()) return bad_value(row, value);
          const auto& text = value.get_ref<const std::string&>();
          const bool allowed = row.choices.empty()
                                   ? !text.empty() || may_be_empty(row)
                                   : std::ranges::find(row.choices, text) != row.choices.end();
          if (!allowed) return bad_value(row, value);
          target = text;
        }
        return {};
      },
      row.field);
}

std::string_view nearest_key(std::string_view key) {
  const auto table = setting_table();
  return std::ranges::min_element(
             table, {},
             [&](const SettingRow& row) {
               // "alpha" is meant as image.alpha, whatever the distance of the section's name says.
               const std::string_view last = row.key.substr(row.key.rfind('.') + 1);
               return std::min(edit_distance(key, row.key), edit_distance(key, last) + 1);
             })
      ->key;
}

}  // namespace sightline::settings::internal
