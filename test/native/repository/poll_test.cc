// Polls over a real directory in virtual time. No backend is to be had here, so every load that is
// tried fails: what is tested is which are tried.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "repository/repository.h"

namespace trident {
namespace {

namespace fs = std::filesystem;

// Who waits finds that the time has come, and what `while_waiting` did meanwhile.
class JumpingClock : public Clock {
 public:
  uint64_t Now() override { return now_ns; }
  void WaitUntil(CondVar&, Mutex&, uint64_t deadline_ns) override {
    now_ns = deadline_ns;
    if (while_waiting) while_waiting();
  }

  uint64_t now_ns = 1'000'000;
  std::function<void()> while_waiting;
};

class Polls : public ::testing::Test {
 protected:
  Polls()
      : root_([] {
          std::string pattern = (fs::temp_directory_path() / "trident-poll-XXXXXX").string();
          return fs::path(mkdtemp(pattern.data()));
        }()),
        logger_(std::make_shared<Logger>([] {
          LogSettings settings;
          settings.sink = [](const LogRecord&) {};
          return settings;
        }())),
        locations_({root_.string()}),
        backends_({.backend_directory = root_.string() + "/no-backends"}, logger_),
        loader_({}, locations_, backends_, logger_),
        repository_(Options(), locations_, loader_, logger_) {}
  ~Polls() override {
    EXPECT_TRUE(repository_.Stop(kNever).ok());
    fs::remove_all(root_);
  }

  ModelRepository::Options Options() {
    ModelRepository::Options options;
    options.settle_ns = 250;
    options.clock = &clock_;
    options.listener = [this](const ModelEvent& event) {
      if (event.kind == ModelEvent::Kind::kLoading) loads_.push_back(event.model.name);
      if (event.kind == ModelEvent::Kind::kUnavailable) reason_ = event.reason;
    };
    return options;
  }

  void Write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void WriteModel(const std::string& name, const std::string& weights) {
    Write(name + "/config.pbtxt", "backend: 'none'");
    Write(name + "/1/weights", weights);
  }

  // The models that a poll tries to load.
  std::vector<std::string> Poll() {
    loads_.clear();
    EXPECT_TRUE(repository_.Poll().ok());
    clock_.now_ns += 10;
    return loads_;
  }

  using Names = std::vector<std::string>;

  const fs::path root_;
  JumpingClock clock_;
  std::vector<std::string> loads_;
  std::string reason_;
  std::shared_ptr<Logger> logger_;
  ModelLocations locations_;
  BackendManager backends_;
  ModelLoader loader_;
  ModelRepository repository_;
};

TEST_F(Polls, LoadWhatIsNewAfterItsFilesWereAtRest) {
  EXPECT_EQ(Poll(), Names{});
  WriteModel("m", "x");
  const uint64_t before = clock_.now_ns;
  EXPECT_EQ(Poll(), Names{"m"});
  EXPECT_GE(clock_.now_ns, before + 250);
}

TEST_F(Polls, LeaveWhatIsBeingWrittenToTheNext) {
  WriteModel("m", "x");
  WriteModel("other", "x");
  clock_.while_waiting = [&] { Write("m/1/weights", "xx"); };
  EXPECT_EQ(Poll(), Names{"other"});
  clock_.while_waiting = [&] { Write("m/1/weights", "xxx"); };
  EXPECT_EQ(Poll(), Names{}) << "still being written";
  clock_.while_waiting = nullptr;
  EXPECT_EQ(Poll(), Names{"m"});
}

TEST_F(Polls, DoNotWaitForWhatAnEarlierPollFoundAsItIs) {
  WriteModel("m", "x");
  clock_.while_waiting = [&] { Write("m/1/weights", "xx"); };
  EXPECT_EQ(Poll(), Names{});
  clock_.while_waiting = [] { ADD_FAILURE() << "nothing to wait for"; };
  clock_.now_ns += 300;
  EXPECT_EQ(Poll(), Names{"m"});
}

TEST_F(Polls, TryABrokenModelAgainOnlyWhenItsFilesChange) {
  WriteModel("m", "x");
  EXPECT_EQ(Poll(), Names{"m"});
  EXPECT_EQ(Poll(), Names{});
  Write("m/1/weights", "xx");
  EXPECT_EQ(Poll(), Names{"m"});
  EXPECT_EQ(Poll(), Names{});
}

TEST_F(Polls, TryAModelThatCannotBeReadAgainOnlyWhenItsFilesChange) {
  WriteModel("m", "x");
  Write("m/config.pbtxt", "not a configuration");
  EXPECT_EQ(Poll(), Names{});
  EXPECT_NE(reason_, "");
  reason_.clear();
  EXPECT_EQ(Poll(), Names{});
  EXPECT_EQ(reason_, "") << "tried again";
  Write("m/config.pbtxt", "backend: 'none'");
  EXPECT_EQ(Poll(), Names{"m"});
}

TEST_F(Polls, ForgetWhatIsGoneAndTryItAgainWhenItIsBack) {
  WriteModel("m", "x");
  EXPECT_EQ(Poll(), Names{"m"});
  EXPECT_EQ(repository_.Index(false)->size(), 1u);
  fs::rename(root_ / "m", root_ / ".away");
  EXPECT_EQ(Poll(), Names{});
  EXPECT_TRUE(repository_.Index(false)->empty());
  fs::rename(root_ / ".away", root_ / "m");
  EXPECT_EQ(Poll(), Names{"m"});
}

TEST_F(Polls, OfARepositoryThatCannotBeReadChangeNothing) {
  WriteModel("m", "x");
  EXPECT_EQ(Poll(), Names{"m"});
  fs::rename(root_, root_.string() + ".away");
  EXPECT_EQ(repository_.Poll().code(), StatusCode::kInternal);
  fs::rename(root_.string() + ".away", root_);
  EXPECT_EQ(Poll(), Names{});
  EXPECT_EQ(repository_.Index(false)->size(), 1u);
}

TEST_F(Polls, EndTheirWaitWhenTheServerStops) {
  WriteModel("m", "x");
  clock_.while_waiting = [&] { EXPECT_TRUE(clock_.now_ns > 0); };
  repository_.BeginStop();
  EXPECT_EQ(repository_.Poll().code(), StatusCode::kUnavailable);
}

// 3.13.2
TEST_F(Polls, AtStartupTheReasonOfEachFailureIsKept) {
  WriteModel("m", "x");
  Write("n/config.pbtxt", "backend: 'none'");
  const Status status = repository_.LoadAll(std::nullopt);
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_EQ(status.message().find("failed to load all models"), 0u) << status.message();
  EXPECT_NE(status.message().find("backend"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("at least one version"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace trident
