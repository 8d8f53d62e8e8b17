#include "tests/pipeline/pictures.h"

#include <archive.h>
#include <archive_entry.h>

#include <chrono>
#include <memory>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <random>
#include <stdexcept>

namespace sightline::testing_support {
namespace {

std::string encode(const char* extension, std::uint32_t seed, int width, int height) {
  std::mt19937 random(seed);
  cv::Mat picture(height, width, CV_8UC3);
  // Blocks of colour: more like a picture than noise, and small as a file.
  for (int y = 0; y < height; y += 8) {
    for (int x = 0; x < width; x += 8) {
      const cv::Rect block(x, y, std::min(8, width - x), std::min(8, height - y));
      picture(block) = cv::Scalar(random() % 256, random() % 256, random() % 256);
    }
  }
  std::vector<unsigned char> bytes;
  if (!cv::imencode(extension, picture, bytes)) throw std::runtime_error("imencode failed");
  return std::string(bytes.begin(), bytes.end());
}

void check(archive* tar, int status) {
  // A warning is what names beyond ASCII get in the C locale.
  if (status < ARCHIVE_WARN) throw std::runtime_error(archive_error_string(tar));
}

}  // namespace

std::string make_png(std::uint32_t seed, int width, int height) {
  return encode(".png", seed, width, height);
}
std::string make_jpeg(std::uint32_t seed, int width, int height) {
  return encode(".jpg", seed, width, height);
}

std::string make_tar(const std::vector<std::pair<std::string, std::string>>& members) {
  std::size_t size = 64 << 10;
  for (const auto& [name, content] : members) size += content.size() + 4096;
  std::string bytes(size, '\0');
  std::size_t used = 0;
  {
    const std::unique_ptr<archive, int (*)(archive*)> tar(archive_write_new(), archive_write_free);
    check(tar.get(), archive_write_set_format_pax_restricted(tar.get()));
    check(tar.get(), archive_write_open_memory(tar.get(), bytes.data(), bytes.size(), &used));
    for (const auto& [name, content] : members) {
      const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                           archive_entry_free);
      archive_entry_set_pathname(entry.get(), name.c_str());
      archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
      archive_entry_set_filetype(entry.get(), AE_IFREG);
      archive_entry_set_perm(entry.get(), 0644);
      check(tar.get(), archive_write_header(tar.get(), entry.get()));
      archive_write_data(tar.get(), content.data(), content.size());
    }
    check(tar.get(), archive_write_close(tar.get()));
  }
  bytes.resize(used);
  return bytes;
}

void touch(const std::filesystem::path& file, int seconds) {
  std::filesystem::last_write_time(
      file, std::filesystem::last_write_time(file) + std::chrono::seconds(seconds));
}

}  // namespace sightline::testing_support
