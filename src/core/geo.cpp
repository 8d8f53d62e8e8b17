#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/filter.h"
#include "core/indexed_value.h"

namespace sightline {
namespace {

constexpr double kEarthRadiusMeters = 6'371'008.8;  // IUGG mean radius

double radians(double degrees) { return degrees * std::numbers::pi / 180; }

double squared_sine_of_half(double angle) {
  const double sine = std::sin(angle / 2);
  return sine * sine;
}

enum class Side { kOutside, kEdge, kInside };

/// Where `p` lies of a closed line: counts the edges that a ray eastwards crosses.
Side side_of(const std::vector<GeoPoint>& line, const GeoPoint& p) {
  bool inside = false;
  for (std::size_t i = 1; i < line.size(); ++i) {
    const GeoPoint& a = line[i - 1];
    const GeoPoint& b = line[i];
    const double cross =
        (b.lon - a.lon) * (p.lat - a.lat) - (b.lat - a.lat) * (p.lon - a.lon);  // > 0: p is left
    if (cross == 0 && std::min(a.lon, b.lon) <= p.lon && p.lon <= std::max(a.lon, b.lon) &&
        std::min(a.lat, b.lat) <= p.lat && p.lat <= std::max(a.lat, b.lat)) {
      return Side::kEdge;
    }
    const bool spans = (a.lat > p.lat) != (b.lat > p.lat);
    if (spans && (cross > 0) == (b.lat > a.lat)) inside = !inside;
  }
  return inside ? Side::kInside : Side::kOutside;
}

}  // namespace

std::optional<GeoPoint> geo_point(const Json& value) {
  if (!value.is_object()) return std::nullopt;
  const auto lon = value.find("lon");
  const auto lat = value.find("lat");
  if (lon == value.end() || !lon->is_number() || lat == value.end() || !lat->is_number()) {
    return std::nullopt;
  }
  const GeoPoint point{lon->get<double>(), lat->get<double>()};
  const bool within = std::abs(point.lon) <= 180 && std::abs(point.lat) <= 90;  // false for NaN
  return within ? std::optional(point) : std::nullopt;
}

double geo_distance_meters(const GeoPoint& a, const GeoPoint& b) {
  const double lat_a = radians(a.lat);
  const double lat_b = radians(b.lat);
  const double h = squared_sine_of_half(lat_b - lat_a) +
                   std::cos(lat_a) * std::cos(lat_b) * squared_sine_of_half(radians(b.lon - a.lon));
  return 2 * kEarthRadiusMeters * std::asin(std::sqrt(std::min(h, 1.0)));
}

bool contains(const GeoBox& box, const GeoPoint& point) {
  const bool east = box.top_left.lon < point.lon;
  const bool west = point.lon < box.bottom_right.lon;
  const bool crosses_antimeridian = box.top_left.lon > box.bottom_right.lon;
  return (crosses_antimeridian ? east || west : east && west) && box.bottom_right.lat < point.lat &&
         point.lat < box.top_left.lat;
}

bool contains(const GeoRadius& circle, const GeoPoint& point) {
  return geo_distance_meters(circle.center, point) < circle.meters;
}

bool contains(const GeoPolygon& polygon, const GeoPoint& point) {
  if (side_of(polygon.exterior, point) != Side::kInside) return false;
  return std::all_of(polygon.interiors.begin(), polygon.interiors.end(),
                     [&](const auto& line) { return side_of(line, point) == Side::kOutside; });
}

}  // namespace sightline
