#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace trident {

// How long executions of one model took, by batch size: what the inline lane and deadlines go by.
// Real cost curves have steps, so this is a table and not a line; sizes beyond 128 share rows in
// steps of at most 1/16. Externally synchronised.
class DurationTable {
 public:
  void Record(uint64_t items, uint64_t duration_ns);

  // Whether executions of this size take at most `budget_ns`, with about one exception in a
  // hundred: true when the longest of the last hundred or more did. False while fewer than eight
  // are known.
  bool KnownWithin(uint64_t items, uint64_t budget_ns) const;

  // How long the next execution of this size takes, to be on the safe side: the second longest of
  // the last 16, so that one hiccup of the machine does not count. A size not measured yet
  // is estimated from its neighbours: on the line between them, or in proportion beyond the
  // largest. So is one that has not run for long: what a hiccup has left there must not keep it
  // from running for ever. Nothing when no size is known.
  std::optional<uint64_t> Estimate(uint64_t items) const;

 private:
  static constexpr uint32_t kRecent = 16;
  static constexpr uint64_t kFirstBlock = 8;
  static constexpr uint64_t kRecentRecords = 1024;  // of all sizes

  struct Row {
    uint64_t recent[kRecent] = {};
    uint64_t count = 0;
    uint64_t recent_count = 0;  // of `recent`: since it last was not of the recent rows
    uint64_t last_record = 0;
    uint64_t estimate_ns = 0;  // kept while `estimated`
    bool estimated = false;
    // The longest of a growing block of executions, and of the block before: together they span
    // the last hundred or more, from eight on.
    uint64_t longest_ns = 0, former_longest_ns = 0;
    uint64_t block_left = kFirstBlock, block = kFirstBlock;
  };

  static size_t RowOf(uint64_t items);
  // The second longest of the recent ones, which is looked for when somebody asks.
  static uint64_t EstimateOf(Row& row);
  static uint64_t LargestOf(size_t row);
  const Row* Known(size_t row) const {
    return row < rows_.size() && rows_[row] != nullptr ? rows_[row].get() : nullptr;
  }

  void ForgetTheOld();

  std::vector<std::unique_ptr<Row>> rows_;  // null: no execution of such a size yet
  std::vector<size_t> recent_rows_;         // those that estimates go by, ascending
  uint64_t records_ = 0;
};

}  // namespace trident
