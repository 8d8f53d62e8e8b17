// tests/pipeline/recording_sink.h: remembers what a reader of sources found.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "pipeline/internal/sources.h"

namespace sightline::pipeline {

class RecordingSink final : public SourceSink {
 public:
  bool wants_more() const override { return sources.size() < limit; }
  bool add(Source source) override {
    sources.push_back(std::move(source));
    return wants_more();
  }
  void unreadable_folder(const std::string& path, const std::string&) override {
    unreadable.push_back(path);
  }
  void present(const std::string& uri) override { present_uris.push_back(uri); }

  std::vector<std::string> uris() const {
    std::vector<std::string> result;
    for (const Source& source : sources) result.push_back(source.uri);
    return result;
  }

  std::size_t limit = 1'000'000;
  std::vector<Source> sources;
  std::vector<std::string> unreadable, present_uris;
};

}  // namespace sightline::pipeline
