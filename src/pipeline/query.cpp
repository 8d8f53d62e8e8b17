#include "pipeline/query.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <span>
#include <string>
#include <utility>

#include "pipeline/file_uri.h"
#include "pipeline/score_background.h"

namespace sightline::pipeline {
namespace {

constexpr std::size_t kMaxOperands = 64;
constexpr std::size_t kMaxTopK = 10'000;
/// A sum of unit vectors this short points nowhere but where rounding sends it.
constexpr double kShortestSum = 1e-4;

using Milliseconds = std::chrono::duration<double, std::milli>;

class Stopwatch {
 public:
  /// Milliseconds since the last call, or since the beginning.
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    return Milliseconds(now - std::exchange(last_, now)).count();
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

Result<void> check_query(const Query& query) {
  const std::size_t n = query.operands.size();
  if (n == 0 || n > kMaxOperands) {
    return invalid_argument("a query of " + std::to_string(n) + " operands; it must have 1..64");
  }
  if (query.top_k == 0 || query.top_k > kMaxTopK) {
    return invalid_argument("top_k is " + std::to_string(query.top_k) + "; it must be 1..10000");
  }
  for (const QueryOperand& operand : query.operands) {
    if (!std::isfinite(operand.weight) || operand.weight == 0) {
      return invalid_argument("a weight of " + std::to_string(operand.weight) +
                              "; it must be a number other than 0");
    }
    const auto* text = std::get_if<TextOperand>(&operand.what);
    if (text && text->text.find_first_not_of(" \t\r\n") == std::string::npos) {
      return invalid_argument("the query text is empty");
    }
  }
  return {};
}

/// `vector` += weight * unit(row)
Result<void> add_weighted(std::span<const float> row, double weight, std::vector<double>& sum) {
  if (row.size() != sum.size()) {
    return internal_error("an operand has " + std::to_string(row.size()) +
                          " dimensions, the collection " + std::to_string(sum.size()));
  }
  double squares = 0;
  for (const float x : row) squares += double{x} * x;
  if (!(squares > 0)) return invalid_argument("an operand's vector has length 0");
  const double factor = weight / std::sqrt(squares);
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += factor * row[i];
  return {};
}

Result<std::vector<float>> unit_vector(const std::vector<double>& sum) {
  double squares = 0;
  for (const double x : sum) squares += x * x;
  const double length = std::sqrt(squares);
  if (!(length > kShortestSum)) {
    return invalid_argument("the operands cancel each other out: their weighted sum has length " +
                            std::to_string(length));
  }
  std::vector<float> unit(sum.size());
  for (std::size_t i = 0; i < sum.size(); ++i) unit[i] = static_cast<float>(sum[i] / length);
  return unit;
}

std::size_t size_fact(const Json& facts, const char* key) {
  const auto value = facts.find(key);
  return value != facts.end() && value->is_number_unsigned() ? value->get<std::size_t>() : 0;
}

QueryHit to_hit(ScoredPoint point, std::size_t rank) {
  QueryHit hit;
  hit.rank = rank;
  hit.id = point.id;
  hit.score = point.score;
  hit.payload = std::move(point.payload);
  const auto facts = hit.payload.find("_image");
  if (facts != hit.payload.end() && facts->is_object()) {
    const auto uri = facts->find("uri");
    if (uri != facts->end() && uri->is_string()) {
      const auto& text = uri->get_ref<const std::string&>();
      if (text.starts_with("file:")) hit.path = display_path(text);  // an upload has none
    }
    hit.width = size_fact(*facts, "width");
    hit.height = size_fact(*facts, "height");
  }
  return hit;
}

/// The operands of a query, by kind, and what becomes of them.
class QueryEncoding {
 public:
  QueryEncoding(const CollectionStore& store, const QueryEncoder* encoder, codecs::AlphaRule alpha,
                const std::string& vector_name, Deadline deadline)
      : store_(store),
        encoder_(encoder),
        alpha_(alpha),
        vector_name_(vector_name),
        deadline_(deadline) {}

