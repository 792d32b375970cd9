// The response cache (3.7) from the options of a server to the statistics of its models.

#include "echo.h"
#include "witness.h"

namespace trident::contract {
namespace {

ServerSettings WithCache(const std::string& name, const std::string& config) {
  ServerSettings settings;
  settings.more = [=](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetCacheConfig(options, name.c_str(), config.c_str()));
  };
  return settings;
}

ServerSettings WithLocalCache() { return WithCache("local", "{\"size\": 1048576}"); }

// The message with which a server refuses this cache.
std::string Refusal(const std::string& name, const std::string& config) {
  try {
    Server server(WithCache(name, config));
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "(not refused)";
}

constexpr const char* kCached = "response_cache { enable: true } ";

int64_t Executions(Server* server, const std::string& model) {
  return static_cast<int64_t>(Witnessed(server, model, "execute").size());
}

struct Counts {
  int64_t success, queue, inference, execution, hit, miss;
  bool operator==(const Counts&) const = default;
};
void PrintTo(const Counts& counts, std::ostream* out) {
  *out << counts.success << " " << counts.queue << " " << counts.inference << " "
       << counts.execution << " " << counts.hit << " " << counts.miss;
}

Counts CountsOf(const Server& server, const std::string& model) {
  const Document document = server.Statistics(model);
  const std::string row = "/model_stats/0/";
  const std::string stats = row + "inference_stats/";
  return {document.Number(stats + "success/count"),   document.Number(stats + "queue/count"),
          document.Number(row + "inference_count"),   document.Number(row + "execution_count"),
          document.Number(stats + "cache_hit/count"), document.Number(stats + "cache_miss/count")};
}

TEST(ResponseCache, AnswersWithoutExecutionAndCountsIt) {
  Server server(WithLocalCache());
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", kCached)));
  const Answer first = WitnessRequest(server, "model", 3).Infer();
  const Answer second = WitnessRequest(server, "model", 3).Infer();
  for (const Answer& answer : {first, second}) {
    ASSERT_TRUE(Succeeded(answer.outcome));
    EXPECT_EQ(answer.output("output").bytes, BytesOf(std::vector<float>{3, 3}));
    EXPECT_EQ(answer.output("output").shape, (Shape{1, 2}));
    EXPECT_EQ(answer.output("output").datatype, TRITONSERVER_TYPE_FP32);
  }
  EXPECT_EQ(Executions(&server, "model"), 1);
  EXPECT_EQ(CountsOf(server, "model"), (Counts{2, 2, 1, 1, 1, 1}));
  const Document document = server.Statistics("model");
  EXPECT_GT(document.Number("/model_stats/0/inference_stats/cache_hit/ns"), 0);
  EXPECT_GT(document.Number("/model_stats/0/inference_stats/cache_miss/ns"), 0);
}

TEST(ResponseCache, IsForModelsThatWantIt) {
  Server server(WithLocalCache());
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model")));
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Succeeded(WitnessRequest(server, "model").Infer().outcome));
  }
  EXPECT_EQ(CountsOf(server, "model"), (Counts{2, 2, 2, 2, 0, 0}));
}

TEST(ResponseCache, IsOffWithoutOneInTheServer) {
  Server server;
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", kCached)));
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Succeeded(WitnessRequest(server, "model").Infer().outcome));
  }
  EXPECT_EQ(CountsOf(server, "model"), (Counts{2, 2, 2, 2, 0, 0}));
}

TEST(ResponseCache, ModelsDoNotSeeEachOthersEntries) {
  Server server(WithLocalCache());
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "a", kCached)));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "b", kCached)));
  ASSERT_TRUE(Succeeded(WitnessRequest(server, "a").Infer().outcome));
  ASSERT_TRUE(Succeeded(WitnessRequest(server, "b").Infer().outcome));
  EXPECT_EQ(Executions(&server, "b"), 1);
}

