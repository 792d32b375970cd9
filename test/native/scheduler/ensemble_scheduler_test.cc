// The data flow of ensembles: who runs when, with which tensors, and how it ends.

#include "ensemble_fixture.h"

namespace trident::ensemble_test {
namespace {

TEST(EnsembleFlowOfData, AChainRunsStepByStep) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a", "b"}));
  FakeStep& a = ensemble.Add("a");
  FakeStep& b = ensemble.Add("b");
  Client client(&ensemble);
  client.Input("X", {1, 2}).Send();
  EXPECT_EQ(b.waiting(), 0u);
  ensemble.AnswerPlus(a.Next(), 10);
  EXPECT_FALSE(client.done());
  RequestPtr second = b.Next();
  EXPECT_EQ(In(*second, "in"), (Numbers{11, 12}));
  ensemble.AnswerPlus(std::move(second), 100);
  ASSERT_TRUE(client.last().status.ok());
  EXPECT_EQ(client.last().outputs.at("Y"), (Numbers{111, 112}));
}

// Statement 6: a step runs when all of its mapped inputs exist.
TEST(EnsembleFlowOfData, FanOutAndJoin) {
  Ensemble ensemble({"X"}, {"Y"},
                    Step("split", "in=X", "left=L,right=R") + Step("l", "in=L", "out=L2") +
                        Step("r", "in=R", "out=R2") + Step("join", "a=L2,b=R2", "out=Y"));
  ensemble.Add("split", {Spec("in")}, {Spec("left"), Spec("right")}).on_submit =
      [](RequestPtr request) {
        const Numbers in = In(*request, "in");
        Reply(*request).Output("left", {in[0]}).Output("right", {in[1]}).Send();
      };
  FakeStep& l = ensemble.Add("l");
  FakeStep& r = ensemble.Add("r");
  FakeStep& join = ensemble.Add("join", {Spec("a"), Spec("b")}, {Spec("out")});
  Client client(&ensemble);
  client.Input("X", {1, 2}).Send();
  ensemble.AnswerPlus(r.Next(), 10);  // out of order
  EXPECT_EQ(join.waiting(), 0u);
  ensemble.AnswerPlus(l.Next(), 100);
  RequestPtr joined = join.Next();
  EXPECT_EQ(In(*joined, "a"), (Numbers{101}));
  EXPECT_EQ(In(*joined, "b"), (Numbers{12}));
  Reply(*joined).Output("out", {7}).Send();
  joined = nullptr;
  EXPECT_EQ(client.last().outputs.at("Y"), (Numbers{7}));
}

TEST(EnsembleFlowOfData, OneTensorForTwoInputsOfAStep) {
  Ensemble ensemble({"X"}, {"Y"}, Step("add", "a=X,b=X", "out=Y"));
  FakeStep& add = ensemble.Add("add", {Spec("a"), Spec("b")}, {Spec("out")});
  Client client(&ensemble);
  client.Input("X", {3}).Send();
  EXPECT_EQ(add.waiting(), 1u);
  RequestPtr request = add.Next();
  EXPECT_EQ(In(*request, "a"), In(*request, "b"));
  Reply(*request).Output("out", {6}).Send();
  request = nullptr;
  EXPECT_EQ(client.last().outputs.at("Y"), (Numbers{6}));
}

// Statement 6: steps whose outputs nobody asked for are skipped; their models need not even be
// there.
TEST(EnsembleFlowOfData, StepsThatRequestedOutputsDoNotNeedAreSkipped) {
  Ensemble ensemble({"X"}, {"Y", "Z"},
                    Step("a", "in=X", "out=T") + Step("b", "in=T", "out=Y") +
                        Step("c", "in=T", "out=U") + Step("gone", "in=U", "out=Z"));
  ensemble.AddAdder("a", 1);
  ensemble.AddAdder("b", 10);
  FakeStep& c = ensemble.Add("c");
  Client client(&ensemble);
  client.Input("X", {1}).Output("Y").Send();
  EXPECT_EQ(client.last().outputs, (std::map<std::string, Numbers>{{"Y", {12}}}));
  EXPECT_TRUE(c.group_sizes.empty());
}

TEST(EnsembleFlowOfData, AnUnwantedOutputIsNotAskedFor) {
  Ensemble ensemble({"X"}, {"Y", "Z"}, Step("a", "in=X", "out=Y,more=Z"));
  FakeStep& a = ensemble.Add("a", {Spec("in")}, {Spec("out"), Spec("more")});
  Client client(&ensemble);
  client.Input("X", {1}).Output("Z").Send();
  RequestPtr request = a.Next();
  ASSERT_EQ(request->output_count(), 1u);
  EXPECT_EQ(request->output_name(0), "more");
  Reply(*request).Output("more", {5}).Output("out", {6}).Send();
  request = nullptr;
  EXPECT_EQ(client.last().outputs, (std::map<std::string, Numbers>{{"Z", {5}}}));
}

TEST(EnsembleFlowOfData, AnOutputMayAlsoBeReadByAStep) {
  Ensemble ensemble({"X"}, {"Y", "Z"}, Step("a", "in=X", "out=Y") + Step("b", "in=Y", "out=Z"));
  FakeStep& a = ensemble.Add("a");
  FakeStep& b = ensemble.Add("b");
  Client client(&ensemble);
  client.Input("X", {1}).Send();
  ensemble.AnswerPlus(a.Next(), 1);
  RequestPtr second = b.Next();
  // In place: from where the client will read it.
  EXPECT_EQ((*second->FindInput("in"))->buffers()[0].data, client.sink->allocated.at("Y"));
  Reply(*second).Output("out", {9}).Send();
  // The answer waits for the release: till then the step may read.
  EXPECT_EQ(client.sink->received.size(), 0u);
  second = nullptr;
  EXPECT_EQ(client.last().outputs, (std::map<std::string, Numbers>{{"Y", {2}}, {"Z", {9}}}));
  EXPECT_EQ(ensemble.target->statistics().Read().copy_count, 0u);
}

TEST(EnsembleFlowOfData, AnInputMayAlsoBeAnOutput) {
  Ensemble ensemble({"X"}, {"X", "Y"}, Step("a", "in=X", "out=Y"));
  ensemble.AddAdder("a", 1);
  Client client(&ensemble);
  client.Input("X", {4}).Send();
  EXPECT_EQ(client.last().outputs, (std::map<std::string, Numbers>{{"X", {4}}, {"Y", {5}}}));
  // That one has to be copied.
  EXPECT_EQ(ensemble.target->statistics().Read().copy_count, 1u);
  EXPECT_EQ(ensemble.target->statistics().Read().copy_bytes, 4u);
}

TEST(EnsembleMemory, NothingIsCopiedOnTheWay) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a", "b"}));
  FakeStep& a = ensemble.Add("a");
  FakeStep& b = ensemble.Add("b");
  Client client(&ensemble);
  client.Input("X", {1}).Send();
  RequestPtr first = a.Next();
  EXPECT_EQ((*first->FindInput("in"))->buffers()[0].data, client.address(0));
  Reply reply(*first);
  reply.Output("out", {2});
  const void* const intermediate = reply.address();
  reply.Send();
  first = nullptr;
  RequestPtr second = b.Next();
  EXPECT_EQ((*second->FindInput("in"))->buffers()[0].data, intermediate);
  Reply last(*second);
  last.Output("out", {3});
  EXPECT_EQ(last.address(), client.sink->allocated.at("Y"));
  last.Send();
  second = nullptr;
  EXPECT_EQ(client.last().outputs.at("Y"), (Numbers{3}));
  EXPECT_EQ(client.sink->started, 1);
  EXPECT_EQ(ensemble.target->statistics().Read().copy_count, 0u);
}

