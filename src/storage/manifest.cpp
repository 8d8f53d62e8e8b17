#include "storage/internal/manifest.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>

#include "core/mutex.h"
#include "storage/internal/log_check.h"

namespace sightline::storage {
namespace {

constexpr const char* kMarkName = "manifest-size";
constexpr std::string_view kManifestPrefix = "MANIFEST-";

std::string manifest_in_use(const std::filesystem::path& folder) {
  std::string name;
  std::ifstream(folder / "CURRENT") >> name;
  return name;
}

class Marker final : public rocksdb::EventListener {
 public:
  Marker(rocksdb::Env& env, std::filesystem::path folder) : env_(env), folder_(std::move(folder)) {}
  void OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) override { mark(); }
  void OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo&) override { mark(); }

 private:
  void mark() {
    const MutexLock lock(mutex_);
    mark_manifest(env_, folder_);
  }

  Mutex mutex_;
  rocksdb::Env& env_;
  const std::filesystem::path folder_;
};

/// Reads one record of a MANIFEST: VersionEdit::DecodeFrom() of RocksDB 7.8 to 9.10. Only what
/// tables it adds and removes matters here.
class EditReader {
 public:
  /// `families`: their names by number.
  EditReader(std::string_view record, std::map<std::string, ListedTable>& tables,
             std::map<std::uint64_t, std::string>& families)
      : left_(record), tables_(tables), families_(families) {}

  /// False if the record is none.
  bool read() {
    while (!left_.empty() && !failed_) read_field(static_cast<std::uint32_t>(number()));
    if (failed_) return false;
    // Which family a record is about stands behind the tables.
    if (!added_family_.empty()) families_[family_] = added_family_;
    for (const std::string& name : added_tables_) {
      if (const auto table = tables_.find(name); table != tables_.end())
        table->second.family = families_[family_];
    }
    return true;
  }

 private:
  enum Tag : std::uint32_t {
    kComparator = 1,
    kLogNumber = 2,
    kNextFileNumber = 3,
    kLastSequence = 4,
    kCompactCursor = 5,
    kDeletedFile = 6,
    kPrevLogNumber = 9,
    kMinLogNumberToKeep = 10,
    kNewFile4 = 103,
    kColumnFamily = 200,
    kColumnFamilyAdd = 201,
    kColumnFamilyDrop = 202,
    kMaxColumnFamily = 203,
    kInAtomicGroup = 300,
    kSafeToIgnore = 1 << 13,  // and what follows has its length before it
  };

  void read_field(std::uint32_t tag) {
    switch (tag) {
      case kComparator:
        text();
        break;
      case kColumnFamilyAdd:
        added_family_ = text();
        break;
      case kColumnFamily:
        family_ = number();
        break;
      case kLogNumber:
      case kNextFileNumber:
      case kLastSequence:
      case kPrevLogNumber:
      case kMinLogNumberToKeep:
      case kMaxColumnFamily:
      case kInAtomicGroup:
        number();
        break;
      case kCompactCursor:
        number();  // level
        text();
        break;
      case kDeletedFile:
        number();  // level
        tables_.erase(table_name(number()));
        break;
      case kNewFile4:
        read_new_file();
        break;
      case kColumnFamilyDrop:
        break;
      default:
        if ((tag & kSafeToIgnore) == 0) failed_ = true;
        text();
    }
  }

  void read_new_file() {
    number();  // level
    const std::uint64_t file = number();
    ListedTable table;
    table.size = number();
    table.smallest = user_key(text());
    table.largest = user_key(text());
    number(), number();  // smallest and largest sequence number
    while (!failed_ && number() != 1) text();
    if (failed_) return;
    added_tables_.push_back(table_name(file));
    tables_[added_tables_.back()] = std::move(table);
  }

  /// Without sequence number and kind.
  static std::string user_key(std::string_view internal_key) {
    constexpr std::size_t kTail = 8;
    return std::string(
        internal_key.substr(0, internal_key.size() - std::min(internal_key.size(), kTail)));
  }

  std::uint64_t number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !left_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(left_.front());
      left_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    failed_ = true;
    return 0;
  }

  std::string_view text() {
    const std::uint64_t length = number();
    if (length > left_.size()) failed_ = true;
    if (failed_) return {};
    const std::string_view bytes = left_.substr(0, length);
    left_.remove_prefix(length);
    return bytes;
  }

  static std::string table_name(std::uint64_t number) {
    std::string digits = std::to_string(number);
    if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
    return digits + ".sst";
  }

  std::string_view left_;
  std::map<std::string, ListedTable>& tables_;
  std::map<std::uint64_t, std::string>& families_;
  std::uint64_t family_ = 0;
  std::string added_family_;
  std::vector<std::string> added_tables_;
  bool failed_ = false;
};

}  // namespace