  Result<void> run(const Query& query, std::map<std::string, double>& timings) {
    for (const QueryOperand& operand : query.operands) {
      largest_weight_ = std::max(largest_weight_, std::abs(operand.weight));
    }
    for (const QueryOperand& operand : query.operands) sort_in(operand);
    if (encoder_ == nullptr && !(texts_.empty() && pictures_.empty())) {
      return failed_precondition("texts and pictures need a model; none is loaded");
    }
    Stopwatch watch;
    SIGHTLINE_TRY_DO(fetch_points());
    if (sum_.empty()) sum_.resize(encoder_->info().dim);
    for (std::size_t i = 0; i < points_.size(); ++i) {
      SIGHTLINE_TRY_DO(add_weighted(vectors_[i], point_weights_[i], sum_));
    }
    if (!points_.empty()) timings["points"] = watch.lap();
    double decode_ms = 0;
    if (!pictures_.empty()) {
      SIGHTLINE_TRY(decode_ms, encode_pictures());
      timings["decode"] = decode_ms;
    }
    if (!texts_.empty()) SIGHTLINE_TRY_DO(encode_texts());
    timings["encode"] = watch.lap() - decode_ms;
    SIGHTLINE_TRY(vector_, unit_vector(sum_));
    return {};
  }

  std::vector<float> take_vector() { return std::move(vector_); }
  std::vector<PointId> take_excluded() { return std::move(excluded_); }

 private:
  void sort_in(const QueryOperand& operand) {
    // Ratios count alone: what is very large or small would leave the range of the sum.
    const double weight = operand.weight / largest_weight_;
    if (const auto* text = std::get_if<TextOperand>(&operand.what)) {
      texts_.push_back(text->text);
      text_weights_.push_back(weight);
    } else if (const auto* image = std::get_if<ImageOperand>(&operand.what)) {
      Picture picture{image->name, image->file};
      if (!image->bytes.empty()) picture.data = image->bytes;
      pictures_.push_back(std::move(picture));
      picture_weights_.push_back(weight);
    } else {
      const PointId id = std::get<PointOperand>(operand.what).id;
      points_.push_back(id);
      point_weights_.push_back(weight);
      if (operand.weight > 0) excluded_.push_back(id);
    }
  }

  Result<void> fetch_points() {
    if (points_.empty()) return {};
    SIGHTLINE_TRY(auto stored, store_.get(points_, {false, true}));
    for (std::size_t i = 0; i < points_.size(); ++i) {
      if (!stored[i]) return not_found("there is no point " + points_[i].to_string());
      auto& vectors = stored[i]->vectors;
      const auto found = std::find_if(vectors.begin(), vectors.end(),
                                      [&](const NamedVector& v) { return v.name == vector_name_; });
      if (found == vectors.end()) {
        return invalid_argument(
            "point " + points_[i].to_string() + " has no " +
            (vector_name_.empty() ? "default vector" : "vector \"" + vector_name_ + "\""));
      }
      if (found->kind != VectorKind::kDense) {
        return invalid_argument("the default vector of point " + points_[i].to_string() + " is " +
                                std::string(vector_kind_name(found->kind)) +
                                "; a mixture is made of dense vectors");
      }
      vectors_.push_back(std::move(found->values));
      sum_.resize(vectors_.back().size());
    }
    return {};
  }

  /// Returns the milliseconds of decoding.
  Result<double> encode_pictures() {
    SIGHTLINE_TRY(const auto encoded, encoder_->encode_pictures(pictures_, alpha_, deadline_));
    for (std::size_t i = 0; i < encoded.rows.size(); ++i) {
      SIGHTLINE_TRY(const std::vector<float>& row, encoded.rows[i]);
      SIGHTLINE_TRY_DO(add_weighted(row, picture_weights_[i], sum_));
    }
    return encoded.decode_ms;
  }

  Result<void> encode_texts() {
    SIGHTLINE_TRY(const auto rows, encoder_->encode_texts(texts_, deadline_));
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      SIGHTLINE_TRY_DO(add_weighted(rows.row(i), text_weights_[i], sum_));
    }
    return {};
  }