// Statement 17: intermediate tensors are freed when nobody refers to them any more.
TEST(EnsembleMemory, AnIntermediateTensorGoesWithItsLastReader) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a", "b", "c"}));
  ensemble.AddAdder("a", 1);
  FakeStep& b = ensemble.Add("b");
  FakeStep& c = ensemble.Add("c");
  Client client(&ensemble);
  client.Input("X", Numbers(1 << 16)).Send();
  RequestPtr second = b.Next();
  const auto* const seen =
      static_cast<const int32_t*>((*second->FindInput("in"))->buffers()[0].data);
  EXPECT_EQ(*seen, 1);  // a sanitizer says whether it is still there
  Reply(*second).Output("out", {1}).Send();
  EXPECT_EQ(*seen, 1);  // not yet released
  second = nullptr;
  EXPECT_EQ(c.waiting(), 1u);
  ensemble.AnswerPlus(c.Next(), 0);
  EXPECT_TRUE(client.last().status.ok());
}

TEST(EnsembleMemory, NoMemoryFromTheClientIsTheEnsemblesError) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a"}));
  ensemble.AddAdder("a", 1);
  Client client(&ensemble);
  client.sink->refuse_memory = true;
  client.Input("X", {1}).Send();
  EXPECT_TRUE(FailedWith(client.last(), StatusCode::kUnavailable, "no memory for the test"));
}

