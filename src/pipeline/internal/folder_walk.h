// pipeline/internal/folder_walk.h: the pictures below a folder.
#pragma once

#include <string>

#include "pipeline/internal/name_filter.h"
#include "pipeline/internal/sources.h"

namespace sightline::pipeline {

struct WalkOptions {
  NameFilter filter;
  bool follow_symlinks = false;
  bool hidden = false;  ///< Take names that begin with "." too.
};

/// Gives `sink` every picture file (by extension) below `root`, which is absolute and resolved;
/// folders in order of their names' bytes, depth first. A folder reached a second time over a
/// followed link is passed over. What cannot be read goes to the sink, never ends the walk.
void walk_folder(const std::string& root, const WalkOptions& options, SourceSink& sink);

}  // namespace sightline::pipeline
