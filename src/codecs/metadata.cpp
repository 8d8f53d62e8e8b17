#include <algorithm>
#include <array>
#include <cmath>
#include <mutex>

#include "codecs/facts.h"
#include "codecs/internal/exiv2_compat.h"
#include "codecs/internal/metadata_text.h"

namespace sightline::codecs {
namespace {

constexpr std::size_t kMaxKeywords = 256;

// Some cameras write their name where a description belongs.
constexpr std::string_view kEmptyDescriptions[] = {
    "OLYMPUS DIGITAL CAMERA",     "SONY DSC",       "MINOLTA DIGITAL CAMERA",
    "KODAK Digital Still Camera", "DIGITAL CAMERA", "DCIM",
    "Exif_JPEG_PICTURE",          "SAMSUNG",        "default",
};

void lock_xmp(void* mutex, bool lock) {
  auto& shared = *static_cast<std::mutex*>(mutex);
  lock ? shared.lock() : shared.unlock();
}

// Once per process: the XMP toolkit inside exiv2 has global state, and exiv2 writes to stderr.
void set_up_exiv2() {
  static std::once_flag once;
  std::call_once(once, [] {
    static std::mutex xmp_mutex;
    Exiv2::LogMsg::setLevel(Exiv2::LogMsg::mute);
    Exiv2::XmpParser::initialize(lock_xmp, &xmp_mutex);
    enable_exiv2_bmff();
  });
}

// All metadata of one picture behind one way of asking.
class Metadata {
 public:
  Metadata(const Exiv2::ExifData& exif, const Exiv2::IptcData& iptc, const Exiv2::XmpData& xmp)
      : exif_(exif), iptc_(iptc), xmp_(xmp) {}

  /// The texts of a key, any of "Exif...", "Iptc...", "Xmp..."; none if it is missing.
  std::vector<std::string> texts(std::string_view key) const {
    std::vector<std::string> found;
    try {
      if (key.starts_with("Exif.")) {
        read_exif(std::string(key), found);
      } else if (key.starts_with("Iptc.")) {
        for (const Exiv2::Iptcdatum& datum : iptc_) {
          if (datum.key() == key) add(datum.toString(), found);
        }
      } else {
        read_xmp(std::string(key), found);
      }
    } catch (const std::exception&) {
      // A key that this version of exiv2 does not know, or a value that it cannot print.
    }
    return found;
  }

  /// The first text of the first key that has one.
  std::string text(std::initializer_list<std::string_view> keys) const {
    for (const std::string_view key : keys) {
      if (const auto found = texts(key); !found.empty()) return found.front();
    }
    return {};
  }

  /// Degrees from three rationals: degrees, minutes, seconds.
  std::optional<double> degrees(const char* key) const {
    try {
      const auto at = exif_.findKey(Exiv2::ExifKey(key));
      if (at == exif_.end() || at->count() < 1) return std::nullopt;
      double sum = 0, unit = 1;
      for (Exiv2Index i = 0; i < std::min<Exiv2Index>(3, static_cast<Exiv2Index>(at->count()));
           ++i, unit *= 60) {
        const Exiv2::Rational part = at->toRational(i);
        if (part.second == 0) {
          if (i == 0) return std::nullopt;
          continue;
        }
        sum += static_cast<double>(part.first) / static_cast<double>(part.second) / unit;
      }
      return sum;
    } catch (const std::exception&) {
      return std::nullopt;
    }
  }

 private:
  static void add(std::string_view raw, std::vector<std::string>& out) {
    std::string text = clean_text(raw);
    if (!text.empty()) out.push_back(std::move(text));
  }

  void read_exif(const std::string& key, std::vector<std::string>& out) const {
    const auto at = exif_.findKey(Exiv2::ExifKey(key));
    if (at == exif_.end()) return;
    // Windows' XP tags are bytes of UTF-16, which only print() turns into text.
    add(key.starts_with("Exif.Image.XP") ? at->print(&exif_) : at->toString(), out);
  }

  void read_xmp(const std::string& key, std::vector<std::string>& out) const {
    const auto at = xmp_.findKey(Exiv2::XmpKey(key));
    if (at == xmp_.end()) return;
    if (const auto* languages = dynamic_cast<const Exiv2::LangAltValue*>(&at->value())) {
      add(at->toString(Exiv2Index{0}), out);  // x-default
      for (const auto& [language, text] : languages->value_) {
        if (out.empty()) add(text, out);
      }
      return;
    }
    for (Exiv2Index i = 0; i < static_cast<Exiv2Index>(at->count()); ++i) add(at->toString(i), out);
  }

