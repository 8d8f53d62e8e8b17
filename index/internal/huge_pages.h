// index/internal/huge_pages.h: memory that is scanned from end to end, in pages of 2 MiB where the
// system has them: a scan then waits for fewer translations of addresses.
//
// Best effort: where there are none (`never` in /sys/kernel/mm/transparent_hugepage/enabled, memory
// too fragmented) all is as without. Mapped files are left alone: there the same hint makes the
// kernel read 2 MiB for each row of a file that is not in the page cache.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <vector>

namespace sightline::index {

inline constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

/// Asks for huge pages within anonymous memory that is not touched yet.
inline void prefer_huge_pages(void* start, std::size_t bytes) {
  if (bytes < kHugePageBytes) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(start);
  const auto first = (begin + page - 1) / page * page;
  // A hint; where there are no huge pages it says no.
  ::madvise(reinterpret_cast<void*>(first), begin + bytes - first, MADV_HUGEPAGE);
}

/// `bytes` that nothing was written to, aligned to 64 bytes, or to a huge page from its size on.
/// Throws std::bad_alloc.
inline void* allocate_huge(std::size_t bytes) {
  constexpr std::size_t kCacheLine = 64;
  void* memory = nullptr;
  const std::size_t alignment = bytes < kHugePageBytes ? kCacheLine : kHugePageBytes;
  if (::posix_memalign(&memory, alignment, bytes) != 0) throw std::bad_alloc();
  prefer_huge_pages(memory, bytes);
  return memory;
}

struct FreeHuge {
  void operator()(void* memory) const { std::free(memory); }
};
/// `size` numbers without a value.
template <typename T>
std::unique_ptr<T[], FreeHuge> huge_array(std::size_t size) {
  return std::unique_ptr<T[], FreeHuge>(static_cast<T*>(allocate_huge(size * sizeof(T))));
}

/// An empty `values` gets `size` zeros.
template <typename T>
void resize_huge(std::vector<T>& values, std::size_t size) {
  values.reserve(size);
  prefer_huge_pages(values.data(), size * sizeof(T));
  values.resize(size);
}

/// An empty `values` gets a copy of elements that may be unaligned.
template <typename T>
void copy_huge(std::vector<T>& values, std::span<const std::byte> bytes) {
  resize_huge(values, bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
}

}  // namespace sightline::index
