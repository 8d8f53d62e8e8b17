#include "pipeline/internal/name_filter.h"

#include <fnmatch.h>

#include <algorithm>

namespace sightline::pipeline {

NameFilter::NameFilter(const std::vector<std::string>& patterns) {
  for (const std::string& text : patterns) {
    Pattern pattern{text, text.size() > 1 && text.ends_with('/')};
    if (pattern.folders_only) pattern.glob.pop_back();
    patterns_.push_back(pattern);
    if (pattern.glob.starts_with("**/")) {
      pattern.glob.erase(0, 3);
      patterns_.push_back(pattern);
    }
  }
}

bool NameFilter::excludes(std::string_view path_below, bool is_folder) const {
  if (patterns_.empty()) return false;
  const std::string path(path_below);
  const std::string name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  return std::any_of(patterns_.begin(), patterns_.end(), [&](const Pattern& pattern) {
    if (pattern.folders_only && !is_folder) return false;
    return fnmatch(pattern.glob.c_str(), path.c_str(), 0) == 0 ||
           fnmatch(pattern.glob.c_str(), name.c_str(), 0) == 0;
  });
}

bool NameFilter::excludes_below(std::string_view path_below) const {
  if (patterns_.empty()) return false;
  for (std::size_t slash = path_below.find('/'); slash != path_below.npos;
       slash = path_below.find('/', slash + 1)) {
    if (excludes(path_below.substr(0, slash), true)) return true;
  }
  return excludes(path_below, false);
}

}  // namespace sightline::pipeline
