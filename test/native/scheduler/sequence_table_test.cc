#include "scheduler/sequence_table.h"

#include <gtest/gtest.h>

namespace trident {
namespace {

CorrelationId Id(uint64_t number) { return {.number = number}; }

TEST(SequenceTable, GivesTheLowestSlotOfTheFirstInstanceThatHasIt) {
  SequenceTable table(2);
  table.AddInstance();
  table.AddInstance();
  Sequence* sequences[4];
  for (uint64_t i = 0; i < 4; ++i) {
    sequences[i] = table.Begin(Id(i + 1));
    const SequenceSlot* const slot = table.Assign();
    ASSERT_NE(slot, nullptr);
    EXPECT_EQ(slot->number, i / 2);
    EXPECT_EQ(slot->instance, i % 2);
    EXPECT_EQ(slot->sequence, sequences[i]);
  }
  table.Begin(Id(9));
  EXPECT_EQ(table.Assign(), nullptr);
  EXPECT_EQ(table.backlog_size(), 1u);
  table.Remove(sequences[1]);
  const SequenceSlot* const slot = table.Assign();
  ASSERT_NE(slot, nullptr);
  EXPECT_EQ(slot->instance, 1u);
  EXPECT_EQ(slot->number, 0u);
  EXPECT_TRUE(table.backlog_empty());
}

TEST(SequenceTable, AnIdLeadsToItsOpenSequenceOnly) {
  SequenceTable table(1);
  EXPECT_EQ(table.Find(Id(1)), nullptr);
  Sequence* const first = table.Begin(Id(1));
  EXPECT_EQ(table.Find(Id(1)), first);
  table.Close(first);
  EXPECT_EQ(table.Find(Id(1)), nullptr);
  Sequence* const second = table.Begin(Id(1));
  EXPECT_EQ(table.Find(Id(1)), second);
  table.Remove(first);
  EXPECT_EQ(table.Find(Id(1)), second);
  table.Remove(second);
  EXPECT_EQ(table.Find(Id(1)), nullptr);
}

TEST(SequenceTable, PassesOverAnIdThatIsRunning) {
  SequenceTable table(3);
  table.AddInstance();
  Sequence* const first = table.Begin(Id(1));
  EXPECT_EQ(table.Assign()->sequence, first);
  table.Close(first);
  Sequence* const again = table.Begin(Id(1));
  Sequence* const other = table.Begin(Id(2));
  EXPECT_EQ(table.Assign()->sequence, other);
  EXPECT_EQ(table.Assign(), nullptr);
  table.Remove(first);
  EXPECT_EQ(table.Assign()->sequence, again);
}

TEST(SequenceTable, ARemovedInstanceGetsNothing) {
  SequenceTable table(1);
  table.AddInstance();
  Sequence* const first = table.Begin(Id(1));
  ASSERT_NE(table.Assign(), nullptr);
  table.RemoveInstance(0);
  EXPECT_EQ(table.running(0), 1u);
  table.Remove(first);
  EXPECT_EQ(table.running(0), 0u);
  table.Begin(Id(2));
  EXPECT_EQ(table.Assign(), nullptr);
}

TEST(SequenceTable, TheEarliestExpiryCountsUntilThereIsASlot) {
  SequenceTable table(1);
  Sequence* const patient = table.Begin(Id(1));
  Sequence* const hasty = table.Begin(Id(2));
  table.ExpireBy(patient, 100);
  table.ExpireBy(hasty, 90);
  EXPECT_EQ(table.NextToExpire(), hasty);
  table.ExpireBy(patient, 80);
  table.ExpireBy(patient, 500);
  EXPECT_EQ(table.NextToExpire(), patient);
  EXPECT_EQ(patient->expires_ns, 80u);
  table.AddInstance();
  EXPECT_EQ(table.Assign()->sequence, patient);
  EXPECT_EQ(table.NextToExpire(), hasty);
  table.Remove(hasty);
  EXPECT_EQ(table.NextToExpire(), nullptr);
}

TEST(SequenceTable, KnowsWhoIsIdleLongest) {
  SequenceTable table(3);
  table.AddInstance();
  Sequence* sequences[3];
  for (uint64_t i = 0; i < 3; ++i) {
    sequences[i] = table.Begin(Id(i + 1));
    table.Assign();
  }
  EXPECT_EQ(table.LongestIdle(), nullptr);
  table.MarkIdle(sequences[1], 10);
  table.MarkIdle(sequences[0], 20);
  table.MarkIdle(sequences[2], 30);
  EXPECT_EQ(table.LongestIdle(), sequences[1]);
  table.MarkActive(sequences[1]);
  EXPECT_EQ(table.LongestIdle(), sequences[0]);
  table.MarkIdle(sequences[0], 40);
  EXPECT_EQ(table.LongestIdle(), sequences[2]);
  table.Remove(sequences[2]);
  EXPECT_EQ(table.LongestIdle(), sequences[0]);
  EXPECT_EQ(table.LongestIdle()->idle_since_ns, 40u);
}

}  // namespace
}  // namespace trident
