#include "train/internal/catalogue_pictures.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <mutex>
#include <thread>

namespace sightline::train {
namespace {

constexpr double kLeastArea = 0.8;  // of a crop
constexpr double kStretch = 0.1;    // of a crop's aspect, as a share
constexpr double kContrast = 0.1, kBrightness = 0.1;

/// A part of the picture, in shares of its sides.
struct Window {
  double left = 0, top = 0, wide = 1, high = 1;
};

Window random_window(Random& random) {
  const double side = std::sqrt(random.uniform(kLeastArea, 1));
  const double stretch = std::exp(random.uniform(-kStretch, kStretch) / 2);
  Window window;
  window.wide = std::min(1.0, side * stretch);
  window.high = std::min(1.0, side / stretch);
  window.left = random.uniform(0, 1 - window.wide);
  window.top = random.uniform(0, 1 - window.high);
  return window;
}

/// Value v becomes v * gain + offset, then is normalised.
struct Tone {
  float gain = 1, offset = 0;
};

/// Where a row or column of the output is sampled: between two of the picture.
struct Tap {
  std::size_t first, second;
  float weight;  // of the second
};

std::vector<Tap> taps(std::size_t side, double begin, double length) {
  std::vector<Tap> out(side);
  const auto n = static_cast<double>(side);
  for (std::size_t i = 0; i < side; ++i) {
    const double at =
        std::clamp((begin + length * (static_cast<double>(i) + 0.5) / n) * n - 0.5, 0.0, n - 1);
    const auto first = static_cast<std::size_t>(at);
    out[i] = {first, std::min(first + 1, side - 1),
              static_cast<float>(at - static_cast<double>(first))};
  }
  return out;
}

void sample(const image::Image& picture, const Window& window, const Tone& tone,
            const image::PreprocessSpec& spec, std::span<float> out) {
  const auto columns = taps(picture.width, window.left, window.wide);
  const auto rows = taps(picture.height, window.top, window.high);
  const std::size_t area = picture.width * picture.height;
  std::array<float, 3> factor{}, add{};
  for (std::size_t c = 0; c < 3; ++c) {
    const double rescale = spec.do_rescale ? spec.rescale_factor : 1.0;
    const double mean = spec.do_normalize ? spec.mean[c] : 0.0;
    const double std = spec.do_normalize ? spec.std[c] : 1.0;
    factor[c] = static_cast<float>(rescale / std);
    add[c] = static_cast<float>(-mean / std);
  }
  for (std::size_t y = 0; y < picture.height; ++y) {
    const std::uint8_t* upper = picture.rgb.data() + rows[y].first * picture.width * 3;
    const std::uint8_t* lower = picture.rgb.data() + rows[y].second * picture.width * 3;
    const float down = rows[y].weight;
    for (std::size_t x = 0; x < picture.width; ++x) {
      const auto [first, second, right] = columns[x];
      for (std::size_t c = 0; c < 3; ++c) {
        const auto at = [c](const std::uint8_t* row, std::size_t column) {
          return static_cast<float>(row[column * 3 + c]);
        };
        const float above = at(upper, first) * (1 - right) + at(upper, second) * right;
        const float below = at(lower, first) * (1 - right) + at(lower, second) * right;
        const float value =
            std::clamp((above * (1 - down) + below * down) * tone.gain + tone.offset, 0.0f, 255.0f);
        out[c * area + y * picture.width + x] = value * factor[c] + add[c];
      }
    }
  }
}

}  // namespace

Result<void> CataloguePictures::read_all(std::size_t num_threads,
                                         const std::function<void(std::size_t)>& progress,
                                         std::stop_token stop) {
  const std::size_t n = catalogue_.names.size();
  kept_.assign(n, {});
  reasons_.assign(n, "");
  std::atomic<std::size_t> next{0}, done{0};
  std::atomic<std::uint64_t> bytes{0};
  std::mutex reporting;
  const auto work = [&] {
    for (std::size_t i; !stop.stop_requested() && (i = next++) < n;) {
      auto picture = resized(i);
      if (!picture) {
        reasons_[i] = picture.error().message;
      } else if (bytes += picture->rgb.size(); bytes <= max_bytes_) {
        kept_[i] = *std::move(picture);
      }
      if (const std::size_t so_far = ++done; so_far % 64 == 0 || so_far == n) {
        const std::lock_guard lock(reporting);
        progress(so_far);
      }
    }
  };
  if (num_threads == 0) num_threads = std::max(1u, std::thread::hardware_concurrency());
  {
    std::vector<std::jthread> workers;
    for (std::size_t i = 0; i < num_threads; ++i) workers.emplace_back(work);
  }
  if (done < n) return Status{StatusCode::kCancelled, "stopped while reading the pictures"};
  return {};
}

Result<image::Image> CataloguePictures::resized(std::size_t i) const {
  SIGHTLINE_TRY(const image::Image picture, catalogue_.load(i));
  auto small = image::resize_and_crop(picture.view(), spec_);
  if (!small) return small.error().with_context(catalogue_.names[i]);
  return small;
}

Result<void> CataloguePictures::draw_plain(std::size_t i, std::span<float> out) const {
  return draw(i, nullptr, out);
}

Result<void> CataloguePictures::draw_changed(std::size_t i, Random& random,
                                             std::span<float> out) const {
  return draw(i, &random, out);
}

Result<void> CataloguePictures::draw(std::size_t i, Random* random, std::span<float> out) const {
  Window window;
  Tone tone;
  if (random != nullptr) {
    window = random_window(*random);
    tone.gain = static_cast<float>(1 + kContrast * random->uniform(-1, 1));
    // Contrast turns about the middle gray.
    tone.offset = static_cast<float>(127.5 * (1 - static_cast<double>(tone.gain)) +
                                     255 * kBrightness * random->uniform(-1, 1));
  }
  if (!kept_[i].rgb.empty()) {
    sample(kept_[i], window, tone, spec_, out);
    return {};
  }
  SIGHTLINE_TRY(const image::Image picture, resized(i));
  sample(picture, window, tone, spec_, out);
  return {};
}

}  // namespace sightline::train
