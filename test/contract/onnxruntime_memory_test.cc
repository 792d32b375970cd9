// Where the ONNX Runtime backend reads and writes: in the memory of the requests if it can.

#include <numeric>
#include <random>

#include "digits.h"
#include "support/memory_pages.h"

namespace trident::contract {
namespace {

class DigitsMemory : public DigitsTest {};

// Requests of one block of memory, in any order: a batch is a set.
TEST_F(DigitsMemory, ABatchThatLiesSideBySideIsNotCopiedInAnyOrder) {
  constexpr int kCount = 6;
  constexpr int kFirst = 20;
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  std::vector<int> places(kCount);
  std::iota(places.begin(), places.end(), 0);
  for (int round = 0; round < 20; ++round) {
    std::shuffle(places.begin(), places.end(), random);
    std::string logits(kCount * kLogitBytes, '\0');
    std::vector<Request> requests;
    for (const int place : places) {
      requests.push_back(digits_.Ask(server_, kFirst + place, 1));
      requests.back().OutputAt("logits", logits.data() + place * kLogitBytes, kLogitBytes);
    }
    for (const Outcome& outcome : Request::SendTogether(server_, requests)) {
      ASSERT_TRUE(Succeeded(outcome));
    }
    for (Request& request : requests) ASSERT_TRUE(Succeeded(request.Wait().outcome));
    EXPECT_LT(digits_.WorstError(logits, kFirst, kCount), 1e-4);
    EXPECT_EQ(server_.Copies("digits"), 0);
  }
  EXPECT_EQ(server_.Batches("digits"), (Batches{{kCount, 20}}));
}

// Inputs and outputs of which only one side fills a block: the other is copied, and each answer
// goes to its request.
TEST_F(DigitsMemory, AnswersFindTheirRequestsWhateverTheOrder) {
  const int places[] = {3, 0, 2, 1};
  std::string logits(4 * kLogitBytes, '\0');
  std::vector<Request> requests;
  for (size_t i = 0; i < 4; ++i) {
    requests.push_back(digits_.Ask(server_, places[i], 1));
    requests.back().OutputAt("logits", logits.data() + i * kLogitBytes, kLogitBytes);
  }
  requests.push_back(digits_.Ask(server_, 4, 3));  // memory of the server, several images
  for (const Outcome& outcome : Request::SendTogether(server_, requests)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  for (size_t i = 0; i < 4; ++i) {
    ASSERT_TRUE(Succeeded(requests[i].Wait().outcome));
    EXPECT_LT(digits_.WorstError(logits.substr(i * kLogitBytes, kLogitBytes), places[i], 1), 1e-4);
  }
  const Answer& three = requests[4].Wait();
  ASSERT_TRUE(Succeeded(three.outcome));
  EXPECT_LT(digits_.WorstError(three.output("logits").bytes, 4, 3), 1e-4);
  EXPECT_EQ(server_.Batches("digits"), (Batches{{7, 1}}));
  EXPECT_EQ(server_.Copies("digits"), 5);  // a scatter each, no gather
}

// The ring of slots turned over within the batch: two blocks.
TEST_F(DigitsMemory, ABatchInTwoBlocksIsGatheredOnce) {
  std::vector<Request> requests;
  std::string logits(4 * kLogitBytes, '\0');
  const int places[] = {62, 63, 0, 1};
  for (size_t i = 0; i < 4; ++i) {
    requests.push_back(digits_.Ask(server_, places[i], 1));
    requests.back().OutputAt("logits", logits.data() + i * kLogitBytes, kLogitBytes);
  }
  for (const Outcome& outcome : Request::SendTogether(server_, requests)) {
    ASSERT_TRUE(Succeeded(outcome));
  }
  for (size_t i = 0; i < 4; ++i) {
    ASSERT_TRUE(Succeeded(requests[i].Wait().outcome));
    EXPECT_LT(digits_.WorstError(logits.substr(i * kLogitBytes, kLogitBytes), places[i], 1), 1e-4);
  }
  EXPECT_EQ(server_.Copies("digits"), 4);  // of inputs: the outputs do lie side by side
}

// Counted on this thread, which executes the request itself.
TEST(HugePages, ALargeGatherFaultsFewPagesIn) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer has memory of its own";
  constexpr int64_t kElements = 4 << 20;
  constexpr size_t kBytes = kElements * sizeof(float);
  if (!KernelGivesHugePages(kBytes)) {
    GTEST_SKIP() << "the kernel gives no huge pages: it shall not, or none are left";
  }
  Server server;
  server.repository().AddOnnx("identity_fp32", "identity_fp32", "");
  ASSERT_TRUE(Succeeded(server.Load("identity_fp32")));
  std::vector<float> memory(kElements + 1, 1);
  std::string out(kBytes, '\0');
  const auto faults_of = [&](const char* data) {
    Request request(server, "identity_fp32");
    request.InputAt("input", TRITONSERVER_TYPE_FP32, {1, kElements}, data, kBytes);
    request.OutputAt("output", out.data(), out.size());
    const int64_t before = PageFaults();
    bool ran_inline = false;
    EXPECT_TRUE(Succeeded(request.SendInline(&ran_inline)));
    EXPECT_TRUE(ran_inline);
    EXPECT_TRUE(Succeeded(request.Wait().outcome));
    return PageFaults() - before;
  };
  const char* aligned = reinterpret_cast<const char*>(memory.data());
  for (int i = 0; i < 3; ++i) faults_of(aligned);  // until ONNX Runtime has its own memory
  const int64_t in_place = faults_of(aligned);
  const int64_t gathered = faults_of(aligned + 1);   // no float may lie there: copied
  EXPECT_EQ(server.Copies("identity_fp32"), 5 + 1);  // the output is copied each time
  RecordProperty("in_place", std::to_string(in_place));
  RecordProperty("gathered", std::to_string(gathered));
  // With small pages it is one fault for 4 KiB of the gathered input.
  EXPECT_LT(gathered - in_place, static_cast<int64_t>(kBytes / 4096 / 8));
}

}  // namespace
}  // namespace trident::contract
