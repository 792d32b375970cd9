#include "scheduler/duration_table.h"

#include <algorithm>
#include <bit>

namespace trident {
namespace {

constexpr uint64_t kOwnRows = 128;  // sizes with a row of their own
constexpr uint64_t kSteps = 16;     // rows per doubling beyond them
constexpr uint64_t kLongestBlock = 100;

}  // namespace

// Beyond kOwnRows: the exponent and the four bits after the leading one, rounded up.
size_t DurationTable::RowOf(uint64_t items) {
  if (items <= kOwnRows) return items;
  const int shift = std::bit_width(items - 1) - 5;
  return kOwnRows + static_cast<size_t>(shift - 3) * kSteps + ((items - 1) >> shift) - kSteps + 1;
}

uint64_t DurationTable::LargestOf(size_t row) {
  if (row <= kOwnRows) return row;
  const uint64_t beyond = row - kOwnRows - 1;
  return (kSteps + beyond % kSteps + 1) << (beyond / kSteps + 3);
}

void DurationTable::Record(uint64_t items, uint64_t duration_ns) {
  const size_t index = RowOf(items);
  if (index >= rows_.size()) rows_.resize(index + 1);
  if (rows_[index] == nullptr) rows_[index] = std::make_unique<Row>();
  Row& row = *rows_[index];
  row.recent[row.count++ % kRecent] = duration_ns;

  const uint64_t known = std::min<uint64_t>(row.count, kRecent);
  uint64_t longest = 0, second = 0;
  for (uint64_t i = 0; i < known; ++i) {
    second = std::max(second, std::min(longest, row.recent[i]));
    longest = std::max(longest, row.recent[i]);
  }
  row.estimate_ns = known == 1 ? longest : second;

  row.longest_ns = std::max(row.longest_ns, duration_ns);
  if (--row.block_left > 0) return;
  row.former_longest_ns = row.longest_ns;
  row.longest_ns = 0;
  row.block_left = row.block = std::min(2 * row.block, kLongestBlock);
}

bool DurationTable::KnownWithin(uint64_t items, uint64_t budget_ns) const {
  const Row* row = Known(RowOf(items));
  if (row == nullptr || row->count < kFirstBlock) return false;
  return std::max(row->longest_ns, row->former_longest_ns) <= budget_ns;
}

std::optional<uint64_t> DurationTable::Estimate(uint64_t items) const {
  const size_t index = RowOf(items);
  if (const Row* row = Known(index)) return row->estimate_ns;
  size_t below = std::min(index, rows_.size());
  while (below > 0 && Known(below - 1) == nullptr) --below;
  size_t above = index + 1;
  while (above < rows_.size() && Known(above) == nullptr) ++above;
  const Row* upper = Known(above);
  if (below == 0) {
    // A smaller batch than any measured takes no longer.
    if (upper == nullptr) return std::nullopt;
    return upper->estimate_ns;
  }
  const Row& lower = *Known(below - 1);
  const auto from = static_cast<double>(std::max<uint64_t>(1, LargestOf(below - 1)));
  const auto low_ns = static_cast<double>(lower.estimate_ns);
  if (upper == nullptr) {
    return static_cast<uint64_t>(low_ns * static_cast<double>(items) / from);
  }
  const double share =
      (static_cast<double>(items) - from) / (static_cast<double>(LargestOf(above)) - from);
  const double gain = static_cast<double>(upper->estimate_ns) - low_ns;
  return static_cast<uint64_t>(low_ns + gain * share);
}

}  // namespace trident
