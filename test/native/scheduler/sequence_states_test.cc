// Implicit state as requests meet it in the schedulers, and where it begins.

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "scheduler/sequence_fixture.h"

namespace trident {
namespace {

class States : public SequenceFixture, public ::testing::TestWithParam<Strategy> {
 protected:
  // One FP32 state "sum" -> "new_sum", which begins at 10.
  void Make(Shape dims = {1}) {
    auto specs = std::make_shared<StateSpecs>();
    StateSpec spec{.input_name = "sum", .output_name = "new_sum", .datatype = DataType::kFp32};
    spec.variable = HasWildcard(dims);
    spec.shape = {1, 1};
    const float ten = 10;
    const char* bytes = reinterpret_cast<const char*>(&ten);
    spec.initial = std::make_shared<const std::vector<char>>(bytes, bytes + sizeof(ten));
    specs->push_back(spec);
    policy.states = specs;
    policy.slots = 4;
    SequenceFixture::Make(GetParam());
  }
  static float* Prepare(InferenceRequest& request, Shape shape = {1, 1}) {
    StateTensor* const state = *request.states->Find("new_sum");
    const uint64_t bytes = sizeof(float) * static_cast<uint64_t>(shape.back());
    EXPECT_TRUE(state->Describe(DataType::kFp32, std::move(shape)).ok());
    void* data = nullptr;
    BufferAttributes attributes;
    EXPECT_TRUE(state->Buffer(bytes, &data, &attributes).ok());
    return static_cast<float*>(data);
  }
  // What a backend that adds one does.
  static void AddOne(InferenceRequest& request) {
    *Prepare(request) = Read<float>(request, "sum") + 1;
    EXPECT_TRUE((*request.states->Find("new_sum"))->Update().ok());
  }
  // Sends one request and runs it; returns the state it saw.
  float Step(uint64_t id, uint32_t flags) {
    Send(id, flags);
    Batch batch = Take();
    EXPECT_EQ(batch.size(), 1u);
    const auto seen = Read<float>(*batch[0], "sum");
    AddOne(*batch[0]);
    End(std::move(batch));
    return seen;
  }
};

TEST_P(States, EveryRequestSeesWhatTheOneBeforeHasUpdated) {
  Make();
  EXPECT_EQ(Step(1, kSequenceStart), 10);
  EXPECT_EQ(Step(1, 0), 11);
  EXPECT_EQ(Step(1, kSequenceEnd), 12);
  EXPECT_EQ(Step(1, kSequenceStart), 10) << "a new sequence begins anew";
}

TEST_P(States, SequencesDoNotSeeEachOthersState) {
  Make();
  Send(1, kSequenceStart);
  Send(2, kSequenceStart);
  Batch batch = Take();
  ASSERT_EQ(batch.size(), 2u);
  *Prepare(*batch[0]) = 100;
  *Prepare(*batch[1]) = 200;
  for (const RequestPtr& request : batch) {
    ASSERT_TRUE((*request->states->Find("new_sum"))->Update().ok());
  }
  End(std::move(batch));
  EXPECT_EQ(Step(1, 0), 100);
  Send(1, kSequenceEnd);
  Send(2, kSequenceEnd);
  batch = Take();
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_EQ(Read<float>(*batch[1], "sum"), 200);
  End(std::move(batch));
}

TEST_P(States, StartOfAnActiveIdResetsTheState) {
  Make();
  EXPECT_EQ(Step(1, kSequenceStart), 10);
  EXPECT_EQ(Step(1, 0), 11);
  EXPECT_EQ(Step(1, kSequenceStart), 10);
  EXPECT_EQ(Step(1, 0), 11);
}

TEST_P(States, WithoutAnUpdateTheStateStays) {
  Make();
  EXPECT_EQ(Step(1, kSequenceStart), 10);
  Send(1, 0);
  Batch batch = Take();
  *Prepare(*batch[0]) = 99;  // and then the execution fails
  RespondError(std::move(batch[0]), Internal("failed"));
  End(std::move(batch));
  EXPECT_EQ(Step(1, 0), 11);
}

TEST_P(States, TheStateIsOneInputOfTheBackend) {
  Make();
  Send(1, kSequenceStart);
  Batch batch = Take();
  EXPECT_EQ(batch[0]->backend_input_count(), 2u);
  EXPECT_EQ((*batch[0]->FindBackendInput("sum"))->shape(), (Shape{1, 1}));
  EXPECT_EQ((*batch[0]->FindBackendInput("sum"))->datatype(), DataType::kFp32);
  End(std::move(batch));
}

TEST_P(States, AReleasedRequestHasNoStateAnyMore) {
  Make();
  Step(1, kBoth);
  EXPECT_EQ(requests[0]->request.states, nullptr);
}

TEST_P(States, SequencesWhoseStatesDifferInShapeDoNotShareABatch) {
  Make({-1});
  Send(1, kSequenceStart);
  Batch batch = Take();
  float* const two = Prepare(*batch[0], {1, 2});
  two[0] = two[1] = 5;
  ASSERT_TRUE((*batch[0]->states->Find("new_sum"))->Update().ok());
  End(std::move(batch));
  Send(2, kSequenceStart);
  End(Take());
  Send(1, 0);
  clock.now_ns += 1;
  Send(2, 0);
  batch = Take();
  EXPECT_EQ(batch.size(), 1u);
  EXPECT_EQ((*batch[0]->FindBackendInput("sum"))->shape(), (Shape{1, 2}));
  End(std::move(batch));
}

INSTANTIATE_WITH_BOTH_STRATEGIES(States);

class NullStates : public States {};
INSTANTIATE_TEST_SUITE_P(OnlyDirect, NullStates, ::testing::Values(Strategy::kDirect),
                         [](const auto&) { return "Direct"; });

TEST_P(NullStates, NullRequestsHaveDummyStatesThatReachNoSequence) {
  Make();
  Send(1, kSequenceStart);
  Send(2, kSequenceStart);
  Batch batch = Take();
  for (const RequestPtr& request : batch) AddOne(*request);
  End(std::move(batch));
  Send(2, 0);
  batch = Take();
  ASSERT_EQ(batch.size(), 2u);
  ASSERT_TRUE(batch[0]->is_null);
  EXPECT_EQ(Read<float>(*batch[0], "sum"), 0);
  EXPECT_EQ((*batch[0]->FindBackendInput("sum"))->shape(), (Shape{1, 1}));
  AddOne(*batch[0]);
  EXPECT_EQ(Read<float>(*batch[1], "sum"), 11);
  End(std::move(batch));
  EXPECT_EQ(Step(1, 0), 11) << "the null request stood in its slot";
}

// Where states begin -----------------------------------------------------------------------------

class InitialState : public ::testing::Test {
 protected:
  InitialState() {
    directory_ = std::filesystem::temp_directory_path() /
                 ("trident_state_" + std::to_string(getpid()) + "_" +
                  ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(directory_ / "initial_state");
    config_.name = "counter";
    config_.max_batch_size = 4;
    config_.sequence_batching.emplace();
    config_.sequence_batching->state.push_back(
        {.input_name = "in", .output_name = "out", .data_type = DataType::kInt32, .dims = {2}});
  }
  ~InitialState() override { std::filesystem::remove_all(directory_); }

  SequenceState& state() { return config_.sequence_batching->state[0]; }
  void FromFile(const std::string& file, const std::string& bytes) {
    std::ofstream(directory_ / "initial_state" / file, std::ios::binary) << bytes;
    NameFile(file);
  }
  void NameFile(const std::string& file) {
    state().initial_state = {
        {.data_type = state().data_type, .dims = state().dims, .data_file = file, .name = "begin"}};
  }
  Result<SequencePolicy> Make() { return MakeSequencePolicy(config_, directory_.string()); }
  void ExpectRefused(StatusCode code, const std::string& part) {
    const Status status = Make().status();
    EXPECT_EQ(status.code(), code);
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
    EXPECT_NE(status.message().find("model 'counter': state 'in': "), std::string::npos)
        << status.message();
  }

  std::filesystem::path directory_;
  ModelConfig config_;
};

TEST_F(InitialState, ZeroWithVariableDimsOne) {
  state().dims = {3, -1};
  const auto policy = Make();
  ASSERT_TRUE(policy.ok()) << policy.status().message();
  const StateSpec& spec = policy->states->at(0);
  EXPECT_EQ(spec.shape, (Shape{1, 3, 1}));
  EXPECT_EQ(*spec.initial, std::vector<char>(12));
  EXPECT_TRUE(spec.variable);
}

TEST_F(InitialState, WithoutBatchingTheShapeHasNoBatchDimension) {
  config_.max_batch_size = 0;
  EXPECT_EQ(Make()->states->at(0).shape, Shape{2});
}

TEST_F(InitialState, StringsBeginEmpty) {
  state().data_type = DataType::kBytes;
  EXPECT_EQ(*Make()->states->at(0).initial, std::vector<char>(8));
}

// Triton takes the bytes of an initial state but the shape of the state, with 1 for -1.
TEST_F(InitialState, HasTheShapeItSays) {
  state().dims = {-1};
  state().initial_state = {
      {.data_type = DataType::kInt32, .dims = {3}, .zero_data = true, .name = "begin"}};
  const auto policy = Make();
  ASSERT_TRUE(policy.ok());
  EXPECT_EQ(policy->states->at(0).shape, (Shape{1, 3}));
  EXPECT_EQ(policy->states->at(0).initial->size(), 12u);
}

TEST_F(InitialState, ComesFromAFileInItsDirectory) {
  FromFile("begin.bin", "abcdefgh");
  const auto policy = Make();
  ASSERT_TRUE(policy.ok()) << policy.status().message();
  const std::vector<char>& bytes = *policy->states->at(0).initial;
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "abcdefgh");
}

TEST_F(InitialState, OfALongerFileTheFrontIsTaken) {
  FromFile("begin.bin", "abcdefgh and more");
  EXPECT_EQ(Make()->states->at(0).initial->size(), 8u);
}

TEST_F(InitialState, AShortFileIsAnError) {
  FromFile("begin.bin", "abc");
  ExpectRefused(StatusCode::kInvalidArg,
                "expects 8 bytes, but the data provided from begin.bin "
                "only has 3 bytes");
}

TEST_F(InitialState, AMissingFileIsAnError) {
  NameFile("nowhere.bin");
  ExpectRefused(StatusCode::kNotFound, "nowhere.bin");
}

TEST_F(InitialState, AFileOutsideItsDirectoryIsAnError) {
  std::ofstream(directory_ / "secret.bin", std::ios::binary) << "abcdefgh";
  for (const char* file : {"../secret.bin", "x/../../secret.bin", "/etc/passwd", ""}) {
    NameFile(file);
    ExpectRefused(StatusCode::kInvalidArg, "is not inside 'initial_state'");
  }
  NameFile(".");
  ExpectRefused(StatusCode::kNotFound, "there is no file");
}

TEST_F(InitialState, AFileOfStringsMustHoldAsManyAsTheStateHas) {
  state().data_type = DataType::kBytes;
  const std::string one("\2\0\0\0ab", 6);
  FromFile("begin.bin", one + one);
  EXPECT_EQ(Make()->states->at(0).initial->size(), 12u);
  FromFile("begin.bin", one);
  ExpectRefused(StatusCode::kInvalidArg, "has 1 elements, but the state has 2");
  FromFile("begin.bin", one + "\2");
  ExpectRefused(StatusCode::kInvalidArg, "ends inside the length of element 1");
  FromFile("begin.bin", one + std::string("\3\0\0\0ab", 6));
  ExpectRefused(StatusCode::kInvalidArg, "ends inside element 1");
}

TEST_F(InitialState, AStateTooLargeForAnyMemoryIsAnError) {
  state().dims = {INT64_MAX, INT64_MAX};
  ExpectRefused(StatusCode::kInvalidArg, "overflows");
  state().dims = {INT64_MAX / 2};  // fits 64 bits, but no machine
  ExpectRefused(StatusCode::kInvalidArg, "is larger than");
}

TEST(SequencePolicyOf, CandidatesAreTheSlotsOfOldest) {
  ModelConfig config;
  config.max_batch_size = 4;
  config.sequence_batching.emplace();
  EXPECT_EQ(MakeSequencePolicy(config, "")->slots, 4u);
  config.sequence_batching->oldest.emplace();
  EXPECT_EQ(MakeSequencePolicy(config, "")->slots, 4u);
  config.sequence_batching->oldest->max_candidate_sequences = 100;
  config.sequence_batching->oldest->preferred_batch_size = {4, 2};
  config.sequence_batching->oldest->max_queue_delay_microseconds = 7;
  const SequencePolicy policy = *MakeSequencePolicy(config, "");
  EXPECT_EQ(policy.slots, 100u);
  EXPECT_EQ(policy.batching.max_batch_size, 4u);
  EXPECT_EQ(policy.batching.preferred, (std::vector<uint32_t>{2, 4}));
  EXPECT_EQ(policy.batching.max_queue_delay_ns, 7000u);
  config.max_batch_size = 0;
  config.sequence_batching->oldest.reset();
  EXPECT_EQ(MakeSequencePolicy(config, "")->slots, 1u);
}

}  // namespace
}  // namespace trident
