#include "index/row_spool.h"

#include <utility>

#include "index/internal/mapped_file.h"

namespace sightline::index {

RowSpool::RowSpool(std::filesystem::path path, std::size_t dim, std::unique_ptr<FileWriter> writer)
    : path_(std::move(path)), dim_(dim), writer_(std::move(writer)) {}

RowSpool::~RowSpool() {
  writer_.reset();
  FileCalls::system().remove_all(path_);
}

Result<std::unique_ptr<RowSpool>> RowSpool::create(const std::filesystem::path& path,
                                                   std::size_t dim) {
  FileCalls::system().remove_all(path);  // create() reports what stays
  SIGHTLINE_TRY(auto writer, FileWriter::create(path));
  return std::unique_ptr<RowSpool>(new RowSpool(path, dim, std::move(writer)));
}

Result<void> RowSpool::append(std::span<const float> row) {
  SIGHTLINE_CHECK(row.size() == dim_);
  return writer_->append(std::as_bytes(row));
}

Result<void> RowSpool::finish() {
  SIGHTLINE_TRY_DO(writer_->finish());
  writer_.reset();
  SIGHTLINE_TRY(file_, MappedFile::open(path_));
  return {};
}

const std::byte* RowSpool::row(std::size_t row) const {
  return file_->bytes().data() + row * dim_ * sizeof(float);
}

}  // namespace sightline::index
