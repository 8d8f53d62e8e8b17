// pipeline/internal/manifest_reader.h: pictures listed by a JSONL or CSV file (docs/ingest.md).
#pragma once

#include <functional>
#include <string>

#include "core/result.h"
#include "pipeline/internal/sources.h"

namespace sightline::pipeline {

enum class ManifestKind { kJsonLines, kCsv };

/// What can be said before a row is used: that it can be read, has a column `image` and none that
/// is reserved.
/// errors  kNotFound, kPermissionDenied, kIoError, kInvalidArgument: names file, line and rule.
Result<void> check_manifest(const std::string& path, ManifestKind kind);

/// What a row must fulfil besides: kInvalidArgument with the rule makes it a bad row. `columns`:
/// all but `image` and `id`.
using RowRule = std::function<Result<void>(const Json& columns)>;

/// Gives every row to `sink`: a source, or a bad source where the row or its picture is unusable.
/// errors  as check_manifest().
Result<void> read_manifest(const std::string& path, ManifestKind kind, SourceSink& sink,
                           const RowRule& rule = {});

/// The value of a CSV field: integers, decimal fractions, `true` and `false` where the text is
/// exactly how JSON writes them (an integer must fit 64 bits), else a string: "007", "+1" and
/// "1e999" stay strings.
Json parse_csv_value(const std::string& text);

}  // namespace sightline::pipeline
