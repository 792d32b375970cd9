// A client of the server API in plain C: the proof that the headers are C and that what they
// promise holds. Usage: trident_capi_client <backend directory> <cache directory> <agent
// directory>, which must have the echo backend, the caches of test/caches and the agents of
// test/repoagents.

#include <stdio.h>

#include "support.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: %s <backend directory> <cache directory> <agent directory>\n", argv[0]);
    return 2;
  }
  g_backends = argv[1];
  g_caches = argv[2];
  g_agents = argv[3];
  MakeRepository();
  WriteEchoModel("single", "1", "");
  WriteEchoModel("batched", "1", "dynamic_batching {}");
  WriteEchoModel("over", "1", "");
  WriteFile("plain/1/data.txt", "");
  WriteFile("plain/config.pbtxt",
            "backend: \"echo\" input { name: \"INPUT0\" data_type: TYPE_INT32 dims: 4 }\n"
            "output { name: \"OUTPUT0\" data_type: TYPE_INT32 dims: 4 }\n");
  TestObjects();
  TestOptions();
  TestRequests();
  TestRefusals();
  TestServers();
  TestCaches();
  TestAgents();
  TestMetrics();
  TestArguments();
  TestRequestArguments();
  TestSetters();
  TestPolling();
  TestConformance();
  TestBadBackends();
  TestTraces();
  TestBatchHosts();
  TestModels();  // last, because it leaves behind a model that a strict server refuses
  DeleteAllocator();
  RemoveRepository();
  CheckEveryFunctionWasCalled();
  return Summary();
}
