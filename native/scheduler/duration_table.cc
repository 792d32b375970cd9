#include "scheduler/duration_table.h"

#include <algorithm>
#include <bit>
#include <utility>

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

uint64_t DurationTable::EstimateOf(Row& row) {
  if (std::exchange(row.estimated, true)) return row.estimate_ns;
  const uint64_t known = std::min<uint64_t>(row.recent_count, kRecent);
  uint64_t longest = 0, second = 0;
  for (uint64_t i = 0; i < known; ++i) {
    second = std::max(second, std::min(longest, row.recent[i]));
    longest = std::max(longest, row.recent[i]);
  }
  return row.estimate_ns = known == 1 ? longest : second;
}

void DurationTable::Record(uint64_t items, uint64_t duration_ns) {
  const size_t index = RowOf(items);
  if (index >= rows_.size()) rows_.resize(index + 1);
  if (rows_[index] == nullptr) rows_[index] = std::make_unique<Row>();
  Row& row = *rows_[index];
  row.last_record = ++records_;
  const auto at = std::lower_bound(recent_rows_.begin(), recent_rows_.end(), index);
  if (at == recent_rows_.end() || *at != index) {
    recent_rows_.insert(at, index);
    row.recent_count = 0;
  }
  if (records_ % kRecentRecords == 0) ForgetTheOld();
  ++row.count;
  uint64_t& oldest = row.recent[row.recent_count % kRecent];
  // Among those shorter than the estimate one gives way to another.
  const bool same =
      row.recent_count++ >= kRecent && oldest < row.estimate_ns && duration_ns <= row.estimate_ns;
  oldest = duration_ns;
  row.estimated = row.estimated && same;

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

void DurationTable::ForgetTheOld() {
  std::erase_if(recent_rows_, [&](size_t index) {
    return rows_[index]->last_record + kRecentRecords <= records_;
  });
}

std::optional<uint64_t> DurationTable::Estimate(uint64_t items) const {
  if (recent_rows_.empty()) return std::nullopt;
  const size_t index = RowOf(items);
  const auto above = std::lower_bound(recent_rows_.begin(), recent_rows_.end(), index);
  // A smaller batch than any measured takes no longer.
  if (above != recent_rows_.end() && (*above == index || above == recent_rows_.begin())) {
    return EstimateOf(*rows_[*above]);
  }
  const size_t below = *std::prev(above);
  const auto from = static_cast<double>(std::max<uint64_t>(1, LargestOf(below)));
  const auto low_ns = static_cast<double>(EstimateOf(*rows_[below]));
  if (above == recent_rows_.end()) {
    return static_cast<uint64_t>(low_ns * static_cast<double>(items) / from);
  }
  const double share =
      (static_cast<double>(items) - from) / (static_cast<double>(LargestOf(*above)) - from);
  const double gain = static_cast<double>(EstimateOf(*rows_[*above])) - low_ns;
  return static_cast<uint64_t>(low_ns + gain * share);
}

}  // namespace trident
