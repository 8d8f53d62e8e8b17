// apps/remote_work.h: what `sightline search` and `sightline index` ask of a server.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "apps/remote.h"
#include "core/result.h"
#include "pipeline/ingest.h"
#include "pipeline/query.h"

namespace sightline::apps {

struct RemoteAnswer {
  pipeline::QueryAnswer answer;
  std::string model;  ///< That made the collection's vectors; empty: not known.
};
/// The same answer as QueryPipeline::search() of the server's collection; pictures are uploaded.
Result<RemoteAnswer> search_remotely(RemoteServer& server, const std::string& collection,
                                     const pipeline::Query& query);
/// JPEG bytes; empty: there are none.
std::string remote_thumbnail(RemoteServer& server, const std::string& collection,
                             const PointId& id);

struct RemoteIndexing {
  std::string collection;
  std::vector<std::string> paths;  ///< Absolute, of the server.
  std::vector<std::string> exclude;
  bool prune = false, follow_symlinks = false, hidden = false;
  std::string model;  ///< Of a new collection; empty: the server's.
};
/// Starts a job and waits for its end; `stop` stops it in good order. `progress` as of ingest().
/// errors  those of RemoteServer; kInternal: the job failed, with its message.
Result<pipeline::IngestReport> index_remotely(
    RemoteServer& server, const RemoteIndexing& indexing,
    const std::function<void(const pipeline::IngestProgress&)>& progress, std::stop_token stop);

}  // namespace sightline::apps
