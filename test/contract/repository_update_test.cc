// What a reload leaves in service: versions that have not changed, and instances that are wanted as
// they are (3.12.7).

#include <pthread.h>

#include <cstring>

#include "life.h"
#include "witness.h"

namespace trident::contract {
namespace {

// While it exists, no thread can be started: its stack would fill the address space.
class NoThreads {
 public:
  NoThreads() {
    EXPECT_EQ(pthread_getattr_default_np(&former_), 0);
    pthread_attr_t huge;
    pthread_attr_init(&huge);
    EXPECT_EQ(pthread_attr_setstacksize(&huge, size_t{1} << 47), 0);
    EXPECT_EQ(pthread_setattr_default_np(&huge), 0);
    pthread_attr_destroy(&huge);
  }
  ~NoThreads() {
    EXPECT_EQ(pthread_setattr_default_np(&former_), 0);
    pthread_attr_destroy(&former_);
  }

 private:
  pthread_attr_t former_;
};

class Updates : public testing::Test {
 protected:
  void Write(int instances, const std::string& more = "", const std::vector<int>& versions = {1}) {
    server_.repository().Add("echo", Identity(more, instances), versions);
  }
  Outcome Load(int instances, const std::string& more = "") {
    Write(instances, more);
    return server_.Load("echo");
  }
  int64_t Instances() { return server_.Config("echo").Number("/instance_group/0/count"); }

  Server server_;
};

// Counts go on, so it is the same model.
TEST_F(Updates, MoreAndFewerInstancesNeedNoReload) {
  int64_t answered = 0;
  for (const int instances : {1, 4, 2, 7, 1}) {
    ASSERT_TRUE(Succeeded(Load(instances)));
    EXPECT_EQ(Instances(), instances);
    EXPECT_TRUE(Answers(server_, "echo"));
    EXPECT_EQ(server_.Successes("echo"), ++answered);
  }
}

TEST_F(Updates, ANewInstanceHelpsWithWhatWaits) {
  ASSERT_TRUE(Succeeded(Load(1)));
  Occupied running = Occupy(server_, "echo");
  Request queued = EchoRequest(server_, "echo", {2});
  ASSERT_TRUE(Succeeded(queued.Send()));
  EXPECT_FALSE(queued.answered());
  ASSERT_TRUE(Succeeded(Load(2)));
  EXPECT_TRUE(Succeeded(queued.Wait().outcome)) << "while the first is still busy";
  running.Release();
}

TEST_F(Updates, AnInstanceThatLeavesFinishesItsBatch) {
  ASSERT_TRUE(Succeeded(Load(2)));
  Occupied first = Occupy(server_, "echo");
  Occupied second = Occupy(server_, "echo");
  Request queued = EchoRequest(server_, "echo", {2});
  ASSERT_TRUE(Succeeded(queued.Send()));
  ASSERT_TRUE(Succeeded(Load(1))) << "does not wait for the batch";
  first.Release();
  second.Release();
  EXPECT_TRUE(Succeeded(queued.Wait().outcome));
  EXPECT_TRUE(Answers(server_, "echo"));
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("echo")));
}

TEST_F(Updates, AnInstanceWhoseThreadNeverRanLeavesToo) {
  ASSERT_TRUE(Succeeded(Load(3)));
  bool ran_inline = false;
  Request request = EchoRequest(server_, "echo", {1});
  ASSERT_TRUE(Succeeded(request.SendInline(&ran_inline)));
  EXPECT_TRUE(ran_inline);
  request.Wait();
  ASSERT_TRUE(Succeeded(Load(1)));
  ASSERT_TRUE(Succeeded(request.SendInline(&ran_inline)));
  EXPECT_TRUE(ran_inline);
  EXPECT_EQ(server_.Successes("echo"), 2);
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("echo")));
}

TEST_F(Updates, OnlyInstancesOfAnotherSignatureAreMade) {
  const auto load = [&](const std::string& groups) {
    return LoadWitness(&server_, "seen", groups);
  };
  const auto made = [&] { return Witnessed(&server_, "seen", "instance").size(); };
  ASSERT_TRUE(Succeeded(load("instance_group { kind: KIND_CPU count: 2 }")));
  EXPECT_EQ(made(), 2u);
  ASSERT_TRUE(Succeeded(load("instance_group { kind: KIND_CPU count: 3 }")));
  EXPECT_EQ(made(), 3u);
  ASSERT_TRUE(Succeeded(
      load("instance_group [ { kind: KIND_CPU count: 1 }, { kind: KIND_MODEL count: 1 } ]")));
  EXPECT_EQ(made(), 4u);
  ASSERT_TRUE(Succeeded(load("instance_group { name: \"renamed\" kind: KIND_MODEL count: 1 }")));
  EXPECT_EQ(made(), 4u) << "a name is no part of it";
}