TEST(EnsembleMemory, EmptyTensorsPassThrough) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a", "b"}));
  ensemble.AddAdder("a", 1);
  ensemble.AddAdder("b", 1);
  Client client(&ensemble);
  client.Input("X", {}, {0}).Send();
  ASSERT_TRUE(client.last().status.ok()) << client.last().status.message();
  EXPECT_EQ(client.last().shapes.at("Y"), (Shape{0}));
}

// Statement 7: what is optional may be left out, by the client and by a step.
TEST(EnsembleOptionalTensors, LeftOutByTheClient) {
  Ensemble ensemble({"X", "O"}, {"Y"}, Step("a", "in=X,maybe=O", "out=Y"), 0, false, {"O"});
  FakeStep& a = ensemble.Add("a", {Spec("in"), Spec("maybe", {-1}, true)}, {Spec("out")});
  Client client(&ensemble);
  client.Input("X", {1}).Send();
  RequestPtr request = a.Next();
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(request->inputs().size(), 1u);
  Reply(*request).Output("out", {1}).Send();
  request = nullptr;
  EXPECT_TRUE(client.last().status.ok());
}

TEST(EnsembleOptionalTensors, LeftOutByAStep) {
  Ensemble ensemble({"X"}, {"Y"},
                    Step("a", "in=X", "out=T,maybe=O") + Step("b", "in=T,maybe=O", "out=Y"));
  ensemble.Add("a", {Spec("in")}, {Spec("out"), Spec("maybe")}).on_submit = [](RequestPtr request) {
    Reply(*request).Output("out", {1}).Send();
  };
  FakeStep& b = ensemble.Add("b", {Spec("in"), Spec("maybe", {-1}, true)}, {Spec("out")});
  Client client(&ensemble);
  client.Input("X", {1}).Send();
  RequestPtr request = b.Next();
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(request->inputs().size(), 1u);
  Reply(*request).Output("out", {2}).Send();
  request = nullptr;
  EXPECT_EQ(client.last().outputs.at("Y"), (Numbers{2}));
}

TEST(EnsembleOptionalTensors, ARequiredOneLeftOutByAStepIsItsReadersError) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a", "b"}));
  ensemble.Add("a").on_submit = [](RequestPtr request) { Reply(*request).Send(); };
  FakeStep& b = ensemble.Add("b");
  Client client(&ensemble);
  client.Input("X", {1}).Send();
  EXPECT_TRUE(FailedWith(client.last(), StatusCode::kInvalidArg, "in ensemble 'E', "));
  EXPECT_TRUE(FailedWith(client.last(), StatusCode::kInvalidArg, "missing required input(s) 'in'"));
  EXPECT_TRUE(b.group_sizes.empty());
}

TEST(EnsembleOptionalTensors, AnOutputThatNoStepGaveIsNotInTheResponse) {
  Ensemble ensemble({"X"}, {"Y", "Z"}, Step("a", "in=X", "out=Y,more=Z"));
  ensemble.Add("a", {Spec("in")}, {Spec("out"), Spec("more")}).on_submit = [](RequestPtr request) {
    Reply(*request).Output("out", {1}).Send();
  };
  Client client(&ensemble);
  client.Input("X", {1}).Send();
  EXPECT_EQ(client.last().outputs, (std::map<std::string, Numbers>{{"Y", {1}}}));
}

// Statement 7: a needed tensor that never comes.
TEST(EnsembleOptionalTensors, AMissingTensorIsADeadlock) {
  Ensemble ensemble({"X"}, {"Y"}, Chain({"a", "b"}));
  ensemble.Add("a").on_submit = [](RequestPtr request) {
    EXPECT_TRUE(request->channel()->Send(nullptr, kResponseFinal).ok());
  };
  ensemble.Add("b");
  Client client(&ensemble);
  client.request.id = "r7";
  client.Input("X", {1}).Send();
  EXPECT_TRUE(FailedWith(client.last(), StatusCode::kInvalidArg,
                         "in ensemble 'E', [request id: r7] unexpected deadlock, at least one "
                         "output is not set while no more ensemble steps can be made"));
}

}  // namespace
}  // namespace trident::ensemble_test
