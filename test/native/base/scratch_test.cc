#include "base/scratch.h"

#include <gtest/gtest.h>

#include <thread>

namespace trident {
namespace {

// Each test has a type of its own, and with it spare vectors of its own.

TEST(Scratch, IsEmptyAndHasTheMemoryOfTheLastCall) {
  struct Item {
    int value = 7;
  };
  const Item* memory = nullptr;
  {
    Scratch<Item> first(100);
    first[99].value = 1;
    memory = first->data();
  }
  Scratch<Item> second(50);
  EXPECT_EQ(second->size(), 50u);
  EXPECT_EQ(second[49].value, 7);
  EXPECT_EQ(second->data(), memory);
  EXPECT_GE(second->capacity(), 100u);
}

TEST(Scratch, ACallInsideTheCallGetsAnotherOne) {
  struct Item {
    int value = 0;
  };
  const auto nest = [] {
    Scratch<Item> outer(2);
    outer[1].value = 1;
    {
      Scratch<Item> inner(2);
      EXPECT_NE(inner->data(), outer->data());
      inner[1].value = 2;
    }
    EXPECT_EQ(outer[1].value, 1);
  };
  nest();
  nest();  // now with two spare ones
}

TEST(Scratch, AVeryLargeOneIsNotKept) {
  struct Item {};
  { Scratch<Item> large(100'000); }
  Scratch<Item> next;
  EXPECT_EQ(next->capacity(), 0u);
}

TEST(Scratch, EachThreadKeepsItsOwn) {
  struct Item {};
  { Scratch<Item> here(10); }
  std::thread([] {
    Scratch<Item> there;
    EXPECT_EQ(there->capacity(), 0u);
  }).join();
}

}  // namespace
}  // namespace trident
