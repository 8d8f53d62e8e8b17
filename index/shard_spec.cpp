#include "index/shard_spec.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace sightline::index {
namespace {

constexpr std::size_t kMaxDim = 65536;
constexpr std::size_t kMaxLists = std::size_t{1} << 20;
// Rows of the guide in DESIGN.md, "Growing and sealed shards".
constexpr std::uint64_t kFlatRows = 100'000;
constexpr std::uint64_t kIvfFlatRows = 10'000'000;
// FAISS warns below this many training rows for a centroid.
constexpr std::size_t kRowsPerList = 39;

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

Status not_understood(std::string_view text, const std::string& why = "") {
  return invalid_argument("index spec \"" + std::string(text) + "\" is not understood" +
                          (why.empty() ? "" : " (" + why + ")") +
                          "; it must be auto, Flat, IVF<lists>,Flat, IVF<lists>,SQ8, "
                          "IVF<lists>,PQ<bytes> or HNSW<links>, as in FAISS's index_factory "
                          "(IVF without a number: by the number of rows); \",Refine(SQfp16)\" "
                          "behind auto, SQ8 or PQ keeps full vectors as fp16");
}

/// `text` behind `prefix`, as a number: nothing if it is something else, 0 if there is no number.
std::optional<std::size_t> number_after(std::string_view text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return std::nullopt;
  const std::string_view digits = text.substr(prefix.size());
  if (digits.empty()) return 0;
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size() || number == 0) {
    return std::nullopt;
  }
  return number;
}

Result<ShardSpec> parse_ivf(std::string_view text, std::string_view lists, std::string_view codes) {
  ShardSpec spec;
  spec.automatic = false;
  const auto nlist = number_after(lists, "IVF");
  if (!nlist) return not_understood(text);
  if (*nlist > kMaxLists) {
    return not_understood(text, "at most " + std::to_string(kMaxLists) + " lists");
  }
  spec.nlist = *nlist;
  if (codes == "FLAT") {
    spec.type = ShardType::kIvfFlat;
    return spec;
  }
  if (codes == "SQ8") {
    spec.type = ShardType::kIvfSq8;
    return spec;
  }
  if (codes.ends_with("X8")) codes.remove_suffix(2);  // "PQ64x8": 8 bits is what there is
  const auto bytes = number_after(codes, "PQ");
  if (!bytes || *bytes == 0) return not_understood(text);
  spec.type = ShardType::kIvfPq;
  spec.num_subvectors = *bytes;
  return spec;
}

Result<ShardSpec> parse_hnsw(std::string_view text, std::string_view links) {
  ShardSpec spec;
  spec.automatic = false;
  spec.type = ShardType::kHnsw;
  const auto number = number_after(links, "HNSW");
  if (!number) return not_understood(text);
  if (*number != 0) spec.hnsw_m = *number;
  if (spec.hnsw_m < 2 || spec.hnsw_m > 512) return not_understood(text, "2 to 512 links");
  return spec;
}

/// About an eighth of dim, as FAISS's users choose; nothing where dim has no such divisor.
std::optional<std::size_t> default_subvectors(std::size_t dim) {
  for (std::size_t bytes = std::max<std::size_t>(1, dim / 8); bytes * 32 >= dim; --bytes) {
    if (dim % bytes == 0) return bytes;
    if (bytes == 1) break;
  }
  return std::nullopt;
}

/// `known` without what it says of full vectors.
Result<ShardSpec> parse_structure(std::string_view text, std::string_view known) {
  if (known == "AUTO") return ShardSpec{};
  if (known == "FLAT") return ShardSpec{.automatic = false};
  const std::size_t comma = known.find(',');
  const std::string_view first = known.substr(0, comma);
  const std::string_view second =
      comma == std::string_view::npos ? std::string_view() : known.substr(comma + 1);
  if (first.starts_with("IVF")) return parse_ivf(text, first, second);
  if (first.starts_with("HNSW") && (comma == std::string_view::npos || second == "FLAT")) {
    return parse_hnsw(text, first);
  }
  return not_understood(text);
}

}  // namespace

