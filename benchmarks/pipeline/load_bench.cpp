// What it measures: rows per second of a bulk load (`sightline import`: read, normalise, store with
// sync, write full shards), beside RocksDB alone that writes the same bytes with the same options,
// in synced batches of 1,000 rows, its flush included. `load` is import's own load time, `ratio`
// the quotient of the two rates; 0.5 or more is wanted. Each of the two runs first once: what comes
// second finds disk and memory as the first has left them.
// `cpu_ratio` is that of the processor times of all threads (the build after the load included),
// which other jobs disturb less. Data: random rows of 512 numbers; the argument is thousands of
// rows.
//
//   load_bench --benchmark_filter=Load/1000
#include <benchmark/benchmark.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/compute_pool.h"
#include "core/npy.h"
#include "pipeline/data_folder.h"
#include "pipeline/vector_import.h"
#include "settings/library_setup.h"
#include "storage/internal/rocksdb_database.h"
#include "tests/support/temp_dir.h"

namespace sightline::pipeline {
namespace {

using testing_support::TempDir;
using Seconds = std::chrono::duration<double>;

constexpr std::size_t kDim = 512;
constexpr std::size_t kBatchRows = 1000;

void write_rows(const std::filesystem::path& path, std::size_t num_rows) {
  std::ofstream file(path, std::ios::binary);
  file << npy_header(std::vector<std::uint64_t>{num_rows, kDim});
  std::mt19937_64 random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> batch(kBatchRows * kDim);
  for (std::size_t i = 0; i < num_rows; i += kBatchRows) {
    for (float& value : batch) value = uniform(random);
    file.write(reinterpret_cast<const char*>(batch.data()),  // NOLINT: the file's bytes
               static_cast<std::streamsize>(batch.size() * sizeof(float)));
  }
}

/// Big-endian, so that keys come in order as slots do.
std::string key_of(std::uint32_t row) {
  std::string key(4, '\0');
  for (std::size_t i = 0; i < 4; ++i) key[i] = static_cast<char>(row >> (24 - 8 * i) & 0xff);
  return key;
}

void check(const rocksdb::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

/// Of all threads.
double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double seconds_of_rocksdb(const std::filesystem::path& rows, const std::filesystem::path& folder) {
  using Kind = storage::ColumnFamily::Kind;
  const StoreOptions defaults;
  const auto budget = storage::SharedBudget::create(
      {defaults.cache_bytes, defaults.memtable_bytes, defaults.background_rate_bytes});
  const NpyFile file = NpyFile::open(rows).value();
  const auto database = storage::RocksDatabase::open(folder, storage::OpenMode::kCreate,
                                                     {{"vectors", Kind::kVectors}}, budget)
                            .value();
  std::vector<float> batch_rows(kBatchRows * kDim);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t first = 0; first < file.num_rows(); first += kBatchRows) {
    file.read_floats(first, batch_rows).value();
    rocksdb::WriteBatch batch;
    for (std::size_t i = 0; i < kBatchRows; ++i) {
      batch.Put(database->family(0), key_of(static_cast<std::uint32_t>(first + i)),
                {reinterpret_cast<const char*>(&batch_rows[i * kDim]),  // NOLINT: stored bytes
                 kDim * sizeof(float)});
    }
    check(database->db().Write(synced, &batch));
  }
  check(database->db().Flush(rocksdb::FlushOptions(), database->family(0)));
  return Seconds(std::chrono::steady_clock::now() - start).count();
}

double seconds_of_import(const std::filesystem::path& rows, const std::filesystem::path& path,
                         ComputePool& pool) {
  const auto folder = DataFolder::open(path, Access::kWrite, StoreOptions(), pool).value();
  ImportOptions options;
  options.vectors = rows;
  options.index = "Flat";  // what is built after the load does not count
  const ImportReport report =
      import_vectors(*folder, "rows", options, pool, ReportJob(), std::stop_token()).value();
  return report.load_seconds;
}

/// Of all that was measured of one of the two.
struct Cost {
  double seconds = 0, cpu = 0;

  template <typename Run>
  void add(Run run) {
    sync();
    const double before = cpu_seconds();
    seconds += run();
    cpu += cpu_seconds() - before;
  }
};

void Load(benchmark::State& state) {
  ComputePool pool(settings::pool_options(0));
  const TempDir temp;
  const auto num_rows = static_cast<std::size_t>(state.range(0)) * 1000;
  write_rows(temp / "rows.npy", num_rows);
  Cost rocksdb, load;
  bool load_first = false;
  for (auto _ : state) {
    const auto measure_rocksdb = [&] {
      rocksdb.add([&] { return seconds_of_rocksdb(temp / "rows.npy", temp / "rocksdb"); });
    };
    if (!load_first) measure_rocksdb();
    load.add([&] { return seconds_of_import(temp / "rows.npy", temp / "data", pool); });
    if (load_first) measure_rocksdb();
    load_first = !load_first;
    state.PauseTiming();
    std::filesystem::remove_all(temp / "rocksdb");
    std::filesystem::remove_all(temp / "data");
    state.ResumeTiming();
  }
  const auto rows = static_cast<double>(state.iterations()) * static_cast<double>(num_rows);
  state.counters["rocksdb_rows/s"] = rows / rocksdb.seconds;
  state.counters["load_rows/s"] = rows / load.seconds;
  state.counters["ratio"] = rocksdb.seconds / load.seconds;
  state.counters["cpu_ratio"] = rocksdb.cpu / load.cpu;
}
BENCHMARK(Load)->Arg(200)->Arg(1000)->Unit(benchmark::kSecond)->UseRealTime()->Iterations(2);

}  // namespace
}  // namespace sightline::pipeline

int main(int argc, char** argv) {
  sightline::settings::set_up_process();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