void mark_manifest(rocksdb::Env& env, const std::filesystem::path& folder) {
  const std::string name = manifest_in_use(folder);
  const std::string path = folder / name;
  std::uint64_t size = 0;
  std::unique_ptr<rocksdb::WritableFile> file;
  rocksdb::Status status = env.GetFileSize(path, &size);
  if (status.ok()) status = env.ReopenWritableFile(path, &file, rocksdb::EnvOptions());
  if (status.ok()) status = file->Sync();
  if (!status.ok()) return;
  const std::string mark = folder / kMarkName;
  const std::string text = name + " " + std::to_string(size) + "\n";
  status = rocksdb::WriteStringToFile(&env, text, mark + ".tmp");
  if (status.ok()) status = env.RenameFile(mark + ".tmp", mark);
  status.PermitUncheckedError();
}

Result<void> check_manifest(const std::filesystem::path& folder, bool is_closed) {
  const std::string name = manifest_in_use(folder);
  std::string marked;
  std::uintmax_t marked_size = 0;
  std::ifstream(folder / kMarkName) >> marked >> marked_size;
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(folder / name, error);
  if (error && name.starts_with(kManifestPrefix) && !std::filesystem::exists(folder / name)) {
    return corruption((folder / name).string() + ", which CURRENT names, is missing");
  }
  if (error || !std::filesystem::is_regular_file(folder / name, error))
    return {};  // RocksDB's to say.
  if (marked == name && size < marked_size) {
    return corruption((folder / name).string() + " is " + std::to_string(size) +
                      " bytes, but was " + std::to_string(marked_size) + ": it was cut short");
  }
  const auto damage = find_log_damage(folder / name, is_closed);
  if (!damage || !*damage) return {};
  return corruption((folder / name).string() + " is damaged at byte " + std::to_string(**damage));
}

bool has_files(const std::filesystem::path& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const auto extension = entry.path().extension();
    if (extension == ".sst" || extension == ".log" ||
        entry.path().filename().string().starts_with(kManifestPrefix)) {
      return true;
    }
  }
  return false;
}

bool take_up_last_manifest(const std::filesystem::path& folder) {
  std::string last, marked;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    std::string name = entry.path().filename();
    if (name.starts_with(kManifestPrefix) && name > last) last = std::move(name);
  }
  std::ifstream(folder / kMarkName) >> marked;
  if (last.empty() || (!marked.empty() && marked != last)) return false;
  std::ofstream(folder / "CURRENT") << last << "\n";
  return check_manifest(folder, /*is_closed=*/true).has_value();
}

Result<std::map<std::string, ListedTable>> listed_tables(const std::filesystem::path& folder) {
  const auto path = folder / manifest_in_use(folder);
  std::map<std::string, ListedTable> tables;
  std::map<std::uint64_t, std::string> families;
  bool is_understood = true;
  SIGHTLINE_TRY_DO(visit_log(path, [&](std::string_view record) {
    is_understood = is_understood && EditReader(record, tables, families).read();
  }));
  if (!is_understood) return corruption(path.string() + ": a record cannot be read");
  return tables;
}

std::vector<DamagedTable> damaged_tables(const std::filesystem::path& folder) {
  std::vector<DamagedTable> damaged;
  const auto tables = listed_tables(folder);
  if (!tables) return damaged;
  for (const auto& [name, listed] : *tables) {
    std::error_code error;
    const std::uintmax_t size = std::filesystem::file_size(folder / name, error);
    if (error) {
      damaged.push_back({name, true, (folder / name).string() + " is missing", listed});
    } else if (size != listed.size) {
      damaged.push_back({name, false,
                         (folder / name).string() + " is " + std::to_string(size) +
                             " bytes instead of " + std::to_string(listed.size),
                         listed});
    }
  }
  return damaged;
}

std::shared_ptr<rocksdb::EventListener> manifest_marker(rocksdb::Env& env,
                                                        std::filesystem::path folder) {
  return std::make_shared<Marker>(env, std::move(folder));
}

}  // namespace sightline::storage
