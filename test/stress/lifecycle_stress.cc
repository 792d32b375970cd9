// Requests, cancels, reloads, unloads and queries of one server, all at once, through the C ABI
// with the identity backend. Every accepted request must end exactly once, with success or with an
// error that says the model was away or the request cancelled. Usage:
//   trident_lifecycle_stress <backend directory> [rounds] [seed]
// Prints its seed, so that a failing run can be repeated.

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "trident/extension.h"
#include "triton/core/tritonserver.h"

namespace {

constexpr int kClients = 3;
constexpr int kSlotsEach = 16;
constexpr int64_t kShape[] = {1, 4};

[[noreturn]] void Fail(const std::string& what) {
  fprintf(stderr, "FAILED: %s\n", what.c_str());
  abort();
}

// Consumes `error`; true for success. Any code but those of a model that is away is a failure.
bool OkOrAway(TRITONSERVER_Error* error, const char* what) {
  if (error == nullptr) return true;
  const TRITONSERVER_Error_Code code = TRITONSERVER_ErrorCode(error);
  const std::string text = TRITONSERVER_ErrorMessage(error);
  TRITONSERVER_ErrorDelete(error);
  if (code == TRITONSERVER_ERROR_UNAVAILABLE || code == TRITONSERVER_ERROR_NOT_FOUND ||
      code == TRITONSERVER_ERROR_CANCELLED) {
    return false;
  }
  Fail(std::string(what) + ": " + text);
}

void Must(TRITONSERVER_Error* error, const char* what) {
  if (error != nullptr) Fail(std::string(what) + ": " + TRITONSERVER_ErrorMessage(error));
}

std::atomic<uint64_t> succeeded{0}, away{0}, ended{0}, accepted{0};

// One request, reused. `holders`: the release and the final response still to come.
struct Slot {
  TRITONSERVER_InferenceRequest* request = nullptr;
  float in[4] = {1, 2, 3, 4};
  float out[4] = {};
  std::atomic<int> holders{0};
};

TRITONSERVER_Error* Allocate(TRITONSERVER_ResponseAllocator*, const char*, size_t,
                             TRITONSERVER_MemoryType, int64_t, void* userp, void** buffer,
                             void** buffer_userp, TRITONSERVER_MemoryType* type, int64_t* id) {
  *buffer = static_cast<Slot*>(userp)->out;
  *buffer_userp = nullptr;
  *type = TRITONSERVER_MEMORY_CPU;
  *id = 0;
  return nullptr;
}

TRITONSERVER_Error* Free(TRITONSERVER_ResponseAllocator*, void*, void*, size_t,
                         TRITONSERVER_MemoryType, int64_t) {
  return nullptr;
}

void OnRelease(TRITONSERVER_InferenceRequest*, uint32_t, void* userp) {
  if (static_cast<Slot*>(userp)->holders.fetch_sub(1) < 1) Fail("released twice");
}

void OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t flags, void* userp) {
  auto* slot = static_cast<Slot*>(userp);
  if (response == nullptr) Fail("a response was expected");
  if (OkOrAway(TRITONSERVER_InferenceResponseError(response), "response")) {
    if (memcmp(slot->in, slot->out, sizeof(slot->in)) != 0) Fail("wrong answer");
    succeeded.fetch_add(1);
  } else {
    away.fetch_add(1);
  }
  Must(TRITONSERVER_InferenceResponseDelete(response), "ResponseDelete");
  if ((flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL) == 0) Fail("not final");
  ended.fetch_add(1);
  if (slot->holders.fetch_sub(1) < 1) Fail("answered twice");
}

bool MakeRequest(TRITONSERVER_Server* server, TRITONSERVER_ResponseAllocator* allocator,
                 Slot* slot) {
  if (!OkOrAway(TRITONSERVER_InferenceRequestNew(&slot->request, server, "m", -1), "RequestNew")) {
    return false;
  }
  Must(
      TRITONSERVER_InferenceRequestAddInput(slot->request, "in", TRITONSERVER_TYPE_FP32, kShape, 2),
      "AddInput");
  Must(TRITONSERVER_InferenceRequestAppendInputData(slot->request, "in", slot->in, sizeof(slot->in),
                                                    TRITONSERVER_MEMORY_CPU, 0),
       "AppendInputData");
  Must(TRITONSERVER_InferenceRequestSetReleaseCallback(slot->request, OnRelease, slot),
       "SetReleaseCallback");
  Must(TRITONSERVER_InferenceRequestSetResponseCallback(slot->request, allocator, slot, OnResponse,
                                                        slot),
       "SetResponseCallback");
  return true;
}

void RunClient(TRITONSERVER_Server* server, TRITONSERVER_ResponseAllocator* allocator,
               const std::atomic<bool>* stop, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<Slot> slots(kSlotsEach);
  while (!stop->load()) {
    Slot& slot = slots[random() % kSlotsEach];
    if (slot.holders.load() != 0) {
      if (random() % 8 == 0) (void)OkOrAway(TRITONSERVER_InferenceRequestCancel(slot.request), "");
      std::this_thread::yield();
      continue;
    }
    if (slot.request == nullptr && !MakeRequest(server, allocator, &slot)) continue;
    slot.holders.store(2);
    bool ran_inline = false;
    TRITONSERVER_Error* error =
        random() % 2 == 0
            ? TRITONSERVER_ServerInferAsync(server, slot.request, nullptr)
            : TRITONSERVER_TridentServerInferInline(server, slot.request, UINT64_MAX, &ran_inline);
    if (OkOrAway(error, "Infer")) {
      accepted.fetch_add(1);
    } else {
      slot.holders.store(0);
    }
  }
  for (Slot& slot : slots) {
    while (slot.holders.load() != 0) std::this_thread::yield();
    if (slot.request != nullptr) Must(TRITONSERVER_InferenceRequestDelete(slot.request), "Delete");
  }
}