TEST_F(Updates, AnUpdateThatFailsChangesNothing) {
  ASSERT_TRUE(Succeeded(Load(2)));
  EXPECT_TRUE(Answers(server_, "echo"));
  server_.repository().Write(
      "echo/config.pbtxt",
      EchoConfig("identity", TRITONSERVER_TYPE_FP32, "dynamic_batching { }", 2) +
          "instance_group { kind: KIND_CPU count: 5000 }");
  EXPECT_TRUE(
      FailedWith(server_.Load("echo"), TRITONSERVER_ERROR_INVALID_ARG, {"'echo'", "instances"}));
  EXPECT_EQ(server_.Config("echo").Size("/instance_group"), 1u);
  EXPECT_TRUE(Answers(server_, "echo"));
  EXPECT_EQ(server_.Successes("echo"), 2);
}

// One version takes its new instances, the other fails: neither has changed.
TEST_F(Updates, AnUpdateOfWhichAPartFailsChangesNothing) {
  const auto config = [](int instances) {
    return EchoConfig("onnxruntime", TRITONSERVER_TYPE_FP32, "version_policy { all { } }",
                      instances);
  };
  LoadEcho(&server_, "echo", "onnxruntime", TRITONSERVER_TYPE_FP32, "version_policy { all { } }");
  EXPECT_TRUE(Answers(server_, "echo"));
  server_.repository().Write("echo/config.pbtxt", config(3));
  server_.repository().Write("echo/2/model.onnx", "no model");
  EXPECT_FALSE(server_.Load("echo").ok());
  EXPECT_EQ(Instances(), 1);
  EXPECT_TRUE(Answers(server_, "echo"));
  EXPECT_EQ(server_.Successes("echo"), 2) << "not reloaded";
  server_.repository().Write("echo/2/model.onnx", OnnxFile("identity_fp32"));
  ASSERT_TRUE(Succeeded(server_.Load("echo")));
  EXPECT_EQ(Instances(), 3);
}

TEST_F(Updates, WithoutThreadsForNewInstancesTheOldOnesServe) {
  // Of a priority of their own, they can't share the executors.
  const std::string priority = "optimization { priority: PRIORITY_MIN }";
  ASSERT_TRUE(Succeeded(Load(1, priority)));
  Occupied running = Occupy(server_, "echo");
  Request queued = EchoRequest(server_, "echo", {2});
  ASSERT_TRUE(Succeeded(queued.Send()));
  std::string config = Identity(priority, 2);
  config.replace(config.find("KIND_CPU"), strlen("KIND_CPU"), "KIND_MODEL");
  server_.repository().Write("echo/config.pbtxt", config);
  {
    const NoThreads none;
    EXPECT_TRUE(FailedWith(server_.Load("echo"), TRITONSERVER_ERROR_UNAVAILABLE, {"thread"}));
  }
  running.Release();
  EXPECT_TRUE(Succeeded(queued.Wait().outcome));
  EXPECT_TRUE(Answers(server_, "echo"));
  ASSERT_TRUE(Succeeded(server_.Load("echo")));
  EXPECT_TRUE(Answers(server_, "echo"));
  EXPECT_EQ(server_.Successes("echo"), 4);
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("echo")));
}

TEST_F(Updates, AnythingElseIsAReload) {
  ASSERT_TRUE(Succeeded(Load(1)));
  EXPECT_TRUE(Answers(server_, "echo"));
  ASSERT_TRUE(Succeeded(Load(2, "parameters { key: \"note\" value { string_value: \"x\" } }")));
  EXPECT_EQ(server_.Successes("echo"), 0);
  EXPECT_TRUE(Answers(server_, "echo"));
  server_.repository().Write("echo/1/weights", "x");
  ASSERT_TRUE(Succeeded(server_.Load("echo")));
  EXPECT_EQ(server_.Successes("echo"), 0);
}