Result<ShardSpec> parse_shard_spec(std::string_view text) {
  constexpr std::string_view kHalf = ",REFINE(SQFP16)", kFull = ",RFLAT",
                             kFullToo = ",REFINE(FLAT)";
  const std::string upper_text = upper(text);
  std::string_view known = upper_text;
  const bool half = known.ends_with(kHalf);
  const std::string_view refine = half                        ? kHalf
                                  : known.ends_with(kFull)    ? kFull
                                  : known.ends_with(kFullToo) ? kFullToo
                                                              : std::string_view();
  known.remove_suffix(refine.size());
  SIGHTLINE_TRY(ShardSpec spec, parse_structure(text, known));
  if (!refine.empty() && !spec.automatic && !has_lossy_codes(spec))
    return not_understood(text, "its codes are the full vectors");
  spec.half_vectors = half;
  return spec;
}

bool has_lossy_codes(const ShardSpec& spec) {
  return !spec.automatic && (spec.type == ShardType::kIvfSq8 || spec.type == ShardType::kIvfPq);
}

std::string to_string(const ShardSpec& spec) {
  const std::string refine = spec.half_vectors ? ",Refine(SQfp16)" : "";
  if (spec.automatic) return "auto" + refine;
  const std::string ivf = "IVF" + (spec.nlist == 0 ? "" : std::to_string(spec.nlist));
  switch (spec.type) {
    case ShardType::kFlat:
      return "Flat";
    case ShardType::kIvfFlat:
      return ivf + ",Flat";
    case ShardType::kIvfSq8:
      return ivf + ",SQ8" + refine;
    case ShardType::kIvfPq:
      return ivf + ",PQ" + std::to_string(spec.num_subvectors) + refine;
    case ShardType::kHnsw:
      return "HNSW" + std::to_string(spec.hnsw_m);
  }
  return "unknown";
}

Result<void> check_shard_spec(const ShardSpec& spec, std::size_t dim, Distance distance) {
  if (dim == 0 || dim > kMaxDim) {
    return invalid_argument("dim is " + std::to_string(dim) + "; it must be 1.." +
                            std::to_string(kMaxDim));
  }
  if (spec.automatic || spec.type == ShardType::kFlat) return {};
  if (distance == Distance::kL1) {
    return invalid_argument("index spec " + to_string(spec) +
                            " does not know the manhattan distance; Flat does");
  }
  if (spec.type == ShardType::kIvfPq &&
      (spec.num_subvectors == 0 || dim % spec.num_subvectors != 0)) {
    return invalid_argument("index spec " + to_string(spec) + ": " +
                            std::to_string(spec.num_subvectors) + " does not divide dim " +
                            std::to_string(dim));
  }
  return {};
}

ShardSpec choose_spec(std::uint64_t num_rows, std::size_t dim, Distance distance,
                      std::uint64_t memory_bytes) {
  ShardSpec spec;
  spec.automatic = false;
  if (distance == Distance::kL1 || num_rows < kFlatRows) return spec;
  spec.type = ShardType::kIvfFlat;
  spec.nlist = default_nlist(num_rows);
  // Mapped rows do not count, but a probe that finds none of them in the page cache waits for the
  // disk: codes pay once the rows are twice the memory that the user thinks of.
  const double bytes =
      static_cast<double>(num_rows) * static_cast<double>(dim) * static_cast<double>(sizeof(float));
  const auto memory = static_cast<double>(memory_bytes);
  const bool fits = memory_bytes == 0         ? num_rows <= kIvfFlatRows
                    : num_rows > kIvfFlatRows ? bytes <= memory
                                              : bytes <= 2 * memory;
  if (fits) return spec;
  const auto subvectors = default_subvectors(dim);
  spec.type = subvectors ? ShardType::kIvfPq : ShardType::kIvfSq8;
  spec.num_subvectors = subvectors.value_or(0);
  return spec;
}

std::size_t default_nlist(std::uint64_t num_rows) {
  const double wanted = 4 * std::sqrt(static_cast<double>(num_rows));
  std::size_t nlist = 64;
  while (nlist < 65536 && static_cast<double>(nlist) * std::sqrt(2.0) < wanted) nlist *= 2;
  while (nlist > 64 && nlist * kRowsPerList > num_rows) nlist /= 2;
  return nlist;
}

}  // namespace sightline::index
