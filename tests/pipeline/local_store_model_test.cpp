// Random operations against a model of plain maps and an exact scan: with filters, sealing in the
// background, optimising, changing the structure of the index, reopening, and a handle that reads.
//
// SIGHTLINE_MODEL_ROUNDS makes it run longer, SIGHTLINE_MODEL_SEED otherwise.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <map>
#include <set>
#include <string>

#include "pipeline/vector_math.h"
#include "tests/pipeline/local_store_fixture.h"
#include "tests/pipeline/store_model.h"

namespace sightline::pipeline {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t fallback) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : fallback;
}

std::optional<double> score_of(const SearchRequest& request, const ModelVector& vector) {
  if (request.kind == VectorKind::kSparse) {
    std::optional<double> sum;
    for (std::size_t i = 0; i < request.indices.size(); ++i) {
      const auto found = vector.by_index.find(request.indices[i]);
      if (found != vector.by_index.end())
        sum = sum.value_or(0) + double{request.vector[i]} * double{found->second};
    }
    return sum;
  }
  const std::size_t dim = request.vector.size() / request.num_rows;
  double sum = 0;
  for (std::size_t q = 0; q < request.vector.size(); q += dim) {
    double best = -std::numeric_limits<double>::infinity();
    for (std::size_t r = 0; r < vector.values.size(); r += dim) {
      double product = 0;
      for (std::size_t i = 0; i < dim; ++i)
        product += double{request.vector[q + i]} * double{vector.values[r + i]};
      best = std::max(best, product);
    }
    sum += best;
  }
  return sum;
}

