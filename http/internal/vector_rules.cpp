#include "http/internal/vector_rules.h"

namespace sightline::http {
namespace {

using pipeline::QueryInput;
using pipeline::VectorKind;

/// Checks the inputs of one level.
struct InputCheck {
  const pipeline::CollectionConfig& config;
  const std::string& name;

  Result<void> operator()(const QueryInput& input) const {
    if (const auto* dense = std::get_if<pipeline::DenseInput>(&input)) {
      return check_vector(config, name, VectorKind::kDense, dense->size());
    }
    if (const auto* multi = std::get_if<pipeline::MultiInput>(&input)) {
      return check_vector(config, name, VectorKind::kMulti, multi->rows.front().size());
    }
    const bool is_sparse = std::holds_alternative<pipeline::SparseInput>(input);
    return is_sparse ? check_vector(config, name, VectorKind::kSparse, 0) : check_name();
  }
  Result<void> operator()(const std::vector<QueryInput>& inputs) const {
    for (const QueryInput& input : inputs) SIGHTLINE_TRY_DO((*this)(input));
    return {};
  }
  Result<void> operator()(const std::vector<pipeline::ContextPair>& pairs) const {
    for (const pipeline::ContextPair& pair : pairs) {
      SIGHTLINE_TRY_DO((*this)(pair.positive));
      SIGHTLINE_TRY_DO((*this)(pair.negative));
    }
    return {};
  }

  Result<void> operator()(const pipeline::NearestQuery& query) const {
    return (*this)(query.input);
  }
  Result<void> operator()(const pipeline::RecommendQuery& query) const {
    SIGHTLINE_TRY_DO((*this)(query.positive));
    return (*this)(query.negative);
  }
  Result<void> operator()(const pipeline::DiscoverQuery& query) const {
    SIGHTLINE_TRY_DO((*this)(query.target));
    return (*this)(query.context);
  }
  Result<void> operator()(const pipeline::ContextQuery& query) const {
    return (*this)(query.pairs);
  }
  template <typename Other>
  Result<void> operator()(const Other&) const {
    return {};
  }

  Result<void> check_name() const { return check_vector_name(config, name); }
};

}  // namespace

Result<void> check_vector_name(const pipeline::CollectionConfig& config, const std::string& name) {
  if (config.vectors.contains(name)) return {};
  return invalid_argument("Wrong input: Not existing vector name error: " + name);
}

Result<void> check_selected(const pipeline::CollectionConfig& config,
                            const pipeline::VectorSelector& selector) {
  for (const std::string& name : selector.names) SIGHTLINE_TRY_DO(check_vector_name(config, name));
  return {};
}

Result<void> check_vector(const pipeline::CollectionConfig& config, const std::string& name,
                          VectorKind kind, std::size_t dim) {
  SIGHTLINE_TRY_DO(check_vector_name(config, name));
  const pipeline::VectorConfig& wanted = config.vectors.at(name);
  if ((kind == VectorKind::kSparse) != (wanted.kind == VectorKind::kSparse)) {
    return invalid_argument("Wrong input: Conversion between sparse and regular vectors failed");
  }
  if (kind == VectorKind::kSparse) return {};
  if (kind == VectorKind::kMulti && wanted.kind == VectorKind::kDense) {
    return invalid_argument("Wrong input: Conversion between multi and regular vectors failed");
  }
  if (dim == wanted.dim) return {};
  return invalid_argument("Wrong input: Vector dimension error: expected dim: " +
                          std::to_string(wanted.dim) + ", got " + std::to_string(dim));
}

Result<void> check_inputs(const pipeline::CollectionConfig& config,
                          const pipeline::PointQuery& query) {
  for (const pipeline::PointQuery& prefetch : query.prefetch) {
    SIGHTLINE_TRY_DO(check_inputs(config, prefetch));
  }
  SIGHTLINE_TRY_DO(check_selected(config, query.with_vectors));
  return std::visit(InputCheck{config, query.vector_name}, query.query);
}

}  // namespace sightline::http