// 3.12.7: the version policy, too.
TEST_F(Updates, VersionsThatStayAreNotReloaded) {
  Write(1, "version_policy { specific { versions: [ 1 ] } }", {1, 2});
  ASSERT_TRUE(Succeeded(server_.Load("echo")));
  EXPECT_TRUE(Answers(server_, "echo"));
  Write(1, "version_policy { all { } }", {1, 2});
  ASSERT_TRUE(Succeeded(server_.Load("echo")));
  EXPECT_EQ(EchoRequest(server_, "echo", {1}).Infer().version, 2);
  EXPECT_EQ(server_.Statistics("echo", 1).Number("/model_stats/0/inference_stats/success/count"),
            1);
  Write(1, "version_policy { specific { versions: [ 1 ] } }", {1, 2});
  ASSERT_TRUE(Succeeded(server_.Load("echo")));
  EXPECT_EQ(EchoRequest(server_, "echo", {1}).Infer().version, 1);
  EXPECT_EQ(server_.Successes("echo"), 2);
}

// 3.14.4: a configuration that is given always loads, but not more than has changed.
TEST_F(Updates, AGivenConfigurationMayChangeOnlyInstances) {
  const auto load = [&](int count) {
    return server_.LoadWithConfig(
        "echo", R"({"backend":"identity","max_batch_size":8,)"
                R"("input":[{"name":"input","data_type":"TYPE_FP32","dims":[-1]}],)"
                R"("output":[{"name":"output","data_type":"TYPE_FP32","dims":[-1]}],)"
                R"("instance_group":[{"kind":"KIND_CPU","count":)" +
                    std::to_string(count) + "}]}");
  };
  Write(1);
  ASSERT_TRUE(Succeeded(load(1)));
  EXPECT_TRUE(Answers(server_, "echo"));
  ASSERT_TRUE(Succeeded(load(3)));
  EXPECT_EQ(server_.Successes("echo"), 1);
  EXPECT_EQ(Instances(), 3);
}

// The sequence that an instance has begun stays with it to its end.
TEST_F(Updates, RunningSequencesGoOn) {
  const auto load = [&](int instances) {
    server_.repository().Add(
        "talk", EchoConfig("identity", TRITONSERVER_TYPE_FP32,
                           "sequence_batching { max_sequence_idle_microseconds: 600000000 "
                           "control_input [ { name: \"START\" control [ { kind: "
                           "CONTROL_SEQUENCE_START fp32_false_true: [ 0, 1 ] } ] } ] }",
                           instances));
    return server_.Load("talk");
  };
  ASSERT_TRUE(Succeeded(load(2)));
  const auto talk = [&](uint64_t id, uint32_t flags) {
    Request request = EchoRequest(server_, "talk", {1});
    request.Sequence(id, flags);
    return request.Infer().outcome;
  };
  for (const uint64_t id : {7, 8}) {
    EXPECT_TRUE(Succeeded(talk(id, TRITONSERVER_REQUEST_FLAG_SEQUENCE_START)));
  }
  ASSERT_TRUE(Succeeded(load(1)));
  for (const uint64_t id : {7, 8}) EXPECT_TRUE(Succeeded(talk(id, 0)));
  for (const uint64_t id : {7, 8}) {
    EXPECT_TRUE(Succeeded(talk(id, TRITONSERVER_REQUEST_FLAG_SEQUENCE_END)));
  }
  EXPECT_EQ(server_.Successes("talk"), 6);
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("talk")));
}

TEST_F(Updates, UnderTrafficDropNothing) {
  ASSERT_TRUE(Succeeded(Load(1)));
  std::atomic<bool> stop{false};
  std::atomic<int64_t> answered{0};
  const auto client = [&](bool in_line) {
    Request request = EchoRequest(server_, "echo", {1, 2, 3});
    while (!stop.load()) {
      bool ran_inline = false;
      const Outcome sent = in_line ? request.SendInline(&ran_inline) : request.Send();
      EXPECT_TRUE(Succeeded(sent));
      if (!sent.ok()) break;
      EXPECT_TRUE(Succeeded(request.Wait().outcome));
      answered.fetch_add(1);
    }
  };
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) clients.emplace_back(client, i % 2 == 0);
  for (int round = 0; round < 40 && !HasFailure(); ++round) {
    EXPECT_TRUE(Succeeded(Load(1 + round % 4)));
    for (const int64_t goal = answered.load() + 6; answered.load() < goal && !HasFailure();) {
      std::this_thread::yield();
    }
  }
  stop.store(true);
  for (std::thread& thread : clients) thread.join();
  EXPECT_EQ(server_.Successes("echo"), answered.load());
  ASSERT_TRUE(Succeeded(server_.UnloadAndWait("echo")));
}

}  // namespace
}  // namespace trident::contract