// Triton's entries outlive a reload, and so may answer what the new model would not.
TEST(ResponseCache, AReloadedModelStartsAfresh) {
  Server server(WithLocalCache());
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", kCached)));
  ASSERT_TRUE(Succeeded(WitnessRequest(server, "model").Infer().outcome));
  ASSERT_TRUE(Succeeded(server.UnloadAndWait("model")));
  ASSERT_TRUE(Succeeded(server.Load("model")));
  ASSERT_TRUE(Succeeded(WitnessRequest(server, "model").Infer().outcome));
  EXPECT_EQ(Executions(&server, "model"), 2);
}

TEST(ResponseCache, ErrorsAreNotRemembered) {
  Server server(WithLocalCache());
  ASSERT_TRUE(Succeeded(LoadWitness(
      &server, "model",
      std::string(kCached) + "parameters { key: \"refuse\" value { string_value: \"no\" } }")));
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(FailedWith(WitnessRequest(server, "model").Infer().outcome,
                           TRITONSERVER_ERROR_INTERNAL, {"no"}));
  }
  EXPECT_EQ(Executions(&server, "model"), 2);
}

TEST(ResponseCache, AnswersWhileTheInstanceIsBusy) {
  Server server(WithLocalCache());
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", kCached)));
  ASSERT_TRUE(Succeeded(WitnessRequest(server, "model", 1).Infer().outcome));
  const Occupied busy(WitnessRequest(server, "model", 2));
  EXPECT_TRUE(Succeeded(WitnessRequest(server, "model", 1).Infer().outcome));
}

TEST(ResponseCache, HitsKeepTheOrderWhereTheModelPromisesOne) {
  Server server(WithLocalCache());
  ASSERT_TRUE(Succeeded(LoadWitness(
      &server, "model", std::string(kCached) + "dynamic_batching { preserve_ordering: true }")));
  ASSERT_TRUE(Succeeded(WitnessRequest(server, "model", 1).Infer().outcome));
  Occupied busy(WitnessRequest(server, "model", 2));
  Request hit = WitnessRequest(server, "model", 1);
  ASSERT_TRUE(Succeeded(hit.Send()));
  EXPECT_FALSE(hit.answered()) << "the one before it has not ended";
  busy.Release();
  EXPECT_TRUE(Succeeded(hit.Wait().outcome));
  EXPECT_EQ(Executions(&server, "model"), 2);
}

TEST(ResponseCache, RequestsSentTogetherAreEachLookedUp) {
  Server server(WithLocalCache());
  ASSERT_TRUE(
      Succeeded(LoadWitness(&server, "model", std::string(kCached) + "dynamic_batching {}")));
  ASSERT_TRUE(Succeeded(WitnessRequest(server, "model", 1).Infer().outcome));
  std::vector<Request> requests;
  for (const float number : {1.f, 2.f, 3.f, 1.f}) {
    requests.push_back(WitnessRequest(server, "model", number));
  }
  for (const Outcome& outcome : Request::SendTogether(server, requests)) {
    EXPECT_TRUE(Succeeded(outcome));
  }
  for (Request& request : requests) EXPECT_TRUE(Succeeded(request.Wait().outcome));
  EXPECT_EQ(CountsOf(server, "model").hit, 2);
  EXPECT_EQ(CountsOf(server, "model").inference, 3);
  EXPECT_EQ(server.Batches("model"), (std::map<int64_t, int64_t>{{1, 1}, {2, 1}}));
}

std::string PairConfig() {
  return "platform: \"ensemble\" max_batch_size: 4 "
         "input { name: \"input\" data_type: TYPE_FP32 dims: 2 } "
         "output { name: \"output\" data_type: TYPE_FP32 dims: 2 } "
         "ensemble_scheduling { "
         "step { model_name: \"a\" model_version: -1 "
         "input_map { key: \"input\" value: \"input\" } "
         "output_map { key: \"output\" value: \"between\" } } "
         "step { model_name: \"b\" model_version: -1 "
         "input_map { key: \"input\" value: \"between\" } "
         "output_map { key: \"output\" value: \"output\" } } } ";
}