  const Exiv2::ExifData& exif_;
  const Exiv2::IptcData& iptc_;
  const Exiv2::XmpData& xmp_;
};

std::optional<std::string> taken_at(const Metadata& data) {
  const std::string iptc_date = data.text({"Iptc.Application2.DateCreated"});
  const std::string iptc_time = data.text({"Iptc.Application2.TimeCreated"});
  const std::array<std::pair<std::string, std::string>, 7> candidates{{
      {data.text({"Exif.Photo.DateTimeOriginal"}), data.text({"Exif.Photo.OffsetTimeOriginal"})},
      {data.text({"Xmp.exif.DateTimeOriginal"}), {}},
      {data.text({"Xmp.photoshop.DateCreated"}), {}},
      {iptc_date + (iptc_time.empty() ? "" : "T" + iptc_time), {}},
      {data.text({"Exif.Photo.DateTimeDigitized"}), data.text({"Exif.Photo.OffsetTimeDigitized"})},
      {data.text({"Xmp.xmp.CreateDate"}), {}},
      {data.text({"Exif.Image.DateTime"}), data.text({"Exif.Photo.OffsetTime"})},
  }};
  for (const auto& [text, offset] : candidates) {
    if (auto date = parse_date(text, offset)) return date;
  }
  return std::nullopt;
}

std::string camera(const Metadata& data) {
  const std::string make = data.text({"Exif.Image.Make", "Xmp.tiff.Make"});
  const std::string model = data.text({"Exif.Image.Model", "Xmp.tiff.Model"});
  if (make.empty() || model.starts_with(make)) return model;
  return model.empty() ? make : make + " " + model;
}

double rounded(double degrees) { return std::round(degrees * 1e7) / 1e7; }  // about a centimetre

Json place(const Metadata& data) {
  Json place = Json::object();
  auto lat = data.degrees("Exif.GPSInfo.GPSLatitude");
  auto lon = data.degrees("Exif.GPSInfo.GPSLongitude");
  if (lat && lon) {
    if (data.text({"Exif.GPSInfo.GPSLatitudeRef"}).starts_with('S')) *lat = -*lat;
    if (data.text({"Exif.GPSInfo.GPSLongitudeRef"}).starts_with('W')) *lon = -*lon;
    // Receivers without a fix write zeros.
    const bool nowhere = *lat == 0 && *lon == 0;
    if (!nowhere && std::abs(*lat) <= 90 && std::abs(*lon) <= 180) {
      place["lat"] = rounded(*lat);
      place["lon"] = rounded(*lon);
    }
  }
  const auto add = [&](const char* key, std::initializer_list<std::string_view> names) {
    if (std::string text = data.text(names); !text.empty()) place[key] = std::move(text);
  };
  add("name", {"Xmp.iptc.Location", "Iptc.Application2.SubLocation"});
  add("city", {"Xmp.photoshop.City", "Iptc.Application2.City"});
  add("country", {"Xmp.photoshop.Country", "Iptc.Application2.CountryName"});
  return place;
}

std::string caption(const Metadata& data) {
  std::string text = data.text({"Xmp.dc.description", "Iptc.Application2.Caption"});
  if (!text.empty()) return text;
  text = data.text({"Exif.Image.ImageDescription"});
  const bool empty = std::find(std::begin(kEmptyDescriptions), std::end(kEmptyDescriptions),
                               text) != std::end(kEmptyDescriptions);
  return empty || text.empty() ? data.text({"Exif.Image.XPComment"}) : text;
}

std::vector<std::string> keywords(const Metadata& data) {
  std::vector<std::string> words;
  const auto add = [&](std::string word) {
    if (word.empty() || words.size() >= kMaxKeywords) return;
    if (std::find(words.begin(), words.end(), word) == words.end())
      words.push_back(std::move(word));
  };
  for (const std::string_view key : {"Xmp.dc.subject", "Iptc.Application2.Keywords"}) {
    for (std::string& word : data.texts(key)) add(std::move(word));
  }
  std::string list = data.text({"Exif.Image.XPKeywords"});  // separated by semicolons
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find(';', at), list.size());
    add(clean_text(std::string_view(list).substr(at, end - at)));
    at = end + 1;
  }
  return words;
}

}  // namespace

Json read_metadata(std::span<const std::byte> bytes) {
  Json facts = Json::object();
  if (bytes.empty()) return facts;
  try {
    set_up_exiv2();
    const auto image = open_exiv2_image(
        static_cast<const std::uint8_t*>(static_cast<const void*>(bytes.data())), bytes.size());
    image->readMetadata();
    const Metadata data(image->exifData(), image->iptcData(), image->xmpData());
    const auto add = [&](const char* key, std::string text) {
      if (!text.empty()) facts[key] = std::move(text);
    };
    add("taken_at", taken_at(data).value_or(std::string()));
    add("camera", camera(data));
    add("caption", caption(data));
    add("title", data.text({"Xmp.dc.title", "Iptc.Application2.ObjectName", "Exif.Image.XPTitle",
                            "Xmp.photoshop.Headline", "Iptc.Application2.Headline"}));
    add("credit", data.text({"Xmp.photoshop.Credit", "Iptc.Application2.Credit", "Xmp.dc.creator",
                             "Iptc.Application2.Byline", "Exif.Image.Artist"}));
    add("rights",
        data.text({"Xmp.dc.rights", "Iptc.Application2.Copyright", "Exif.Image.Copyright"}));
    if (Json where = place(data); !where.empty()) facts["place"] = std::move(where);
    if (auto words = keywords(data); !words.empty()) facts["keywords"] = std::move(words);
  } catch (const std::exception&) {
    // Damaged or foreign: what was found so far stays.
  }
  return facts;
}

}  // namespace sightline::codecs
