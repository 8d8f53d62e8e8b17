// benchmarks/pipeline/random_picture.h: pictures made on the spot.
#pragma once

#include <cstdint>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string>
#include <vector>

namespace sightline::benchmarks {

/// A JPEG of 1280 x 960 pixels, about 150 KB, that depends on `seed` alone.
inline std::string random_picture(std::uint64_t seed) {
  cv::RNG random(seed);
  cv::Mat coarse(60, 80, CV_8UC3), picture;
  random.fill(coarse, cv::RNG::UNIFORM, 0, 256);
  cv::resize(coarse, picture, cv::Size(1280, 960), 0, 0, cv::INTER_CUBIC);
  std::vector<unsigned char> bytes;
  cv::imencode(".jpg", picture, bytes, {cv::IMWRITE_JPEG_QUALITY, 90});
  return std::string(bytes.begin(), bytes.end());
}

}  // namespace sightline::benchmarks
