// codecs/internal/exiv2_compat.h: what differs between exiv2 0.27 and 0.28. Included by .cpp files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exiv2/exiv2.hpp>

namespace sightline::codecs {

/// An owning smart pointer (auto_ptr in 0.27, unique_ptr in 0.28) to an image over borrowed bytes.
inline auto open_exiv2_image(const std::uint8_t* data, std::size_t size) {
#if EXIV2_TEST_VERSION(0, 28, 0)
  return Exiv2::ImageFactory::open(data, size);
#else
  return Exiv2::ImageFactory::open(data, static_cast<long>(size));
#endif
}

/// ISO base media files (HEIC, AVIF); 0.28 always reads them.
inline void enable_exiv2_bmff() {
#if !EXIV2_TEST_VERSION(0, 28, 0) && defined(EXV_ENABLE_BMFF)
  Exiv2::enableBMFF(true);
#endif
}

#if EXIV2_TEST_VERSION(0, 28, 0)
using Exiv2Index = std::size_t;
#else
using Exiv2Index = long;
#endif

}  // namespace sightline::codecs