  const CollectionStore& store_;
  const QueryEncoder* encoder_;
  const codecs::AlphaRule alpha_;
  const std::string& vector_name_;
  const Deadline deadline_;
  std::vector<std::string> texts_;
  std::vector<Picture> pictures_;
  std::vector<PointId> points_, excluded_;
  double largest_weight_ = 0;
  std::vector<double> text_weights_, picture_weights_, point_weights_;
  std::vector<std::vector<float>> vectors_;
  std::vector<double> sum_;
  std::vector<float> vector_;
};

}  // namespace

Json to_json(const QueryAnswer& answer) {
  Json hits = Json::array();
  for (const QueryHit& hit : answer.hits) {
    hits.push_back(Json{{"rank", hit.rank},
                        {"id", hit.id.to_json()},
                        {"score", hit.score},
                        {"path", hit.path},
                        {"width", hit.width},
                        {"height", hit.height},
                        {"payload", hit.payload}});
  }
  Json timings = Json::object();
  for (const auto& [stage, ms] : answer.timings_ms) timings[stage] = ms;
  return Json{{"hits", std::move(hits)},
              {"timings_ms", std::move(timings)},
              {"plan", to_json(answer.plan)}};
}

Json to_json(const SearchPlan& plan) {
  const double points = static_cast<double>(std::max<std::uint64_t>(plan.num_points, 1));
  return Json{{"strategy", plan.strategy},
              {"num_points", plan.num_points},
              {"num_estimated", plan.num_estimated},
              {"estimated_selectivity", static_cast<double>(plan.num_estimated) / points},
              {"num_allowed", plan.num_allowed},
              {"selectivity", static_cast<double>(plan.num_allowed) / points},
              {"num_scanned", plan.num_scanned},
              {"num_refined", plan.num_refined},
              {"num_lists", plan.num_lists},
              {"num_payloads_read", plan.num_payloads_read},
              {"num_shards", plan.num_shards},
              {"num_widened", plan.num_widened},
              {"warnings", plan.warnings}};
}

Result<QueryPipeline> QueryPipeline::create(CollectionStore& store,
                                            const encoders::Encoder* encoder,
                                            codecs::DecodeOptions decode, ComputePool& pool) {
  if (encoder == nullptr) return QueryPipeline(store, nullptr, decode.alpha);
  SIGHTLINE_TRY(const CollectionInfo info, store.info());
  SIGHTLINE_TRY_DO(check_same_model(info, encoder->info(), decode.alpha));
  return QueryPipeline(store, std::make_shared<const DirectEncoder>(*encoder, decode, pool),
                       decode.alpha);
}

Result<EncodedQuery> QueryPipeline::encode(const Query& query, Deadline deadline) const {
  try {
    EncodedQuery encoded;
    SIGHTLINE_TRY_DO(check_query(query));
    QueryEncoding encoding(*store_, encoder_.get(), alpha_, query.vector_name, deadline);
    SIGHTLINE_TRY_DO(encoding.run(query, encoded.timings_ms));
    SearchRequest& request = encoded.request;
    request.vector_name = query.vector_name;
    request.vector = encoding.take_vector();
    request.top_k = query.top_k;
    request.offset = query.offset;
    request.score_threshold = query.score_threshold;
    request.exclude = encoding.take_excluded();
    request.filter = query.filter;
    request.exact = query.exact;
    request.nprobe = query.nprobe;
    request.ef_search = query.ef_search;
    return encoded;
  } catch (const std::exception& e) {
    return internal_error(std::string("search: ") + e.what());
  }
}

double QueryPipeline::strong_spreads() const {
  const auto fitted = encoder_ ? encoder_->info().strong_spreads : std::nullopt;
  return fitted.value_or(kStrongSpreads);
}

Result<std::vector<QueryAnswer>> QueryPipeline::search_encoded(std::vector<EncodedQuery> queries,
                                                               Deadline deadline) const {
  try {
    Stopwatch watch;
    std::vector<SearchRequest> requests;
    for (EncodedQuery& query : queries) requests.push_back(std::move(query.request));
    SIGHTLINE_TRY(auto found, store_->search_batch(requests, deadline));
    const double search_ms = watch.lap();
    std::vector<QueryAnswer> answers(queries.size());
    for (std::size_t i = 0; i < answers.size(); ++i) {
      QueryAnswer& answer = answers[i];
      answer.plan = std::move(found[i].plan);
      for (ScoredPoint& point : found[i].hits) {
        answer.hits.push_back(
            to_hit(std::move(point), requests[i].offset + answer.hits.size() + 1));
      }
      answer.timings_ms = std::move(queries[i].timings_ms);
      double total = search_ms;
      for (const auto& [stage, ms] : answer.timings_ms) total += ms;
      answer.timings_ms["search"] = search_ms;
      answer.timings_ms["total"] = total;
    }
    return answers;
  } catch (const std::exception& e) {
    return internal_error(std::string("search: ") + e.what());
  }
}

Result<QueryAnswer> QueryPipeline::search(const Query& query, Deadline deadline) const {
  std::vector<EncodedQuery> one(1);
  SIGHTLINE_TRY(one[0], encode(query, deadline));
  SIGHTLINE_TRY(auto answers, search_encoded(std::move(one), deadline));
  return std::move(answers[0]);
}

}  // namespace sightline::pipeline
