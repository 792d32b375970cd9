// A client of the server API in plain C: the proof that the headers are C and that what they
// promise holds. Usage: trident_capi_client <backend directory> <cache directory>, which must have
// the echo backend and the caches of test/caches.

#include <stdio.h>

#include "support.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: %s <backend directory> <cache directory>\n", argv[0]);
    return 2;
  }
  g_backends = argv[1];
  g_caches = argv[2];
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
  TestMetrics();
  TestArguments();
  TestRequestArguments();
  TestSetters();
  TestPolling();
  TestConformance();
  TestBadBackends();
  TestTraces();
  TestModels();  // last, because it leaves behind a model that a strict server refuses
  DeleteAllocator();
  RemoveRepository();
  CheckEveryFunctionWasCalled();
  return Summary();
}
