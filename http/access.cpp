#include "http/access.h"

#include <algorithm>

namespace sightline::http {

bool Principal::may(Right wanted, std::string_view collection) const {
  return may(wanted) &&
         (!collections || std::ranges::find(*collections, collection) != collections->end());
}

}  // namespace sightline::http
