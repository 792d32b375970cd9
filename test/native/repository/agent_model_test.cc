#include "repository/agent_model.h"

#include <gtest/gtest.h>

namespace trident {
namespace {

constexpr TRITONREPOAGENT_ActionType kActions[] = {
    TRITONREPOAGENT_ACTION_LOAD, TRITONREPOAGENT_ACTION_LOAD_COMPLETE,
    TRITONREPOAGENT_ACTION_LOAD_FAIL, TRITONREPOAGENT_ACTION_UNLOAD,
    TRITONREPOAGENT_ACTION_UNLOAD_COMPLETE};
using Actions = std::vector<TRITONREPOAGENT_ActionType>;

// What the agent under test was asked for.
Actions asked;

TRITONSERVER_Error* Note(TRITONREPOAGENT_Agent*, TRITONREPOAGENT_AgentModel*,
                         TRITONREPOAGENT_ActionType action) {
  asked.push_back(action);
  return nullptr;
}

std::unique_ptr<AgentModel> NewModel() {
  asked.clear();
  auto agent = Agent::Initialize("test", {.model_action = Note}, nullptr);
  return AgentModel::Create(*agent, {}, {.path = "/models/m"}, {}).value();
}

// The model has gone through `before`: only `next` may follow.
void ExpectNext(const Actions& before, const Actions& next) {
  for (const TRITONREPOAGENT_ActionType action : kActions) {
    const auto model = NewModel();
    for (const TRITONREPOAGENT_ActionType done : before) ASSERT_TRUE(model->Act(done).ok());
    const Status status = model->Act(action);
    if (std::find(next.begin(), next.end(), action) != next.end()) {
      EXPECT_TRUE(status.ok()) << status.message();
      continue;
    }
    EXPECT_EQ(status.code(), StatusCode::kInternal);
    EXPECT_EQ(status.message(),
              before.empty()
                  ? StrCat("Unexpected lifecycle start state ", AgentActionName(action))
                  : StrCat("Unexpected lifecycle state transition from ",
                           AgentActionName(before.back()), " to ", AgentActionName(action)));
    EXPECT_EQ(asked, before) << "the agent is not asked";
  }
}

TEST(AgentModelTest, ActionsFollowTheLifeOfALoad) {
  ExpectNext({}, {kActions[0]});
  ExpectNext({kActions[0]}, {kActions[1], kActions[2]});
  ExpectNext({kActions[0], kActions[1]}, {kActions[3]});
  ExpectNext({kActions[0], kActions[2]}, {});
  ExpectNext({kActions[0], kActions[1], kActions[3]}, {kActions[4]});
  ExpectNext({kActions[0], kActions[1], kActions[3], kActions[4]}, {});
}

TEST(AgentModelTest, TheLocationChangesDuringLoadOnly) {
  const auto model = NewModel();
  EXPECT_EQ(model->SetLocation({.path = "/elsewhere"}).message(),
            "location can only be updated during TRITONREPOAGENT_ACTION_LOAD, current action type "
            "is not set");
  ASSERT_TRUE(model->Act(TRITONREPOAGENT_ACTION_LOAD).ok());
  EXPECT_TRUE(model->SetLocation({.path = "/elsewhere"}).ok());
  EXPECT_EQ(model->location().path, "/elsewhere");
  ASSERT_TRUE(model->Act(TRITONREPOAGENT_ACTION_LOAD_COMPLETE).ok());
  EXPECT_EQ(model->SetLocation({.path = "/models/m"}).code(), StatusCode::kInvalidArg);
  EXPECT_EQ(model->location().path, "/elsewhere");
}

TEST(AgentModelTest, AnAcquiredDirectoryIsNewAgainAfterItsRelease) {
  const auto model = NewModel();
  const std::string first = *model->AcquireDirectory(TRITONREPOAGENT_ARTIFACT_FILESYSTEM);
  EXPECT_EQ(first, *model->AcquireDirectory(TRITONREPOAGENT_ARTIFACT_FILESYSTEM));
  EXPECT_TRUE(SubdirectoriesOf(first).ok());
  EXPECT_TRUE(model->ReleaseDirectory().ok());
  EXPECT_FALSE(SubdirectoriesOf(first).ok());
  EXPECT_EQ(model->ReleaseDirectory().code(), StatusCode::kUnavailable);
  EXPECT_TRUE(model->AcquireDirectory(TRITONREPOAGENT_ARTIFACT_FILESYSTEM).ok());
}

}  // namespace
}  // namespace trident
