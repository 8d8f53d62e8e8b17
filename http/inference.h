// http/inference.h: texts and pictures that requests give in place of vectors.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/deadline.h"
#include "core/result.h"
#include "http/access.h"
#include "http/services.h"
#include "pipeline/collection_store.h"

namespace sightline::http {

/// {"text": ..., "model": ...} or {"image": ..., "model": ...}.
struct InferenceInput {
  enum class Kind { kText, kImage } kind = Kind::kText;
  std::string content;      ///< The text; what ImageSource takes.
  std::string model;        ///< Not empty.
  std::string vector_name;  ///< Of the collection: whose vectors the result is one of.
};

/// Result i is the vector of input i. Texts of a model are encoded as one batch, its pictures as
/// another. Pictures of `principal` as load_image() says. Thread-safety: not on a worker of the
/// pool.
/// errors  kInvalidArgument: unknown vector name, another model than made the vectors of the name,
///         other dim, a sparse vector; kNotFound: no such model; kUnimplemented: BM25; those of
///         ImageSource and QueryEncoder. With several inputs the message says which.
Result<std::vector<std::vector<float>>> run_inference(const Services& services,
                                                      const Principal& principal,
                                                      const pipeline::CollectionConfig& config,
                                                      std::span<const InferenceInput> inputs,
                                                      const Deadline& deadline);

}  // namespace sightline::http
