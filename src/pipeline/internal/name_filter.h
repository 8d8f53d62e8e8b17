// pipeline/internal/name_filter.h: which names --exclude leaves out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sightline::pipeline {

/// Shell patterns (fnmatch): `*` also crosses "/", a leading "**/" may stand for nothing, a
/// trailing
/// "/" restricts a pattern to folders. A pattern leaves out what it matches as a whole: the path
/// below PATH, or the last name alone; a folder left out takes everything below it along.
/// Thread-safety: const methods may run on many threads at once.
class NameFilter {
 public:
  NameFilter() = default;
  explicit NameFilter(const std::vector<std::string>& patterns);

  bool excludes(std::string_view path_below, bool is_folder) const;
  /// Whether the path or one of the folders it lies in is left out (members of tars).
  bool excludes_below(std::string_view path_below) const;

 private:
  struct Pattern {
    std::string glob;
    bool folders_only = false;
  };
  std::vector<Pattern> patterns_;
};

}  // namespace sightline::pipeline
