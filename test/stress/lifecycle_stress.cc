// Requests, cancels, reloads, unloads and queries of one server, all at once, through the C ABI
// with the identity backend. Every accepted request must end exactly once, with success or with an
// error that says the model was away or the request cancelled. Usage:
//   trident_lifecycle_stress <backend directory> [rounds] [seed]
// Prints its seed, so that a failing run can be repeated.

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "stress.h"

namespace {

constexpr int kClients = 3;
constexpr int kSlotsEach = 16;

std::atomic<uint64_t> succeeded{0}, away{0}, ended{0}, accepted{0};

// One request, reused. `holders`: the release and the final response still to come.
struct Slot {
  TRITONSERVER_InferenceRequest* request = nullptr;
  float in[4] = {1, 2, 3, 4};
  float out[4] = {};
  std::atomic<int> holders{0};
};

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
  Must(TRITONSERVER_InferenceRequestSetResponseCallback(slot->request, allocator, slot->out,
                                                        OnResponse, slot),
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

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) Fail("usage: trident_lifecycle_stress <backend directory> [rounds] [seed]");
  const int rounds = argc > 2 ? atoi(argv[2]) : 200;
  const unsigned seed = argc > 3 ? static_cast<unsigned>(atoll(argv[3])) : std::random_device{}();
  printf("seed %u\n", seed);
  std::mt19937 random(seed);

  const std::string repository = MakeRepository();
  TRITONSERVER_Server* server = StartServer(repository, argv[1]);
  TRITONSERVER_ResponseAllocator* allocator = MakeAllocator();

  Must(LoadIdentity(server, "m", 1), "Load");
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
    Must(LoadIdentity(server, "m", 1 + static_cast<int>(random() % 3)), "Load");
    Query(server);
    while (ended.load() < goal) std::this_thread::yield();
  }
  stop.store(true);
  for (std::thread& client : clients) client.join();
  Must(TRITONSERVER_ServerDelete(server), "ServerDelete");
  Must(TRITONSERVER_ResponseAllocatorDelete(allocator), "AllocatorDelete");
  RemoveRepository(repository);

  printf("%d rounds: %lu accepted, %lu succeeded, %lu away or cancelled\n", rounds,
         static_cast<unsigned long>(accepted.load()), static_cast<unsigned long>(succeeded.load()),
         static_cast<unsigned long>(away.load()));
  if (accepted.load() != ended.load()) Fail("accepted and ended differ");
  return 0;
}
