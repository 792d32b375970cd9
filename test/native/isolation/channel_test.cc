#include "isolation/channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "isolation/wire.h"

namespace trident::isolation {
namespace {

// Both ends of a channel in one process, each with a mapping of its own as two processes have.
class ChannelTest : public testing::Test {
 protected:
  void SetUp() override {
    auto parent = Channel::Create();
    ASSERT_TRUE(parent.ok()) << parent.status().message();
    parent_ = std::move(*parent);
    auto child = Channel::Attach(dup(parent_->descriptor()));
    ASSERT_TRUE(child.ok()) << child.status().message();
    child_ = std::move(*child);
  }

  static Block Filled(Channel& channel, uint64_t byte_size, char value) {
    const auto block = channel.Allocate(byte_size);
    EXPECT_TRUE(block.ok()) << block.status().message();
    std::memset(channel.Data(*block), value, byte_size);
    return *block;
  }

  static std::string Next(Channel& channel) {
    const auto message = channel.Receive(kNever);
    EXPECT_TRUE(message.ok()) << message.status().message();
    return message.ok() ? **message : "";
  }

  // Memory that the machine has given for the channel.
  uint64_t UsedBytes() const {
    struct stat status {};
    fstat(parent_->descriptor(), &status);
    return static_cast<uint64_t>(status.st_blocks) * 512;
  }

