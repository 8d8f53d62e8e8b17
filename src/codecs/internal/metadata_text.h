// codecs/internal/metadata_text.h: texts as cameras and programs really write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sightline::codecs {

/// Valid UTF-8 without surrounding blanks, control characters and what follows a NUL, at most
/// 4096 bytes. Bytes that are not UTF-8 are read as Windows-1252.
std::string clean_text(std::string_view raw);

/// RFC 3339 from "2024:05:06 07:08:09", "2024-05-06T07:08:09.1+02:00", "20240506" and the like.
/// `offset` ("+02:00") serves where the text has none; without either it is taken as UTC.
/// Nothing for years alone, impossible dates and the zeros of cameras whose clock was not set.
std::optional<std::string> parse_date(std::string_view text, std::string_view offset = {});

}  // namespace sightline::codecs