void AskPairTwice(const Server& server) {
  for (int i = 0; i < 2; ++i) {
    const Answer answer = WitnessRequest(server, "pair", 5).Infer();
    ASSERT_TRUE(Succeeded(answer.outcome));
    EXPECT_EQ(answer.output("output").bytes, BytesOf(std::vector<float>{5, 5}));
  }
}

TEST(ResponseCache, EnsemblesAreAnsweredAsAWhole) {
  Server server(WithLocalCache());
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "a")));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "b")));
  server.repository().Add("pair", PairConfig() + kCached);
  ASSERT_TRUE(Succeeded(server.Load("pair")));
  AskPairTwice(server);
  EXPECT_EQ(Executions(&server, "a"), 1);
  EXPECT_EQ(Executions(&server, "b"), 1);
  EXPECT_EQ(CountsOf(server, "pair").hit, 1);
  EXPECT_EQ(CountsOf(server, "pair").miss, 1);
}

TEST(ResponseCache, StepsOfEnsemblesAreAnsweredToo) {
  Server server(WithLocalCache());
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "a", kCached)));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "b")));
  server.repository().Add("pair", PairConfig());
  ASSERT_TRUE(Succeeded(server.Load("pair")));
  AskPairTwice(server);
  EXPECT_EQ(Executions(&server, "a"), 1);
  EXPECT_EQ(Executions(&server, "b"), 2);
}

TEST(ResponseCache, SequencesAndDecoupledModelsAreRefused) {
  Server server(WithLocalCache());
  EXPECT_TRUE(FailedWith(LoadWitness(&server, "s", std::string(kCached) + "sequence_batching { }"),
                         TRITONSERVER_ERROR_INVALID_ARG, {"response_cache", "sequence_batching"}));
  EXPECT_TRUE(
      FailedWith(LoadWitness(&server, "d",
                             std::string(kCached) + "model_transaction_policy { decoupled: true }"),
                 TRITONSERVER_ERROR_INVALID_ARG, {"response_cache", "decoupled"}));
}

TEST(ResponseCache, TakesItsSizeAsNumberOrText) {
  EXPECT_EQ(Refusal("local", "{\"size\": 1024}"), "(not refused)");
  EXPECT_EQ(Refusal("local", "{\"size\": \"1024\"}"), "(not refused)");
}

TEST(ResponseCache, RefusesWhatItDoesNotUnderstand) {
  for (const char* config :
       {"", "7", "{}", "{\"size\": 0}", "{\"size\": -1}", "{\"size\": \"big\"}", "{\"size\": 1.5}",
        "{\"size\": null}", "{\"sise\": 1024}", "{\"size\": 1024"}) {
    EXPECT_NE(Refusal("local", config).find("cache 'local'"), std::string::npos) << config;
  }
}

// test/capi has the caches that can be found.
TEST(ResponseCache, OtherCachesAreLibrariesInTheCacheDirectory) {
  EXPECT_NE(Refusal("redis", "{}")
                .find("unable to find 'libtritoncache_redis.so' for cache. "
                      "Searched: /opt/tritonserver/caches/redis"),
            std::string::npos);
}

TEST(ResponseCache, TheOldOptionMakesALocalOne) {
  ServerSettings settings;
  settings.more = [](TRITONSERVER_ServerOptions* options) {
    Must(TRITONSERVER_ServerOptionsSetResponseCacheByteSize(options, 1 << 20));
  };
  Server server(settings);
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", kCached)));
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Succeeded(WitnessRequest(server, "model").Infer().outcome));
  }
  EXPECT_EQ(CountsOf(server, "model").hit, 1);
}

TEST(ResponseCache, WhatIsTooLargeIsServedAllTheSame) {
  Server server(WithCache("local", "{\"size\": 100}"));
  ASSERT_TRUE(Succeeded(LoadWitness(&server, "model", kCached)));
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Succeeded(WitnessRequest(server, "model").Infer().outcome));
  }
  EXPECT_EQ(Executions(&server, "model"), 2);
}

}  // namespace
}  // namespace trident::contract
