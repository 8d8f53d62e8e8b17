// apps/search_output.h: the answers of `sightline search` as a table, paths, JSON or a page.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "apps/query_operands.h"
#include "codecs/decode.h"
#include "core/json.h"
#include "core/point_id.h"
#include "pipeline/query.h"

namespace sightline::apps {

/// A query with its answer.
struct Answered {
  Operands operands;
  pipeline::QueryAnswer answer;
};

std::string answers_table(const std::vector<Answered>& answers);
/// Each followed by `separator`; points without a file are left out.
std::string answer_paths(const std::vector<Answered>& answers, char separator);
/// One answer, or those of --queries: {"queries": [...]}.
Json answers_json(const std::vector<Answered>& answers, bool is_batch);

/// JPEG bytes; empty: the point has none.
using FindThumbnail = std::function<std::string(const PointId&)>;
/// An HTML page; `decode` is for the pictures asked with.
std::string answers_page(const std::vector<Answered>& answers, const FindThumbnail& thumbnail,
                         const codecs::DecodeOptions& decode, const std::string& subtitle);

/// All that the plans warn of, each once.
std::set<std::string> warnings_of(const std::vector<Answered>& answers);

}  // namespace sightline::apps
