// train/picture_store.h: the prepared training set: small pictures in one mapped file, their words
// beside it.
//
// A folder with
//   pictures.jsonl  one line a picture: source, name, title, words, held_out, one_colour,
//   may_mirror,
//                   file
//   pictures.rgba   kPictureBytes for each line
//   state.bin       8 bytes a line: float32 aspect, uint32 state (0 to do, 1 ready, 2 unusable)
// A picture's state is written after its pixels; a run that was killed goes on where it stopped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "core/result.h"
#include "train/render.h"
#include "train/sources.h"

namespace sightline::train {

/// One usable picture.
struct StoredPicture {
  std::string source, name;
  Words words;
  bool held_out = false, one_colour = false, may_mirror = true;
  std::filesystem::path file;          ///< Empty for icons.
  float aspect = 1.0f;                 ///< Width / height.
  std::uint64_t concept_id = 0;        ///< title_hash(): equal titles are true pairs of each other.
  std::span<const std::uint8_t> rgba;  ///< kPictureBytes, colours multiplied by alpha.
};

/// Thread-safety: const methods may run on many threads at once.
class PictureStore {
 public:
  /// From the store's folder. errors  kNotFound: nothing prepared; kFailedPrecondition: not all
  /// yet.
  static Result<PictureStore> open(const std::filesystem::path& folder);

  std::span<const StoredPicture> pictures() const { return pictures_; }
  std::size_t num_unusable() const { return num_unusable_; }

 private:
  std::shared_ptr<const void> mapping_;
  std::vector<StoredPicture> pictures_;
  std::size_t num_unusable_ = 0;
};

/// Called now and then with the number of pictures done and of all.
using PrepareProgress = std::function<void(std::size_t done, std::size_t total)>;

/// Renders every picture of `sources` that is not ready in `folder` yet, on `num_threads` threads
/// (0: one per core). A folder made from other sources is begun anew.
/// errors  kCancelled: `stop` was requested, what is done is kept; kIoError.
Result<void> prepare_pictures(const std::vector<SourcePicture>& sources,
                              const std::filesystem::path& folder, std::size_t num_threads,
                              const PrepareProgress& progress, std::stop_token stop);

}  // namespace sightline::train
