#include "train/picture_store.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>
#include <unordered_map>

#include "core/json.h"
#include "core/log.h"

namespace sightline::train {
namespace fs = std::filesystem;
namespace {

enum State : std::uint32_t { kToDo = 0, kReady = 1, kUnusable = 2 };
struct Entry {
  float aspect;
  std::uint32_t state;
};

struct MappedFile {
  void* data = nullptr;
  std::size_t size = 0;
  ~MappedFile() {
    if (data != nullptr) ::munmap(data, size);
  }
};

Status system_error(const char* what, const fs::path& path) {
  return io_error(std::string(what) + " " + path.string() + ": " + std::strerror(errno));
}

/// Maps `path`; made `size` bytes long first if `write`.
Result<std::shared_ptr<MappedFile>> map_file(const fs::path& path, std::size_t size, bool write) {
  const int file =
      ::open(path.c_str(), write ? O_RDWR | O_CREAT | O_CLOEXEC : O_RDONLY | O_CLOEXEC, 0644);
  if (file < 0) return system_error("cannot open", path);
  // posix_fallocate, so that a full disk is an error here and not a SIGBUS later.
  struct stat info {};
  int failed = write ? ::posix_fallocate(file, 0, static_cast<off_t>(size)) : 0;
  if (failed == 0 && ::fstat(file, &info) != 0) failed = errno;
  if (failed == 0 && static_cast<std::size_t>(info.st_size) < size) failed = EINVAL;
  auto mapped = std::make_shared<MappedFile>();
  if (failed == 0) {
    void* data =
        ::mmap(nullptr, size, write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, file, 0);
    if (data == MAP_FAILED) {
      failed = errno;
    } else {
      mapped->data = data;
      mapped->size = size;
    }
  }
  ::close(file);
  errno = failed;
  if (failed != 0) return system_error("cannot map", path);
  return mapped;
}

std::string listing(const std::vector<SourcePicture>& sources) {
  std::string out;
  for (const auto& picture : sources) {
    OrderedJson line{{"source", picture.source},         {"name", picture.name},
                     {"title", picture.words.title},     {"words", picture.words.words},
                     {"held_out", picture.held_out},     {"one_colour", picture.one_colour},
                     {"may_mirror", picture.may_mirror}, {"file", picture.file.string()}};
    out += line.dump(-1, ' ', false, OrderedJson::error_handler_t::replace) + '\n';
  }
  return out;
}

Result<std::string> read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return not_found(path.string() + " is missing: the training pictures are not prepared");
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

/// Place of each ready picture in `folder`, by source and name.
std::unordered_map<std::string, std::size_t> ready_pictures(const std::string& text,
                                                            const MappedFile& states) {
  std::unordered_map<std::string, std::size_t> places;
  const auto* entries = static_cast<const Entry*>(states.data);
  std::istringstream in(text);
  std::size_t i = 0;
  for (std::string line; std::getline(in, line) && (i + 1) * sizeof(Entry) <= states.size; ++i) {
    const Json item = Json::parse(line, nullptr, false);
    if (entries[i].state != kReady || !item.is_object()) continue;
    places[item.value("source", "") + '\n' + item.value("name", "")] = i;
  }
  return places;
}

/// Starts the files for a new list of pictures; pictures of the old list that are ready are kept.
Result<void> begin_anew(const fs::path& folder, const std::vector<SourcePicture>& sources,
                        const std::string& text, const Result<std::string>& before) {
  std::error_code error;
  fs::create_directories(folder, error);
  const fs::path rgba = folder / "pictures.rgba", state = folder / "state.bin";
  const fs::path new_rgba = folder / "pictures.rgba.part", new_state = folder / "state.bin.part";
  fs::remove(new_state, error);
  if (before) {
    const auto total = static_cast<std::size_t>(std::ranges::count(*before, '\n'));
    const auto old_states = map_file(state, total * sizeof(Entry), false);
    const auto old_pixels = map_file(rgba, total * kPictureBytes, false);
    if (old_states && old_pixels) {
      const auto places = ready_pictures(*before, **old_states);
      SIGHTLINE_TRY(const auto pixels, map_file(new_rgba, sources.size() * kPictureBytes, true));
      SIGHTLINE_TRY(const auto states, map_file(new_state, sources.size() * sizeof(Entry), true));
      for (std::size_t i = 0; i < sources.size(); ++i) {
        const auto found = places.find(sources[i].source + '\n' + sources[i].name);
        if (found == places.end()) continue;
        std::memcpy(
            static_cast<std::uint8_t*>(pixels->data) + i * kPictureBytes,
            static_cast<const std::uint8_t*>((*old_pixels)->data) + found->second * kPictureBytes,
            kPictureBytes);
        static_cast<Entry*>(states->data)[i] =
            static_cast<const Entry*>((*old_states)->data)[found->second];
      }
    }
  }
  // Without its list the folder counts as empty: the list goes first and comes back last.
  fs::remove(folder / "pictures.jsonl", error);
  fs::remove(rgba, error);
  fs::remove(state, error);
  if (fs::exists(new_state)) {
    fs::rename(new_rgba, rgba, error);
    fs::rename(new_state, state, error);
  }
  const fs::path unfinished = folder / "pictures.jsonl.part";
  std::ofstream(unfinished, std::ios::binary) << text;
  fs::rename(unfinished, folder / "pictures.jsonl", error);
  if (error) return io_error("cannot write " + (folder / "pictures.jsonl").string());
  return {};
}

}  // namespace

Result<void> prepare_pictures(const std::vector<SourcePicture>& sources, const fs::path& folder,
                              std::size_t num_threads, const PrepareProgress& progress,
                              std::stop_token stop) {
  if (sources.empty()) return invalid_argument("no pictures to prepare");
  const std::string text = listing(sources);
  const auto before = read_text(folder / "pictures.jsonl");
  if (!before || *before != text) {
    SIGHTLINE_TRY_DO(begin_anew(folder, sources, text, before));
  }
  SIGHTLINE_TRY(const auto pixels,
                map_file(folder / "pictures.rgba", sources.size() * kPictureBytes, true));
  SIGHTLINE_TRY(const auto states,
                map_file(folder / "state.bin", sources.size() * sizeof(Entry), true));
  auto* const entries = static_cast<Entry*>(states->data);
  auto* const bytes = static_cast<std::uint8_t*>(pixels->data);

  std::atomic<std::size_t> next{0}, done{0};
  std::mutex report;
  const auto work = [&] {
    for (std::size_t i; !stop.stop_requested() && (i = next++) < sources.size();) {
      if (entries[i].state == kToDo) {
        const auto& source = sources[i];
        const auto picture =
            source.svg.empty() ? render_file(source.file) : render_svg(source.svg, source.name);
        if (picture) {
          std::memcpy(bytes + i * kPictureBytes, picture->rgba.data(), kPictureBytes);
          entries[i].aspect = picture->aspect;
        } else {
          const std::lock_guard lock(report);
          log_warning("train", "left out " + source.source + " " + picture.error().message);
        }
        std::atomic_ref(entries[i].state)
            .store(picture ? kReady : kUnusable, std::memory_order_release);
      }
      if (const std::size_t n = ++done; progress && (n % 256 == 0 || n == sources.size())) {
        const std::lock_guard lock(report);
        progress(n, sources.size());
      }
    }
  };
  if (num_threads == 0) num_threads = std::max(1u, std::thread::hardware_concurrency());
  {
    std::vector<std::jthread> workers;
    for (std::size_t i = 0; i < num_threads; ++i) workers.emplace_back(work);
  }
  if (done < sources.size()) {
    return Status{StatusCode::kCancelled, "stopped while preparing pictures; run again to go on"};
  }
  return {};
}

Result<PictureStore> PictureStore::open(const fs::path& folder) {
  SIGHTLINE_TRY(const std::string text, read_text(folder / "pictures.jsonl"));
  const auto total = static_cast<std::size_t>(std::ranges::count(text, '\n'));
  SIGHTLINE_TRY(const auto pixels,
                map_file(folder / "pictures.rgba", total * kPictureBytes, false));
  SIGHTLINE_TRY(const auto states, map_file(folder / "state.bin", total * sizeof(Entry), false));
  const auto* entries = static_cast<const Entry*>(states->data);
  const auto* bytes = static_cast<const std::uint8_t*>(pixels->data);
  PictureStore store;
  store.mapping_ = pixels;
  std::istringstream in(text);
  std::size_t i = 0;
  try {
    for (std::string line; std::getline(in, line); ++i) {
      if (entries[i].state == kToDo) {
        return Status{StatusCode::kFailedPrecondition,
                      folder.string() + ": not every picture is prepared yet"};
      }
      if (entries[i].state == kUnusable) {
        ++store.num_unusable_;
        continue;
      }
      const Json item = Json::parse(line);
      StoredPicture picture;
      picture.source = item.at("source");
      picture.name = item.at("name");
      picture.words.title = item.at("title");
      picture.words.words = item.at("words").get<std::vector<std::string>>();
      picture.held_out = item.at("held_out");
      picture.one_colour = item.at("one_colour");
      picture.may_mirror = item.at("may_mirror");
      picture.file = item.at("file").get<std::string>();
      picture.aspect = entries[i].aspect;
      picture.concept_id = title_hash(picture.words.title);
      picture.rgba = {bytes + i * kPictureBytes, kPictureBytes};
      store.pictures_.push_back(std::move(picture));
    }
  } catch (const Json::exception& e) {
    return corruption((folder / "pictures.jsonl").string() + ", line " + std::to_string(i + 1) +
                      ": " + e.what());
  }
  return store;
}

}  // namespace sightline::train
