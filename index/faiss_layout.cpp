#include "index/internal/faiss_layout.h"

#include <algorithm>

namespace sightline::index {
namespace {

constexpr std::int32_t kMaxDim = 1 << 20;
constexpr std::int64_t kMaxRows = std::int64_t{1} << 40;

// faiss/MetricType.h
std::optional<Distance> distance_of(std::int32_t metric) {
  if (metric == 0) return Distance::kInnerProduct;
  if (metric == 1) return Distance::kL2;
  if (metric == 2) return Distance::kL1;
  return std::nullopt;
}

std::int32_t metric_of(Distance distance) {
  switch (distance) {
    case Distance::kInnerProduct:
      return 0;
    case Distance::kL2:
      return 1;
    case Distance::kL1:
      return 2;
  }
  return 1;
}

std::string_view flat_letters(Distance distance) {
  switch (distance) {
    case Distance::kInnerProduct:
      return "IxFI";
    case Distance::kL2:
      return "IxF2";
    case Distance::kL1:
      return "IxFl";
  }
  return "IxFl";
}

std::string read_letters(FaissReader& reader) {
  const auto bytes = reader.take(4, 1);
  std::string letters;
  for (const std::byte byte : bytes) {
    const char c = static_cast<char>(byte);
    letters += c >= ' ' && c <= '~' ? c : '?';
  }
  return letters;
}

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void put_bytes(std::string& out, std::span<const std::byte> bytes) {
  out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

template <typename T>
void put_vector(std::string& out, std::span<const T> values) {
  put<std::uint64_t>(out, values.size());
  put_bytes(out, std::as_bytes(values));
}

void put_vector(std::string& out, std::span<const std::byte> bytes, std::size_t element_bytes) {
  put<std::uint64_t>(out, bytes.size() / element_bytes);
  put_bytes(out, bytes);
}

void put_header(std::string& out, std::string_view letters, Distance distance, std::size_t dim,
                std::uint64_t num_rows) {
  constexpr std::int64_t kUnused = 1 << 20;  // what FAISS writes there
  out += letters;
  put(out, static_cast<std::int32_t>(dim));
  put(out, static_cast<std::int64_t>(num_rows));
  put(out, kUnused);
  put(out, kUnused);
  put(out, std::uint8_t{1});  // is_trained
  put(out, metric_of(distance));
  if (metric_of(distance) > 1) put(out, 0.0F);  // metric_arg
}

}  // namespace

std::span<const std::byte> FaissReader::take(std::uint64_t count, std::size_t element_bytes) {
  if (!ok()) return {};
  const std::size_t left = bytes_.size() - offset_;
  if (element_bytes != 0 && count > left / element_bytes) {
    fail(std::to_string(count) + " elements of " + std::to_string(element_bytes) +
         " bytes do not fit into the " + std::to_string(left) + " bytes that follow");
    return {};
  }
  const auto taken = bytes_.subspan(offset_, static_cast<std::size_t>(count) * element_bytes);
  offset_ += taken.size();
  return taken;
}

std::span<const std::byte> FaissReader::take_vector(std::size_t element_bytes) {
  const auto count = get<std::uint64_t>();
  return take(count, element_bytes);
}

void FaissReader::fail(const std::string& what) {
  if (ok()) failure_ = what + " (byte " + std::to_string(offset_) + ")";
}

FaissHeader read_faiss_letters_and_header(FaissReader& reader) {
  FaissHeader header;
  header.letters = read_letters(reader);
  const auto dim = reader.get<std::int32_t>();
  const auto num_rows = reader.get<std::int64_t>();
  reader.take(2, sizeof(std::int64_t));
  reader.take(1, 1);  // is_trained
  const auto metric = reader.get<std::int32_t>();
  if (metric > 1) reader.take(1, sizeof(float));
  if (dim < 1 || dim > kMaxDim) reader.fail("dim is " + std::to_string(dim));
  if (num_rows < 0 || num_rows > kMaxRows) {
    reader.fail("the number of rows is " + std::to_string(num_rows));
  }
  if (!reader.ok()) return header;
  header.dim = static_cast<std::size_t>(dim);
  header.num_rows = static_cast<std::uint64_t>(num_rows);
  header.distance = distance_of(metric);
  return header;
}

bool is_faiss_flat(std::string_view letters) {
  return letters == "IxF2" || letters == "IxFI" || letters == "IxFl";
}

std::span<const std::byte> read_faiss_flat(FaissReader& reader, const FaissHeader& header) {
  const auto rows = reader.take_vector(sizeof(float));
  const std::size_t row_bytes = header.dim * sizeof(float);
  if (reader.ok() && (rows.size() % row_bytes != 0 || rows.size() / row_bytes != header.num_rows)) {
    reader.fail("it has " + std::to_string(rows.size()) + " bytes of rows, not " +
                std::to_string(header.num_rows) + " rows of " + std::to_string(row_bytes));
  }
  return reader.ok() ? rows : std::span<const std::byte>();
}

FaissIvf read_faiss_ivf(FaissReader& reader, const FaissHeader& header) {
  FaissIvf ivf;
  ivf.nlist = reader.get<std::uint64_t>();
  ivf.nprobe = reader.get<std::uint64_t>();
  ivf.quantizer = read_faiss_letters_and_header(reader);
  if (is_faiss_flat(ivf.quantizer.letters)) {
    ivf.centroids = read_faiss_flat(reader, ivf.quantizer);
  } else if (ivf.quantizer.letters == "IHNf") {
    read_faiss_graph(reader);
    read_faiss_flat(reader, read_faiss_letters_and_header(reader));
  } else {
    reader.fail("its coarse quantizer is of an unknown type, \"" + ivf.quantizer.letters + "\"");
  }
  if (reader.ok() && (ivf.quantizer.num_rows != ivf.nlist || ivf.quantizer.dim != header.dim)) {
    reader.fail("it has " + std::to_string(ivf.nlist) + " lists of dim " +
                std::to_string(header.dim) + " and " + std::to_string(ivf.quantizer.num_rows) +
                " centroids of dim " + std::to_string(ivf.quantizer.dim));
  }
  const auto direct_map = reader.get<std::uint8_t>();
  reader.take_vector(sizeof(std::int64_t));
  if (direct_map == 2) reader.take_vector(2 * sizeof(std::int64_t));  // a hash table
  return ivf;
}

FaissScalarQuantizer read_faiss_scalar_quantizer(FaissReader& reader) {
  FaissScalarQuantizer quantizer;
  quantizer.type = reader.get<std::int32_t>();
  reader.take(1, sizeof(std::int32_t) + sizeof(float));  // how the range was found
  reader.take(2, sizeof(std::uint64_t));                 // dim and code size, told elsewhere too
  quantizer.trained = reader.take_vector(sizeof(float));
  quantizer.code_size = reader.get<std::uint64_t>();
  quantizer.by_residual = reader.get<std::uint8_t>() != 0;
  return quantizer;
}

FaissProductQuantizer read_faiss_product_quantizer(FaissReader& reader) {
  FaissProductQuantizer quantizer;
  quantizer.by_residual = reader.get<std::uint8_t>() != 0;
  quantizer.code_size = reader.get<std::uint64_t>();
  quantizer.dim = reader.get<std::uint64_t>();
  quantizer.num_subvectors = reader.get<std::uint64_t>();
  quantizer.num_bits = reader.get<std::uint64_t>();
  quantizer.codebooks = reader.take_vector(sizeof(float));
  return quantizer;
}

FaissLists read_faiss_lists(FaissReader& reader, std::uint64_t nlist, std::uint64_t code_size) {
  FaissLists lists;
  const std::string letters = read_letters(reader);
  if (letters != "ilar") {
    reader.fail("its inverted lists are of an unknown type, \"" + letters + "\"");
  }
  const auto num_lists = reader.get<std::uint64_t>();
  const auto list_code_size = reader.get<std::uint64_t>();
  if (num_lists != nlist || list_code_size != code_size || code_size == 0) {
    reader.fail("it has " + std::to_string(num_lists) + " lists with codes of " +
                std::to_string(list_code_size) + " bytes, not " + std::to_string(nlist) +
                " lists with codes of " + std::to_string(code_size));
  }
  const std::string fill = read_letters(reader);
  const auto sizes = copy_of<std::uint64_t>(reader.take_vector(sizeof(std::uint64_t)));
  if (!reader.ok()) return lists;
  lists.bulk_offset = reader.offset();
  lists.lists.resize(static_cast<std::size_t>(nlist));
  if (fill == "full" && sizes.size() == nlist) {
    for (std::size_t i = 0; i < sizes.size(); ++i) lists.lists[i].size = sizes[i];
  } else if (fill == "sprs" && sizes.size() % 2 == 0) {
    for (std::size_t i = 0; i < sizes.size(); i += 2) {
      if (sizes[i] >= nlist) {
        reader.fail("its table of list sizes names list " + std::to_string(sizes[i]));
        return {};
      }
      lists.lists[sizes[i]].size = sizes[i + 1];
    }
  } else {
    reader.fail("its table of list sizes (\"" + fill + "\") has " + std::to_string(sizes.size()) +
                " entries for " + std::to_string(nlist) + " lists");
  }
  for (ShardData::List& list : lists.lists) {
    list.codes = reader.take(list.size, static_cast<std::size_t>(code_size)).data();
    list.ids = reader.take(list.size, sizeof(std::int64_t)).data();
    lists.num_entries += list.size;
    if (!reader.ok()) return {};
  }
  return lists;
}

bool skip_faiss_transforms(FaissReader& reader) {
  constexpr std::size_t kFloat = sizeof(float), kInt = sizeof(std::int32_t);
  const auto count = reader.get<std::int32_t>();
  for (std::int32_t i = 0; i < count && reader.ok(); ++i) {
    const std::string letters = read_letters(reader);
    const bool is_pca = letters == "PcAm" || letters == "Pcam";
    if (is_pca) {
      reader.take(2, kFloat);    // power of the eigenvalues, epsilon
      reader.take(1, 1 + kInt);  // random rotation, balanced bins
      for (int part = 0; part < 3; ++part) reader.take_vector(kFloat);
    }
    if (is_pca || letters == "rrot" || letters == "LTra") {  // OPQ is an LTra
      reader.take(1, 1);                                     // has a bias
      reader.take_vector(kFloat);
      reader.take_vector(kFloat);
    } else if (letters == "RmDT") {
      reader.take_vector(kInt);
    } else if (letters == "VNrm") {
      reader.take(1, kFloat);
    } else if (letters == "VCnt") {
      reader.take_vector(kFloat);
    } else {
      return false;
    }
    reader.take(1, 2 * kInt + 1);  // from and to how many dimensions, is trained
  }
  return true;
}

FaissGraph read_faiss_graph(FaissReader& reader) {
  FaissGraph graph;
  graph.assign_probas = reader.take_vector(sizeof(double));
  graph.cumulative = reader.take_vector(sizeof(std::int32_t));
  graph.levels = reader.take_vector(sizeof(std::int32_t));
  graph.offsets = reader.take_vector(sizeof(std::uint64_t));
  graph.neighbours = reader.take_vector(sizeof(std::int32_t));
  graph.entry = reader.get<std::int32_t>();
  graph.max_level = reader.get<std::int32_t>();
  graph.ef_construction = reader.get<std::int32_t>();
  graph.ef_search = reader.get<std::int32_t>();
  reader.take(1, sizeof(std::int32_t));  // upper_beam
  return graph;
}

std::string faiss_flat_head(Distance distance, std::size_t dim, std::uint64_t num_rows) {
  std::string out;
  put_header(out, flat_letters(distance), distance, dim, num_rows);
  put<std::uint64_t>(out, num_rows * dim);
  return out;
}

std::string faiss_ivf_head(const FaissIvfParts& parts) {
  const std::uint64_t nlist = parts.list_sizes.size();
  std::string out;
  const std::string_view letters = parts.type == ShardType::kIvfFlat  ? "IwFl"
                                   : parts.type == ShardType::kIvfSq8 ? "IwSq"
                                                                      : "IwPQ";
  put_header(out, letters, parts.distance, parts.dim, parts.num_rows);
  put(out, nlist);
  put(out, parts.nprobe);
  out += faiss_flat_head(parts.distance, parts.dim, nlist);
  put_bytes(out, std::as_bytes(parts.centroids));
  put(out, std::uint8_t{0});  // no direct map
  put_vector(out, std::span<const std::int64_t>());
  if (parts.type == ShardType::kIvfSq8) {
    put(out, std::int32_t{0});  // QT_8bit
    put(out, std::int32_t{0});  // RS_minmax
    put(out, 0.0F);             // its argument
    put<std::uint64_t>(out, parts.dim);
    put<std::uint64_t>(out, parts.code_size);
    put_vector(out, parts.sq_trained);
    put<std::uint64_t>(out, parts.code_size);
    put(out, std::uint8_t{0});  // by_residual
  } else if (parts.type == ShardType::kIvfPq) {
    put(out, std::uint8_t{1});  // by_residual
    put<std::uint64_t>(out, parts.code_size);
    put<std::uint64_t>(out, parts.dim);
    put<std::uint64_t>(out, parts.code_size);  // subvectors of one byte each
    put<std::uint64_t>(out, 8);
    put_vector(out, parts.codebooks);
  }
  out += "ilar";
  put(out, nlist);
  put<std::uint64_t>(out, parts.code_size);
  // FAISS's rule, so that its bytes are ours.
  const auto num_filled = static_cast<std::uint64_t>(
      std::ranges::count_if(parts.list_sizes, [](std::uint64_t size) { return size > 0; }));
  if (num_filled > nlist / 2) {
    out += "full";
    put_vector(out, parts.list_sizes);
    return out;
  }
  out += "sprs";
  std::vector<std::uint64_t> filled;
  for (std::uint64_t list = 0; list < nlist; ++list) {
    if (parts.list_sizes[list] > 0) filled.insert(filled.end(), {list, parts.list_sizes[list]});
  }
  put_vector(out, std::span<const std::uint64_t>(filled));
  return out;
}

std::string faiss_graph_head(Distance distance, std::size_t dim, const FaissGraph& graph) {
  std::string out;
  put_header(out, "IHNf", distance, dim, graph.levels.size() / sizeof(std::int32_t));
  put_vector(out, graph.assign_probas, sizeof(double));
  put_vector(out, graph.cumulative, sizeof(std::int32_t));
  put_vector(out, graph.levels, sizeof(std::int32_t));
  put_vector(out, graph.offsets, sizeof(std::uint64_t));
  put<std::uint64_t>(out, graph.neighbours.size() / sizeof(std::int32_t));
  return out;
}

std::string faiss_graph_tail(Distance distance, std::size_t dim, const FaissGraph& graph) {
  std::string out;
  put(out, graph.entry);
  put(out, graph.max_level);
  put(out, graph.ef_construction);
  put(out, graph.ef_search);
  put(out, std::int32_t{1});  // upper_beam
  return out + faiss_flat_head(distance, dim, graph.levels.size() / sizeof(std::int32_t));
}

}  // namespace sightline::index
