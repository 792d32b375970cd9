#include "table.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

namespace trident::cuda::fake {
namespace {

constexpr size_t kTableBytes = FAKE_CUDA_ROWS * sizeof(FakeCudaRow);

FakeCudaRow* MapTable() {
  const char* path = getenv("FAKE_CUDA_CONTROL");
  int file = -1;
  if (path != nullptr && *path != '\0') {
    file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, kTableBytes) != 0) abort();
  }
  const int flags = file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  void* mapped = mmap(nullptr, kTableBytes, PROT_READ | PROT_WRITE, flags, file, 0);
  if (mapped == MAP_FAILED) abort();
  if (file >= 0) close(file);
  return static_cast<FakeCudaRow*>(mapped);
}

FakeCudaRow* Table() {
  static FakeCudaRow* const table = [] {
    FakeCudaRow* rows = MapTable();
    FakeCudaRow* row = rows;
#define FAKE_CUDA_NAME(function, parameters) \
  strncpy((row++)->name, #function, sizeof(FakeCudaRow::name) - 1);
    TRIDENT_CUDA_FUNCTIONS(FAKE_CUDA_NAME)
    FAKE_CUDA_KERNEL_ROWS(FAKE_CUDA_NAME)
    FAKE_CUDA_SPECIAL_ROWS(FAKE_CUDA_NAME)
#undef FAKE_CUDA_NAME
    return rows;
  }();
  return table;
}

FakeCudaRow& At(Row row) { return Table()[static_cast<int>(row)]; }

}  // namespace

void Count(Row row, int64_t calls, int64_t bytes) {
  std::atomic_ref(At(row).calls).fetch_add(calls);
  if (bytes != 0) std::atomic_ref(At(row).bytes).fetch_add(bytes);
}

CuResult ResultOf(Row row) { return std::atomic_ref(At(row).result).load(); }

uint64_t BytesOf(Row row) { return std::atomic_ref(At(row).bytes).load(); }

CuResult Fault(Row row) {
  const CuResult result = ResultOf(row);
  if (result == kSuccess) return kSuccess;
  std::atomic_ref left(At(row).fail_after);
  uint32_t good = left.load();
  while (good > 0 && !left.compare_exchange_weak(good, good - 1)) {
  }
  return good > 0 ? kSuccess : result;
}

}  // namespace trident::cuda::fake

FakeCudaRow* FakeCudaFind(const char* name) {
  using trident::cuda::fake::Table;
  for (FakeCudaRow* row = Table(); row != Table() + FAKE_CUDA_ROWS; ++row) {
    if (strcmp(row->name, name) == 0) return row;
  }
  return nullptr;
}