void Reload(TRITONSERVER_Server* server, int instances) {
  const std::string config = R"({"backend":"identity","max_batch_size":8,"dynamic_batching":{},)"
                             R"("input":[{"name":"in","data_type":"TYPE_FP32","dims":[4]}],)"
                             R"("output":[{"name":"out","data_type":"TYPE_FP32","dims":[4]}],)"
                             R"("instance_group":[{"kind":"KIND_CPU","count":)" +
                             std::to_string(instances) + "}]}";
  TRITONSERVER_Parameter* parameter =
      TRITONSERVER_ParameterNew("config", TRITONSERVER_PARAMETER_STRING, config.c_str());
  const TRITONSERVER_Parameter* parameters[] = {parameter};
  Must(TRITONSERVER_ServerLoadModelWithParameters(server, "m", parameters, 1), "Load");
  TRITONSERVER_ParameterDelete(parameter);
}

void Query(TRITONSERVER_Server* server) {
  TRITONSERVER_Message* message = nullptr;
  bool ready = false;
  Must(TRITONSERVER_ServerIsReady(server, &ready), "IsReady");
  (void)OkOrAway(TRITONSERVER_ServerModelIsReady(server, "m", -1, &ready), "ModelIsReady");
  Must(TRITONSERVER_ServerModelIndex(server, 0, &message), "Index");
  TRITONSERVER_MessageDelete(message);
  if (OkOrAway(TRITONSERVER_ServerModelConfig(server, "m", -1, 1, &message), "Config")) {
    TRITONSERVER_MessageDelete(message);
  }
  Must(TRITONSERVER_ServerModelStatistics(server, "", -1, &message), "Statistics");
  TRITONSERVER_MessageDelete(message);
}

TRITONSERVER_Server* StartServer(const std::string& repository, const char* backends) {
  TRITONSERVER_ServerOptions* options = nullptr;
  Must(TRITONSERVER_ServerOptionsNew(&options), "OptionsNew");
  Must(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, repository.c_str()), "Path");
  Must(TRITONSERVER_ServerOptionsSetBackendDirectory(options, backends), "BackendDirectory");
  Must(TRITONSERVER_ServerOptionsSetModelControlMode(options, TRITONSERVER_MODEL_CONTROL_EXPLICIT),
       "ControlMode");
  TRITONSERVER_Server* server = nullptr;
  Must(TRITONSERVER_ServerNew(&server, options), "ServerNew");
  Must(TRITONSERVER_ServerOptionsDelete(options), "OptionsDelete");
  return server;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) Fail("usage: trident_lifecycle_stress <backend directory> [rounds] [seed]");
  const int rounds = argc > 2 ? atoi(argv[2]) : 200;
  const unsigned seed = argc > 3 ? static_cast<unsigned>(atoll(argv[3])) : std::random_device{}();
  printf("seed %u\n", seed);
  std::mt19937 random(seed);

  std::string repository =
      (std::filesystem::temp_directory_path() / "trident-stress-XXXXXX").string();
  if (mkdtemp(repository.data()) == nullptr) Fail("mkdtemp");
  std::filesystem::create_directories(repository + "/m/1");
  TRITONSERVER_Server* server = StartServer(repository, argv[1]);
  TRITONSERVER_ResponseAllocator* allocator = nullptr;
  Must(TRITONSERVER_ResponseAllocatorNew(&allocator, Allocate, Free, nullptr), "AllocatorNew");

  Reload(server, 1);
  std::atomic<bool> stop{false};
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back(RunClient, server, allocator, &stop, random());
  }
  for (int round = 0; round < rounds; ++round) {
    // Each round lets some requests through, so that every change meets traffic.
    const uint64_t goal = ended.load() + 20;
    switch (random() % 4) {
      case 0:
        Must(TRITONSERVER_ServerUnloadModel(server, "m"), "Unload");
        break;
      case 1:
        Must(TRITONSERVER_TridentServerUnloadModelAndWait(server, "m", false, 60000),
             "UnloadModelAndWait");
        break;
      default:
        break;
    }
    Query(server);
    Reload(server, 1 + static_cast<int>(random() % 3));
    Query(server);
    while (ended.load() < goal) std::this_thread::yield();
  }
  stop.store(true);
  for (std::thread& client : clients) client.join();
  Must(TRITONSERVER_ServerDelete(server), "ServerDelete");
  Must(TRITONSERVER_ResponseAllocatorDelete(allocator), "AllocatorDelete");
  std::filesystem::remove_all(repository);

  printf("%d rounds: %lu accepted, %lu succeeded, %lu away or cancelled\n", rounds,
         static_cast<unsigned long>(accepted.load()), static_cast<unsigned long>(succeeded.load()),
         static_cast<unsigned long>(away.load()));
  if (accepted.load() != ended.load()) Fail("accepted and ended differ");
  return 0;
}