/// The store's answer from first principles: score, then id.
std::vector<std::pair<PointId, double>> nearest(const Model& model, const SearchRequest& request) {
  std::vector<std::pair<PointId, double>> all;
  for (const auto& [id, point] : model.points) {
    const auto vector = point.vectors.find(request.vector_name);
    if (vector == point.vectors.end()) continue;
    if (request.filter != nullptr && !satisfies(*request.filter, id, point)) continue;
    if (std::find(request.exclude.begin(), request.exclude.end(), id) != request.exclude.end())
      continue;
    if (const auto score = score_of(request, vector->second)) all.emplace_back(id, *score);
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return all;
}

class LocalStoreModel : public LocalStoreTest, public testing::WithParamInterface<unsigned> {
 protected:
  static constexpr std::uint64_t kNumIds = 300;

  static StoreOptions store_options() {
    StoreOptions options;
    options.durability = Durability::kInterval;
    options.sealing.full_rows = 60;
    options.sealing.small_rows = 20;
    options.sealing.idle = std::chrono::milliseconds(5);
    options.sealing.bulk_rows = 50;
    return options;
  }

  void SetUp() override {
    open(store_options());
    CollectionConfig config = config_of(4, Metric::kDot);
    config.vectors["b"] = {2, Metric::kDot, {}};
    config.vectors["s"] = {.metric = Metric::kDot, .kind = VectorKind::kSparse};
    config.vectors["m"] = {.dim = 2, .metric = Metric::kDot, .kind = VectorKind::kMulti};
    store_ = folder_->create_collection("d", config).value();
  }

  void compare_points(const CollectionStore& store, const Model& model) {
    const auto info = store.info();
    ASSERT_TRUE(info) << info.error().message;
    ASSERT_EQ(info->num_points, model.points.size());
    ASSERT_EQ(info->num_sources, model.sources.size());
    const auto points = store.scroll(std::nullopt, 1000, {true, true});
    ASSERT_TRUE(points) << points.error().message;
    ASSERT_EQ(points->size(), model.points.size());
    auto expected = model.points.begin();
    for (const StoredPoint& stored : *points) {
      const auto& [id, point] = *expected++;
      ASSERT_EQ(stored.id, id);
      ASSERT_EQ(stored.payload, point.payload) << id.to_string();
      std::map<std::string, ModelVector> vectors;
      for (const NamedVector& vector : stored.vectors) {
        ASSERT_TRUE(std::is_sorted(vector.indices.begin(), vector.indices.end()));
        vectors[vector.name] = to_model(vector);
      }
      ASSERT_EQ(vectors, point.vectors) << id.to_string();
      const auto thumbnail = store.thumbnail(id);
      ASSERT_EQ(thumbnail ? *thumbnail : "", point.thumbnail);
    }
    std::map<std::string, std::optional<PointId>> sources;
    ASSERT_TRUE(store.visit_sources("", [&](const SourceRecord& record) {
      sources[record.uri] = record.id;
      return true;
    }));
    ASSERT_EQ(sources, model.sources);
    for (int hash = 0; hash < 9; ++hash) {
      const std::string text = "sha256:" + std::to_string(hash);
      const auto has_it = [&](const auto& entry) {
        return entry.second.payload.contains("_image") &&
               entry.second.payload["_image"]["content_hash"] == text;
      };
      const auto found = store.find_content(text).value();
      ASSERT_EQ(found.has_value(), std::any_of(model.points.begin(), model.points.end(), has_it));
      if (found) {
        ASSERT_TRUE(has_it(*model.points.find(*found)));
      }
    }
  }

  void compare_search(const CollectionStore& store, const Model& model) {
    SearchRequest request;
    const NamedVector query = operations_.named();
    request.vector_name = query.name;
    request.vector = query.values;
    request.kind = query.kind;
    request.indices = query.indices;
    request.num_rows = query.num_rows;
    request.top_k = 1 + operations_.number(80);
    request.offset = operations_.number(5);
    request.exact = true;
    if (!operations_.chance(3)) request.filter = operations_.filter();
    for (std::uint64_t left = operations_.number(3); left > 0; --left)
      request.exclude.push_back(operations_.id());
    if (operations_.chance(10)) {
      for (int i = 0; i < 80; ++i) request.exclude.push_back(operations_.id());
    }
    const auto truth = nearest(model, request);
    const auto answer = store.search(request, Deadline::never());
    ASSERT_TRUE(answer) << answer.error().message;
    const std::vector<ScoredPoint>& hits = answer->hits;
    const std::size_t available = truth.size() > request.offset ? truth.size() - request.offset : 0;
    ASSERT_EQ(hits.size(), std::min(available, request.top_k));
    for (std::size_t i = 0; i < hits.size(); ++i) {
      ASSERT_EQ(hits[i].id, truth[i + request.offset].first);
      ASSERT_EQ(double{hits[i].score}, truth[i + request.offset].second);
      ASSERT_EQ(hits[i].payload, model.points.at(hits[i].id).payload);
    }
    ASSERT_NO_FATAL_FAILURE(compare_scored(store, request, hits));
    compare_approximate(store, model, request, truth);
  }

  /// By a score of one's own, which is the same.
  void compare_scored(const CollectionStore& store, const SearchRequest& request,
                      const std::vector<ScoredPoint>& expected) {
    const VectorConfig config = store.info()->config.vectors.at(request.vector_name);
    NamedVector query{request.vector_name, request.vector, request.kind, request.indices,
                      request.num_rows};
    ASSERT_TRUE(prepare_vector(config, query));
    ScoredSearch search;
    search.vector_name = request.vector_name;
    search.score = [&](const VectorView& stored) {
      return similarity(config, query.view(), stored);
    };
    search.top_k = request.top_k;
    search.offset = request.offset;
    search.exclude = request.exclude;
    search.filter = request.filter;
    const auto answer = store.search_by(search, Deadline::never());
    ASSERT_TRUE(answer) << answer.error().message;
    ASSERT_EQ(answer->hits.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(answer->hits[i].id, expected[i].id);
      ASSERT_EQ(answer->hits[i].score, expected[i].score);
      ASSERT_EQ(answer->hits[i].payload, expected[i].payload);
    }
  }

  /// Where there is an index of "n" or "tag": orders and facets.
  void compare_values(const CollectionStore& store, const Model& model) {
    const auto filter = operations_.filter();
    const auto indexes = store.info()->payload_indexes;
    std::map<std::string, std::uint64_t> tags;
    std::vector<std::pair<std::int64_t, PointId>> numbers;
    for (const auto& [id, point] : model.points) {
      if (!satisfies(*filter, id, point)) continue;
      if (point.payload.contains("tag")) ++tags[point.payload["tag"].get<std::string>()];
      if (point.payload.contains("n")) numbers.emplace_back(point.payload["n"], id);
    }
    const auto facet = store.facet({"tag", 10, filter}, Deadline::never());
    ASSERT_EQ(facet.has_value(), indexes.contains("tag"));
    if (facet) {
      std::map<std::string, std::uint64_t> counts;
      for (const FacetHit& hit : *facet) counts[std::get<std::string>(hit.value)] = hit.count;
      ASSERT_EQ(counts, tags);
    }
    OrderedScroll order;
    order.key = "n";
    order.descending = operations_.chance(2);
    order.limit = 1 + operations_.number(60);
    order.filter = filter;
    if (operations_.chance(2)) order.start_from = static_cast<double>(operations_.number(20)) / 2;
    const auto found = store.scroll_ordered(order, Deadline::never());
    ASSERT_EQ(found.has_value(), indexes.contains("n"));
    if (!found) return;
    if (order.start_from) {
      std::erase_if(numbers, [&](const auto& number) {
        const double from = std::get<double>(*order.start_from);
        const auto value = static_cast<double>(number.first);
        return order.descending ? value > from : value < from;
      });
    }
    std::sort(numbers.begin(), numbers.end());
    if (order.descending) std::reverse(numbers.begin(), numbers.end());
    numbers.resize(std::min(numbers.size(), order.limit));
    ASSERT_EQ(found->size(), numbers.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      ASSERT_EQ((*found)[i].point.id, numbers[i].second) << i;
      ASSERT_EQ(std::get<std::int64_t>((*found)[i].value), numbers[i].first);
    }
  }

  /// Through lists or links some may be missing, but nothing is wrong or there twice.
  void compare_approximate(const CollectionStore& store, const Model& model, SearchRequest request,
                           const std::vector<std::pair<PointId, double>>& truth) {
    request.exact = false;
    const std::map<PointId, double> allowed(truth.begin(), truth.end());
    const auto answer = store.search(request, Deadline::never());
    ASSERT_TRUE(answer) << answer.error().message;
    std::set<PointId> seen;
    double last = std::numeric_limits<double>::infinity();
    for (const ScoredPoint& hit : answer->hits) {
      ASSERT_TRUE(seen.insert(hit.id).second) << hit.id.to_string() << " twice";
      ASSERT_TRUE(allowed.contains(hit.id)) << hit.id.to_string();
      ASSERT_EQ(double{hit.score}, allowed.at(hit.id));
      ASSERT_LE(double{hit.score}, last);
      last = double{hit.score};
      ASSERT_EQ(hit.payload, model.points.at(hit.id).payload);
    }
  }

  void compare_filters(const CollectionStore& store, const Model& model) {
    const auto filter = operations_.filter();
    std::vector<PointId> expected;
    for (const auto& [id, point] : model.points)
      if (satisfies(*filter, id, point)) expected.push_back(id);
    const std::string shown = filter_to_json(*filter).dump();
    ASSERT_EQ(store.count(filter).value(), expected.size()) << shown;
    const std::optional<PointId> from =
        operations_.chance(2) ? std::optional(operations_.id()) : std::nullopt;
    if (from)
      expected.erase(expected.begin(), std::lower_bound(expected.begin(), expected.end(), *from));
    const std::size_t limit = 1 + operations_.number(40);
    expected.resize(std::min(expected.size(), limit));
    std::vector<PointId> found;
    const auto points = store.scroll(from, limit, {false, false}, filter).value();
    for (const StoredPoint& point : points) found.push_back(point.id);
    ASSERT_EQ(found, expected) << shown;
  }

  void compare(const CollectionStore& store, const Model& model) {
    ASSERT_NO_FATAL_FAILURE(compare_points(store, model));
    for (int i = 0; i < 5; ++i) {
      ASSERT_NO_FATAL_FAILURE(compare_search(store, model));
      ASSERT_NO_FATAL_FAILURE(compare_filters(store, model));
      ASSERT_NO_FATAL_FAILURE(compare_values(store, model));
    }
  }

  /// A version that the point has or has not.
  void expect_version(UpsertPoint& op, Model& model) {
    const auto stored = get(op.id, {false, false});
    op.mode = WriteMode::kUpsert;
    if (stored && operations_.chance(2)) {
      op.expected_version = stored->version;
      model.apply(op);
    } else {
      op.expected_version = stored ? stored->version + 1 : 1;
    }
  }

  void write_some(Model& model) {
    std::vector<WriteOp> ops;
    model.begin_request();
    if (operations_.chance(6)) {
      UpsertPoint op = operations_.upsert();
      expect_version(op, model);
      ops.emplace_back(std::move(op));
    } else {
      for (std::uint64_t left = 1 + operations_.number(12); left > 0; --left) {
        ops.push_back(operations_.operation(model));
        std::visit([&](const auto& op) { model.apply(op); }, ops.back());
      }
    }
    write(std::move(ops));
  }

  void change_structure() {
    switch (operations_.number(6)) {
      case 0: {
        static constexpr std::array kSpecs = {"Flat", "auto", "IVF4,Flat", "IVF2,SQ8", "HNSW8"};
        const auto set = store_->set_index("", kSpecs[operations_.number(kSpecs.size())], 0.9);
        ASSERT_TRUE(set) << set.error().message;
        break;
      }
      case 1:
        ASSERT_TRUE(store_->create_payload_index("tag", FieldType::kKeyword));
        ASSERT_TRUE(store_->create_payload_index("n", FieldType::kInteger));
        break;
      case 2:
        ASSERT_TRUE(store_->create_payload_index("list", FieldType::kInteger));
        ASSERT_TRUE(store_->create_payload_index("deep.x", FieldType::kFloat));
        break;
      case 3:
        ASSERT_TRUE(store_->drop_payload_index(operations_.chance(2) ? "tag" : "list"));
        break;
      default: {
        OptimizeOptions options;
        options.force = operations_.chance(2);
        const auto optimised = store_->optimize(options, Deadline::never());
        ASSERT_TRUE(optimised) << optimised.error().message;
      }
    }
  }

  RandomOperations operations_{
      static_cast<unsigned>(from_environment("SIGHTLINE_MODEL_SEED", GetParam())), kNumIds};
};

TEST_P(LocalStoreModel, AgreesAfterRandomOperations) {
  SCOPED_TRACE("seed " + std::to_string(GetParam()));
  auto reading = DataFolder::open(dir_ / "data", Access::kRead, {}, pool_);
  ASSERT_TRUE(reading) << reading.error().message;
  auto reader = (*reading)->open_collection("d");
  ASSERT_TRUE(reader) << reader.error().message;

  Model model;
  const std::uint64_t num_rounds = from_environment("SIGHTLINE_MODEL_ROUNDS", 800);
  for (std::uint64_t round = 0; round < num_rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    ASSERT_NO_FATAL_FAILURE(write_some(model));
    if (round % 23 == 22) {
      ASSERT_NO_FATAL_FAILURE(change_structure());
    }
    if (round % 10 == 9) {
      ASSERT_NO_FATAL_FAILURE(compare(*store_, model));
    }
    if (round % 40 == 19) {
      ASSERT_TRUE((*reader)->catch_up());
      ASSERT_NO_FATAL_FAILURE(compare(**reader, model)) << "reader";
    }
    if (round % 100 == 99) {
      store_.reset();
      folder_.reset();
      open(store_options());
      store_ = folder_->open_collection("d").value();
      ASSERT_NO_FATAL_FAILURE(compare(*store_, model));
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, LocalStoreModel, testing::Values(1U, 2U, 3U));

}  // namespace
}  // namespace sightline::pipeline
