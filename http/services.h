// http/services.h: what routes work with; made by `sightline serve`, outlives the server.
#pragma once

#include "core/compute_pool.h"
#include "settings/settings.h"

namespace sightline::pipeline {
class DataFolder;
class EncoderHost;
class ImageSource;
class JobBoard;
}  // namespace sightline::pipeline

namespace sightline::http {

class Metrics;

/// Thread-safety: all of them may be used on many threads at once.
struct Services {
  pipeline::DataFolder& folder;
  pipeline::EncoderHost& encoders;  ///< Loaded models, concurrent requests put into batches.
  pipeline::ImageSource& images;    ///< What an `image` given as a string stands for.
  pipeline::JobBoard& jobs;         ///< Bulk indexing.
  ComputePool& pool;
  const settings::Settings& settings;
  Metrics& metrics;
};

}  // namespace sightline::http
