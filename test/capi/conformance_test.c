// The client's side of the conformance backend, which makes its checks while it serves this model.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support.h"
#include "trident/extension.h"

static const int32_t kData[4] = {3, 1, 4, 1};

// The name of the backend is the one that may have profiles.
static void WriteModel(void) {
  char library[1024], link[1024];
  WriteFile("conformance/3/empty", "");
  WriteFile("conformance/config.pbtxt",
            "backend: \"tensorrt\" platform: \"tensorrt_plan\" max_batch_size: 4\n"
            "runtime: \"libtriton_conformance.so\"\n"
            "input { name: \"INPUT0\" data_type: TYPE_INT32 dims: 4 }\n"
            "output { name: \"OUTPUT0\" data_type: TYPE_INT32 dims: 4 }\n"
            "sequence_batching { state { input_name: \"STATE_IN\" output_name: \"STATE_OUT\"\n"
            "  data_type: TYPE_INT32 dims: 4 } }\n"
            "instance_group { count: 1 kind: KIND_CPU profile: \"5\"\n"
            "  secondary_devices { kind: KIND_NVDLA device_id: 2 } }\n");
  snprintf(library, sizeof(library), "%s/conformance/libtriton_conformance.so", g_backends);
  snprintf(link, sizeof(link), "%s/conformance/libtriton_conformance.so", g_models);
  char* absolute = realpath(library, NULL);
  CHECK(absolute != NULL && symlink(absolute, link) == 0);
  free(absolute);
}

static void Infer(TRITONSERVER_Server* server, bool text_id) {
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request =
      NewEchoRequest(server, "conformance", kData, NULL, &outcome);
  OK(TRITONSERVER_InferenceRequestSetStringParameter(request, "k", "v"));
  OK(TRITONSERVER_InferenceRequestSetId(request, text_id ? "text" : "number"));
  OK(TRITONSERVER_TridentInferenceRequestSetContext(request, 21));
  if (text_id) {
    OK(TRITONSERVER_InferenceRequestSetCorrelationIdString(request, "twelve"));
  } else {
    OK(TRITONSERVER_InferenceRequestSetCorrelationId(request, 12));
  }
  OK(TRITONSERVER_InferenceRequestSetFlags(
      request, TRITONSERVER_REQUEST_FLAG_SEQUENCE_START | TRITONSERVER_REQUEST_FLAG_SEQUENCE_END));
  if (OK(TRITONSERVER_ServerInferAsync(server, request, NULL))) WaitFor(&outcome);
  CHECK(HasEcho(Answer(&outcome), kData, 1));
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

void TestConformance(void) {
  WriteModel();
  TRITONSERVER_Server* server = StartServer("conformance", false, 30);
  Infer(server, false);
  Infer(server, true);
  OK(TRITONSERVER_ServerDelete(server));
}
