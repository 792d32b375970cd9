// Many servers in one process, each created, loaded, asked, unloaded and deleted again and again by
// threads that share it two by two, through the C ABI with the identity backend. A server is
// deleted with requests in flight, and callbacks call back: a response callback asks for
// statistics, unloads and loads a model, and sends the next request; a release callback deletes its
// request. Every accepted request ends once, before its server is gone. Usage:
//   trident_servers_stress <backend directory> [threads] [loops]

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "stress.h"

namespace {

constexpr int kServers = 16;
constexpr int kRequests = 4;  // of each loop at once, each followed by as many from callbacks

std::atomic<uint64_t> answered{0}, away{0};

TRITONSERVER_ResponseAllocator* allocator = nullptr;

// A server, there while somebody uses it.
struct Place {
  std::mutex mutex;
  int users = 0;                          // guarded by `mutex`
  TRITONSERVER_Server* server = nullptr;  // guarded by `mutex`, and there for its users
  std::atomic<uint64_t> accepted{0}, ended{0}, released{0};
};

// One request; its callbacks hold it.
struct Call {
  Place* place;
  TRITONSERVER_Server* server;
  int followers;
  float in[4] = {1, 2, 3, 4};
  float out[4] = {};
  std::atomic<int> holders{2};

  void LetGo() {
    if (holders.fetch_sub(1) == 1) delete this;
  }
};

void Submit(Place* place, TRITONSERVER_Server* server, int followers);

void OnRelease(TRITONSERVER_InferenceRequest* request, uint32_t, void* userp) {
  auto* call = static_cast<Call*>(userp);
  Must(TRITONSERVER_InferenceRequestDelete(request), "RequestDelete");
  call->place->released.fetch_add(1);
  call->LetGo();
}

// What a client may do in a response callback.
void CallBack(const Call& call) {
  TRITONSERVER_Message* message = nullptr;
  if (OkOrAway(TRITONSERVER_ServerModelStatistics(call.server, "", -1, &message), "Statistics")) {
    Must(TRITONSERVER_MessageDelete(message), "MessageDelete");
  }
  switch (call.followers) {
    case 1:
      (void)OkOrAway(TRITONSERVER_ServerUnloadModel(call.server, "m"), "Unload in a callback");
      break;
    case 2:
      (void)OkOrAway(LoadIdentity(call.server, "n", 1), "Load in a callback");
      break;
    case 3:
      (void)OkOrAway(LoadIdentity(call.server, "m", 2), "Reload in a callback");
      break;
    default:
      break;
  }
  if (call.followers > 0) Submit(call.place, call.server, call.followers - 1);
}

void OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t flags, void* userp) {
  auto* call = static_cast<Call*>(userp);
  if (response == nullptr || (flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL) == 0) {
    Fail("a final response was expected");
  }
  if (OkOrAway(TRITONSERVER_InferenceResponseError(response), "response")) {
    if (memcmp(call->in, call->out, sizeof(call->in)) != 0) Fail("wrong answer");
    answered.fetch_add(1);
  } else {
    away.fetch_add(1);
  }
  Must(TRITONSERVER_InferenceResponseDelete(response), "ResponseDelete");
  CallBack(*call);
  call->place->ended.fetch_add(1);
  call->LetGo();
}

void Submit(Place* place, TRITONSERVER_Server* server, int followers) {
  TRITONSERVER_InferenceRequest* request = nullptr;
  if (!OkOrAway(TRITONSERVER_InferenceRequestNew(&request, server, "m", -1), "RequestNew")) {
    away.fetch_add(1);
    return;
  }
  auto* call = new Call{place, server, followers};
  Must(TRITONSERVER_InferenceRequestAddInput(request, "in", TRITONSERVER_TYPE_FP32, kShape, 2),
       "AddInput");
  Must(TRITONSERVER_InferenceRequestAppendInputData(request, "in", call->in, sizeof(call->in),
                                                    TRITONSERVER_MEMORY_CPU, 0),
       "AppendInputData");
  Must(TRITONSERVER_InferenceRequestSetReleaseCallback(request, OnRelease, call), "SetRelease");
  Must(TRITONSERVER_InferenceRequestSetResponseCallback(request, allocator, call->out, OnResponse,
                                                        call),
       "SetResponse");
  place->accepted.fetch_add(1);
  if (OkOrAway(TRITONSERVER_ServerInferAsync(server, request, nullptr), "InferAsync")) return;
  place->accepted.fetch_sub(1);
  away.fetch_add(1);
  Must(TRITONSERVER_InferenceRequestDelete(request), "RequestDelete");
  delete call;
}

TRITONSERVER_Server* Enter(Place* place, const std::string& repository, const char* backends) {
  const std::lock_guard<std::mutex> lock(place->mutex);
  if (place->users++ == 0) place->server = StartServer(repository, backends);
  return place->server;
}

// The last one deletes the server, whatever is in flight.
void Leave(Place* place) {
  const std::lock_guard<std::mutex> lock(place->mutex);
  if (--place->users > 0) return;
  Must(TRITONSERVER_ServerDelete(place->server), "ServerDelete");
  if (place->accepted.load() != place->ended.load()) Fail("a request outlived its server");
  if (place->accepted.load() != place->released.load()) Fail("a release outlived its server");
}

void Run(Place* place, const std::string& repository, const char* backends, int loops) {
  for (int loop = 0; loop < loops; ++loop) {
    TRITONSERVER_Server* const server = Enter(place, repository, backends);
    Must(LoadIdentity(server, "m", 1 + loop % 2), "Load");
    for (int i = 0; i < kRequests; ++i) Submit(place, server, i % kRequests);
    if (loop % 2 == 0) {
      (void)OkOrAway(TRITONSERVER_ServerUnloadModel(server, "m"), "Unload");
    }
    Leave(place);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) Fail("usage: trident_servers_stress <backend directory> [threads] [loops]");
  const int thread_count = argc > 2 ? atoi(argv[2]) : 32;
  const int loops = argc > 3 ? atoi(argv[3]) : 32;
  const std::string repository = MakeRepository();
  allocator = MakeAllocator();
  std::vector<Place> places(kServers);
  std::vector<std::thread> threads;
  for (int i = 0; i < thread_count; ++i) {
    threads.emplace_back(Run, &places[static_cast<size_t>(i % kServers)], repository, argv[1],
                         loops);
  }
  for (std::thread& thread : threads) thread.join();
  Must(TRITONSERVER_ResponseAllocatorDelete(allocator), "AllocatorDelete");
  RemoveRepository(repository);
  printf("%d threads, %d loops: %lu answered, %lu away\n", thread_count, loops,
         static_cast<unsigned long>(answered.load()), static_cast<unsigned long>(away.load()));
  if (answered.load() == 0) Fail("no request was answered");
  return 0;
}
