// Namespaces: models of one name in several repositories (3.15.8).

#include "life.h"

namespace trident::contract {
namespace {

class Namespaces : public testing::Test {
 protected:
  Namespaces()
      : server_(In(TRITONSERVER_MODEL_CONTROL_EXPLICIT, [this](auto* options) {
          Must(TRITONSERVER_ServerOptionsSetModelNamespacing(options, true));
          Must(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, other_.root().c_str()));
        })) {
    // The same names twice; what is different is the type of the tensors.
    server_.repository().Add("model", Identity());
    server_.repository().Add("chain", Chain({"model"}));
    other_.Add("model", EchoConfig("identity", TRITONSERVER_TYPE_INT32));
    other_.Add("alone", Identity());
  }
  std::string Own(const std::string& name) { return server_.repository().root() + "::" + name; }
  std::string Other(const std::string& name) { return other_.root() + "::" + name; }

  Repository other_;
  Server server_;
};

TEST_F(Namespaces, ModelsOfOneNameAreServedSideBySide) {
  ASSERT_TRUE(Succeeded(server_.Load("model"))) << "both of them";
  EXPECT_TRUE(FailedWith(server_.Knows("model"), TRITONSERVER_ERROR_INVALID_ARG,
                         {"There are 2 identifiers of model 'model' in global map, model namespace "
                          "must be provided to resolve ambiguity."}));
  EXPECT_TRUE(Answers(server_, Own("model")));
  EXPECT_TRUE(server_.Ready(Other("model")));
  EXPECT_EQ(server_.Config(Other("model")).Text("/input/0/data_type"), "TYPE_INT32");
  EXPECT_EQ(server_.Statistics(Own("model")).Text("/model_stats/0/name"), Own("model"));
  EXPECT_NE(Index(server_).find("\"" + Other("model") + "\""), std::string::npos);
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait(Other("model"))));
  EXPECT_TRUE(Answers(server_, "model")) << "now there is only one";
}

TEST_F(Namespaces, ANameThatIsOnlyOnceNeedsNoNamespace) {
  ASSERT_TRUE(Succeeded(server_.Load("alone")));
  EXPECT_TRUE(Answers(server_, "alone"));
  EXPECT_TRUE(Answers(server_, Other("alone")));
  EXPECT_FALSE(server_.Knows(Own("alone")).ok());
}

TEST_F(Namespaces, UnknownNamesAreToldApartFromForgottenOnes) {
  EXPECT_TRUE(FailedWith(server_.Knows("absent"), TRITONSERVER_ERROR_INVALID_ARG,
                         {"Request for unknown model: 'absent' is not found"}));
  ASSERT_TRUE(Succeeded(server_.Load("alone")));
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("alone")));
  EXPECT_TRUE(FailedWith(server_.Knows("alone"), TRITONSERVER_ERROR_NOT_FOUND,
                         {"Identifier of model 'alone' is not found in global map"}));
}

TEST_F(Namespaces, AnEnsembleTakesTheStepOfItsOwnNamespace) {
  ASSERT_TRUE(Succeeded(server_.Load("chain")));
  EXPECT_TRUE(server_.Ready(Own("model")));
  EXPECT_FALSE(server_.Ready(Other("model")));
  EXPECT_TRUE(Answers(server_, "chain"));
  ASSERT_TRUE(Succeeded(server_.Load("model")));
  EXPECT_TRUE(Answers(server_, "chain"));
}

TEST_F(Namespaces, AnEnsembleTakesTheOnlyStepOfItsNameElsewhere) {
  server_.repository().Add("far", Chain({"alone"}));
  ASSERT_TRUE(Succeeded(server_.Load("far")));
  EXPECT_TRUE(Answers(server_, "far"));
  // Its own namespace gets one, which from then on is meant.
  server_.repository().Add("alone", Identity());
  ASSERT_TRUE(Succeeded(server_.Load(Own("alone"))));
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait(Other("alone"))));
  EXPECT_TRUE(Answers(server_, "far"));
}

// A reload is invisible to whoever has a request for the model.
TEST_F(Namespaces, AReusedRequestFindsItsModelAgain) {
  ASSERT_TRUE(Succeeded(server_.Load("model")));
  Request request = EchoRequest(server_, Own("model"), {1});
  EXPECT_TRUE(Succeeded(request.Infer().outcome));
  server_.repository().Write("model/1/weights", "new");
  ASSERT_TRUE(Succeeded(server_.Load("model")));
  EXPECT_TRUE(Succeeded(request.Infer().outcome));
}

}  // namespace
}  // namespace trident::contract
