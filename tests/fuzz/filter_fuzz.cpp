// Whatever the bytes, parse_filter() ends with an error or with a filter that can be written, read
// again and asked of any payload, its own JSON included.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/filter.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sightline;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const std::string& token : text_tokens(text)) {
    SIGHTLINE_CHECK(text_tokens(token) == std::vector{token});
  }
  (void)parse_datetime(text);
  const auto json = parse_json(text, "input");
  if (!json) return 0;
  const auto filter = parse_filter(*json);
  if (!filter) {
    SIGHTLINE_CHECK(!filter.error().message.empty());
    return 0;
  }
  const Json written = filter_to_json(*filter);
  const auto again = parse_filter(written);
  SIGHTLINE_CHECK(again.has_value());
  SIGHTLINE_CHECK(filter_to_json(*again) == written);

  const PointId id(7);
  const auto has_vector = [](std::string_view name) { return name == "image"; };
  static const Json payload = *parse_json(
      R"({"a": ["x", 1, null, {"b": [2.5, {"c": "some words"}]}], "b": true, "c": "2020-03-01",
          "d": {"lon": 1, "lat": 2}, "e": []})",
      "payload");
  for (const Json* asked : {&payload, &written}) {
    const FilterSubject subject{id, *asked, has_vector};
    Filter negation;
    negation.must_not.emplace_back(std::make_shared<const Filter>(*filter));
    SIGHTLINE_CHECK(matches(*filter, subject) == matches(*again, subject));
    SIGHTLINE_CHECK(matches(*filter, subject) != matches(negation, subject));
  }
  return 0;
}
