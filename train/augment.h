// train/augment.h: a stored picture -> what the tower trains on, never twice the same.
#pragma once

#include <cstddef>
#include <span>

#include "image/preprocess.h"
#include "train/picture_store.h"
#include "train/random.h"

namespace sightline::train {

/// At strength 1; smaller strengths shrink every range and chance that distorts.
struct AugmentOptions {
  double rotation_degrees = 20;
  double scale_low = 0.7, scale_high = 1.35;
  double stretch = 0.15;   ///< Up to this much wider or higher, as a share.
  double shift = 0.1;      ///< Of the side.
  double mirror = 0.5;     ///< Chance, where a mirrored picture means the same.
  double letterbox = 0.3;  ///< Chance that the picture's own aspect is (partly) kept.
  double coloured_background =
      0.3;              ///< Chance; white otherwise, as pictures are composited to search.
  double colour = 0.5;  ///< Chance of changed brightness, contrast and colour.
  double gray = 0.1;    ///< Chance.
  double tint = 0.5;    ///< Chance that a one-colour icon is not black.
};

/// Draws size x size pixels, normalised with `spec`'s mean and std, into `out` [3, size, size].
/// Transparent parts show the background, as does what lies outside of the picture.
void augment(const StoredPicture& picture, std::size_t size, const image::PreprocessSpec& spec,
             const AugmentOptions& options, double strength, Random& random, std::span<float> out);

/// The whole picture on white, undistorted.
void draw_plain(const StoredPicture& picture, std::size_t size, const image::PreprocessSpec& spec,
                std::span<float> out);

}  // namespace sightline::train