  std::unique_ptr<Channel> parent_;
  std::unique_ptr<Channel> child_;
};

TEST_F(ChannelTest, MessagesArriveInOrderBothWays) {
  ASSERT_TRUE(parent_->Send("one", {}, kNever).ok());
  ASSERT_TRUE(parent_->Send("two", {}, kNever).ok());
  ASSERT_TRUE(child_->Send("up", {}, kNever).ok());
  EXPECT_EQ(Next(*child_), "one");
  EXPECT_EQ(Next(*child_), "two");
  EXPECT_EQ(Next(*parent_), "up");
  const auto none = child_->Receive(0);
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
}

TEST_F(ChannelTest, BlocksAreReadInPlaceAndUsedAnew) {
  const Block block = Filled(*parent_, 5'000, 'a');
  ASSERT_TRUE(parent_->Send("block", std::vector{block}, kNever).ok());
  EXPECT_EQ(Next(*child_), "block");
  const auto bytes = child_->View(block);
  ASSERT_TRUE(bytes.ok());
  ASSERT_EQ(bytes->size(), 5'000u);
  EXPECT_TRUE(std::all_of(bytes->begin(), bytes->end(),
                          [](std::byte value) { return value == std::byte{'a'}; }));
  EXPECT_NE(Filled(*parent_, 5'000, 'b'), block);
  child_->GiveBack(block);
  EXPECT_EQ(Filled(*parent_, 5'000, 'c'), block);
}

TEST_F(ChannelTest, WhatIsNotSentIsUsedAnew) {
  const Block block = Filled(*parent_, 100, 'a');
  parent_->Free(block);
  EXPECT_EQ(Filled(*parent_, 100, 'b'), block);
}

TEST_F(ChannelTest, FullDirectionsRefuse) {
  const auto all = parent_->Allocate(Channel::kCapacityBytes);
  ASSERT_TRUE(all.ok());
  const auto more = parent_->Allocate(1);
  ASSERT_FALSE(more.ok());
  EXPECT_EQ(more.status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(more.status().message(),
            "no room for 1 bytes: 1 blocks of 17179869184 bytes are in use, of at most 32768 and "
            "17179869184");
  EXPECT_EQ(parent_->Send("x", {}, kNever).code(), StatusCode::kUnavailable);
  parent_->Free(*all);
  EXPECT_TRUE(parent_->Send("x", {}, kNever).ok());
  for (uint32_t i = 1; i < Channel::kSlots; ++i) ASSERT_TRUE(parent_->Allocate(1).ok());
  EXPECT_EQ(parent_->Allocate(1).status().code(), StatusCode::kUnavailable);

  const std::string long_message(Channel::kMaxMessageBytes + 1, 'x');
  EXPECT_EQ(child_->Send(long_message, {}, kNever).code(), StatusCode::kInvalidArg);
}

TEST_F(ChannelTest, MemoryOfManyBytesIsGivenBackToTheMachine) {
  constexpr uint64_t kLarge = 3 * Channel::kKeptBytes;
  const Block sent = Filled(*parent_, kLarge, 'a');
  ASSERT_TRUE(parent_->Send("large", std::vector{sent}, kNever).ok());
  EXPECT_EQ(Next(*child_), "large");
  EXPECT_GT(UsedBytes(), kLarge);
  child_->GiveBack(sent);
  const Block unsent = Filled(*child_, kLarge, 'b');
  child_->Free(unsent);
  EXPECT_LT(UsedBytes(), 2 * Channel::kKeptBytes + (4 << 20));
  // What is given again is empty, and as good.
  EXPECT_EQ(Filled(*parent_, kLarge, 'c'), sent);
}

TEST_F(ChannelTest, AChildWaitsWhileTooMuchIsUnread) {
  constexpr uint64_t kEach = 16 << 20;
  std::vector<Block> sent;
  while (true) {
    const Block block = Filled(*child_, kEach, 'a');
    const Status status = child_->Send("chunk", std::vector{block}, NowNs());
    if (!status.ok()) {
      EXPECT_EQ(status.code(), StatusCode::kUnavailable);
      child_->Free(block);
      break;
    }
    sent.push_back(block);
    ASSERT_LE(sent.size() * kEach, 2 * Channel::kUnreadBytes);
  }
  // Who waits goes on as soon as there is room.
  std::thread sender([&] { EXPECT_TRUE(child_->Send("last", {}, kNever).ok()); });
  for (const Block& block : sent) {
    EXPECT_EQ(Next(*parent_), "chunk");
    parent_->GiveBack(block);
  }
  EXPECT_EQ(Next(*parent_), "last");
  sender.join();
}

TEST_F(ChannelTest, AParentNeverWaitsToSend) {
  const Block block = Filled(*parent_, 2 * Channel::kUnreadBytes, 'a');
  ASSERT_TRUE(parent_->Send("large", std::vector{block}, 0).ok());
  EXPECT_TRUE(parent_->Send("small", {}, 0).ok());
}

TEST_F(ChannelTest, CloseEndsEveryWaitAfterWhatWasSentBefore) {
  ASSERT_TRUE(child_->Send("before", {}, kNever).ok());
  std::thread receiver([&] {
    EXPECT_EQ(Next(*parent_), "before");
    EXPECT_EQ(parent_->Receive(kNever).status().code(), StatusCode::kUnavailable);
  });
  parent_->Close();
  receiver.join();
  EXPECT_EQ(parent_->Send("after", {}, kNever).code(), StatusCode::kUnavailable);

  const Block block = Filled(*child_, Channel::kUnreadBytes + 1, 'a');
  ASSERT_TRUE(child_->Send("large", std::vector{block}, kNever).ok());
  std::thread sender(
      [&] { EXPECT_EQ(child_->Send("more", {}, kNever).code(), StatusCode::kUnavailable); });
  child_->Close();
  sender.join();
}

TEST_F(ChannelTest, NoWakeIsLost) {
  constexpr int kRounds = 20'000;
  std::thread child([&] {
    for (int i = 0; i < kRounds; ++i) {
      ASSERT_TRUE(child_->Send(Next(*child_), {}, kNever).ok());
    }
  });
  for (int i = 0; i < kRounds; ++i) {
    ASSERT_TRUE(parent_->Send(std::to_string(i), {}, kNever).ok());
    ASSERT_EQ(Next(*parent_), std::to_string(i));
  }
  child.join();
}

// More than the rings have slots for, from several threads that wait for room again and again.
TEST_F(ChannelTest, ManySendersAndThreadsThatGiveBack) {
  constexpr int kSenders = 4;
  constexpr uint64_t kEach = 1 << 20;
  constexpr int kMessages = 500;
  std::vector<std::thread> senders;
  for (int sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&, sender] {
      for (int i = 0; i < kMessages; ++i) {
        const Block block = Filled(*child_, kEach, static_cast<char>('a' + sender));
        const Response response{.outputs = {{"", DataType::kUint8, {sender}, block}}};
        ASSERT_TRUE(child_->Send(Encode(ToParent(response)), std::vector{block}, kNever).ok());
      }
    });
  }
  std::vector<int> received(kSenders);
  for (int i = 0; i < kSenders * kMessages; ++i) {
    const auto message = DecodeToParent(Next(*parent_));
    ASSERT_TRUE(message.ok());
    const Tensor& tensor = std::get<Response>(*message).outputs.at(0);
    const auto sender = tensor.shape.at(0);
    const auto bytes = parent_->View(tensor.data);
    ASSERT_TRUE(bytes.ok());
    ASSERT_EQ(bytes->back(), std::byte(static_cast<unsigned char>('a' + sender)));
    ++received[sender];
    parent_->GiveBack(tensor.data);
  }
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(received, std::vector<int>(kSenders, kMessages));
  for (int i = 0; i < 2 * static_cast<int>(Channel::kSlots); ++i) {
    ASSERT_TRUE(parent_->Send("x", {}, kNever).ok());
    ASSERT_EQ(Next(*child_), "x");
  }
}

TEST_F(ChannelTest, BlocksOutOfBoundsAreNotViewed) {
  constexpr uint64_t kEnd = Channel::kCapacityBytes;
  EXPECT_TRUE(parent_->View({kEnd - 1, 1}).ok());
  for (const Block& block : {Block{kEnd, 1}, Block{0, kEnd + 1}, Block{UINT64_MAX, 2},
                             Block{2, UINT64_MAX}, Block{kEnd - 1, 2}}) {
    EXPECT_EQ(parent_->View(block).status().code(), StatusCode::kInternal);
    parent_->GiveBack(block);
  }
  ASSERT_TRUE(child_->Send("fine", {}, kNever).ok());
  EXPECT_EQ(Next(*parent_), "fine");
}

TEST_F(ChannelTest, ReturnsOfWhatIsNotLentBreakTheChannel) {
  child_->GiveBack({4'096, 1});
  EXPECT_EQ(parent_->Allocate(1).status().message(),
            "the other process has written the return of a block that it doesn't have into its "
            "channel");
  EXPECT_EQ(parent_->Send("x", {}, kNever).code(), StatusCode::kInternal);
  EXPECT_EQ(parent_->Receive(kNever).status().code(), StatusCode::kInternal);
}

TEST_F(ChannelTest, MemoryCanNotBeTakenAway) {
  EXPECT_NE(ftruncate(child_->descriptor(), 0), 0);
  EXPECT_NE(ftruncate(child_->descriptor(), int64_t{1} << 40), 0);
  // Its pages can: others come in their place, empty.
  ASSERT_TRUE(child_->Send("x", {}, kNever).ok());
  ASSERT_EQ(fallocate(child_->descriptor(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 30),
            0);
  const auto none = parent_->Receive(0);
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
}

// A child that writes anything anywhere into the words: the parent gets messages or errors.
TEST(ChannelFuzzTest, RubbishInTheWordsIsAnErrorAtMost) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  int broken = 0;
  for (int round = 0; round < 300; ++round) {
    auto parent = Channel::Create();
    ASSERT_TRUE(parent.ok());
    auto child = Channel::Attach(dup((*parent)->descriptor()));
    ASSERT_TRUE(child.ok());
    constexpr uint64_t kWords = 1'600'000 / sizeof(uint64_t);
    auto* const words =
        static_cast<uint64_t*>(mmap(nullptr, kWords * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                                    MAP_SHARED, (*parent)->descriptor(), 0));
    ASSERT_NE(words, MAP_FAILED);
    bool whole = true;
    for (int step = 0; step < 50 && whole; ++step) {
      const auto block = (*parent)->Allocate(random() % 10'000);
      if (block.ok()) whole = (*parent)->Send("block", std::vector{*block}, kNever).ok();
      (void)(*child)->Send("answer", {}, 0);
      // The words of a direction are near its beginning, the first slots, too.
      const uint64_t near = random() % 2 * (kWords / 2);
      const uint64_t at = random() % 4 == 0 ? random() % kWords : near + random() % 64;
      words[std::min(at, kWords - 1)] = random() >> random() % 64;
      const auto message = (*parent)->Receive(0);
      whole = whole && block.ok() && message.ok();
      if (message.ok() && message->has_value()) (void)DecodeToParent(**message);
    }
    broken += whole ? 0 : 1;
    munmap(words, kWords * sizeof(uint64_t));
  }
  EXPECT_GT(broken, 0);
}

TEST(ChannelCreateTest, OtherDescriptorsAreNoChannels) {
  EXPECT_EQ(Channel::Attach(-1).status().code(), StatusCode::kInvalidArg);
  const int file = memfd_create("test", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(file, 2 * Channel::kCapacityBytes + (2 << 20)), 0);
  EXPECT_EQ(Channel::Attach(file).status().code(), StatusCode::kInvalidArg);
  close(file);
}

TEST(ChannelCreateTest, ALimitOnFilesIsAnErrorAndNoSignal) {
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{1 << 20, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const auto channel = Channel::Create();
  setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(channel.ok());
  EXPECT_EQ(channel.status().code(), StatusCode::kUnavailable);
  EXPECT_TRUE(
      channel.status().message().starts_with("the limit on the size of files is 1048576 bytes; "));
}

}  // namespace
}  // namespace trident::isolation
