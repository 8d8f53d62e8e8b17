// eval/caption_examples.h: what an encoder finds and what it misses, for people to look at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/deadline.h"
#include "core/result.h"
#include "eval/caption_recall.h"
#include "image/image.h"

namespace sightline::eval {

/// What a search for a caption finds among all pictures.
struct CaptionExample {
  std::uint32_t caption = 0;
  std::uint32_t found = 0;   ///< The picture that scores highest.
  std::uint32_t wanted = 0;  ///< Of those that have the caption, the one that scores highest.
  std::size_t rank = 0;      ///< Of `wanted`, from 1; what scores alike stands before it.
};

struct CaptionExamples {
  std::vector<CaptionExample> hits;    ///< Of rank 1.
  std::vector<CaptionExample> misses;  ///< Beyond rank 10.
};

/// Up to `count` of each, not the best and the worst but evenly from all, in the order of the
/// captions. errors  kCancelled, kDeadlineExceeded.
Result<CaptionExamples> choose_caption_examples(const CaptionedEmbeddings& embeddings,
                                                std::size_t count, const Deadline& deadline);

struct ExamplePicture {
  std::string caption;
  image::Image wanted, found;
};

/// Whether `file` ends as a sheet may: .png, .jpg or .jpeg.
bool is_example_file(const std::filesystem::path& file);

/// Draws a sheet (is_example_file()): a row of hits, and one of misses with what was found
/// instead. Letters outside ASCII become question marks.
/// errors  kInvalidArgument: another ending; kIoError.
Result<void> draw_caption_examples(std::span<const ExamplePicture> hits,
                                   std::span<const ExamplePicture> misses,
                                   const std::filesystem::path& file);

}  // namespace sightline::eval
