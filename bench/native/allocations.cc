// What a request costs in heap allocations and page faults once everything is warm. Prints one JSON
// array with an object per case: counts per request, and how many of all were the core's.
//
// The client reuses its requests and buffers. The lanes: `inline` runs on the client's thread,
// `offloaded` on the instance's with one request outstanding, `many` submits 64 at once. Cases
// `kept` delete each response on another thread when eight have come; `refilled` gives the
// request other data and another id each time. With --check the program fails when the core
// allocates at all or when there is more than one page fault in a hundred requests; --stacks shows
// who allocates.

#include <sys/resource.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "allocation_counter.h"
#include "arguments.h"
#include "server.h"
#include "trident/extension.h"

namespace {

using namespace trident::bench;  // NOLINT: a program of one file

constexpr char kUsage[] =
    R"(usage: trident_allocations [--check] [--requests 2000] [--stacks CASE]
         [--digits REPOSITORY_WITH_DIGITS --library LIBONNXRUNTIME]
)";
constexpr size_t kMany = 64;
constexpr size_t kKeptAtOnce = 8;
constexpr size_t kLargestTensor = 64;  // elements

enum class Lane { kInline, kOffloaded, kMany };

struct Model {
  const char* name;
  const char* input;
  std::vector<int64_t> shape;  // of one request
};

struct Case {
  std::string name;
  const Model* model;
  Lane lane;
  bool kept = false;
  bool refilled = false;
};

struct Options {
  bool check;
  uint64_t requests;
  std::string stacks, digits, library;
};

Options ReadOptions(int argc, char** argv) {
  const Arguments arguments(argc, argv, kUsage, {"requests", "stacks", "digits", "library"},
                            {"check"});
  if (arguments.Has("digits") != arguments.Has("library")) {
    arguments.Refuse("'--digits' goes with '--library'");
  }
  return {arguments.Has("check"), arguments.Count("requests", 2000), arguments.Text("stacks"),
          arguments.Text("digits"), arguments.Text("library")};
}

// Answers and releases still to come. Outlives the clients: whoever counts down to 0 may still be
// about to tell them when they are gone.
std::atomic<int> outstanding;

void CountDown() {
  if (outstanding.fetch_sub(1) == 1) outstanding.notify_one();
}

// Deletes responses on a thread of its own. Used by one case at a time.
class Undertaker {
 public:
  Undertaker() : thread_([this] { Run(); }) {}
  ~Undertaker() {
    ended_ = true;
    work_.release();
    thread_.join();
  }
  // On the thread that answers; those of one case one after the other.
  void Keep(TRITONSERVER_InferenceResponse* response) { kept_[count_++] = response; }
  // Once the answers are there.
  void BuryIfMany(bool all) {
    if (count_ == 0 || (count_ < kKeptAtOnce && !all)) return;
    work_.release();
    done_.acquire();
  }

 private:
  void Run() {
    for (;;) {
      work_.acquire();
      if (ended_) return;
      for (size_t i = 0; i < count_; ++i) Must(TRITONSERVER_InferenceResponseDelete(kept_[i]));
      count_ = 0;
      done_.release();
    }
  }

  TRITONSERVER_InferenceResponse* kept_[kMany + kKeptAtOnce];
  std::atomic<size_t> count_{0};
  std::atomic<bool> ended_{false};
  std::counting_semaphore<> work_{0}, done_{0};
  std::thread thread_;
};

// One request with the memory it reads and writes, and all that its callbacks need.
struct Slot {
  TRITONSERVER_InferenceRequest* request = nullptr;
  float in[2][kLargestTensor];
  float out[kLargestTensor];
  Undertaker* undertaker = nullptr;  // of a case that keeps responses
};

TRITONSERVER_Error* Allocate(TRITONSERVER_ResponseAllocator*, const char*, size_t bytes,
                             TRITONSERVER_MemoryType, int64_t, void* userp, void** buffer,
                             void** buffer_userp, TRITONSERVER_MemoryType* type, int64_t* id) {
  auto* slot = static_cast<Slot*>(userp);
  if (bytes > sizeof(slot->out)) Die("an output is too large");
  *buffer = slot->out;
  *buffer_userp = nullptr;
  *type = TRITONSERVER_MEMORY_CPU;
  *id = 0;
  return nullptr;
}

TRITONSERVER_Error* Free(TRITONSERVER_ResponseAllocator*, void*, void*, size_t,
                         TRITONSERVER_MemoryType, int64_t) {
  return nullptr;
}

void OnRelease(TRITONSERVER_InferenceRequest*, uint32_t, void*) { CountDown(); }

void OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t, void* userp) {
  auto* slot = static_cast<Slot*>(userp);
  Must(TRITONSERVER_InferenceResponseError(response));
  if (slot->undertaker != nullptr) {
    slot->undertaker->Keep(response);
  } else {
    Must(TRITONSERVER_InferenceResponseDelete(response));
  }
  CountDown();
}

// The client of one case.
class Client {
 public:
  Client(TRITONSERVER_Server* server, const Case& what)
      : server_(server), what_(what), slots_(what.lane == Lane::kMany ? kMany : 1) {
    Must(TRITONSERVER_ResponseAllocatorNew(&allocator_, Allocate, Free, nullptr));
    elements_ = 1;
    for (int64_t dim : what.model->shape) elements_ *= static_cast<size_t>(dim);
    for (Slot& slot : slots_) {
      Make(&slot);
      requests_.push_back(slot.request);
    }
    errors_.resize(slots_.size());
  }
  ~Client() {
    undertaker_.BuryIfMany(true);
    for (Slot& slot : slots_) Must(TRITONSERVER_InferenceRequestDelete(slot.request));
    Must(TRITONSERVER_ResponseAllocatorDelete(allocator_));
  }

  // Returns how many requests it was.
  uint64_t Run(uint64_t at_least) {
    uint64_t done = 0;
    for (; done < at_least; done += slots_.size()) {
      for (Slot& slot : slots_) {
        if (what_.refilled) Refill(&slot, done);
      }
      outstanding.store(2 * static_cast<int>(slots_.size()));
      Submit();
      for (int left; (left = outstanding.load()) != 0;) outstanding.wait(left);
      undertaker_.BuryIfMany(false);
    }
    return done;
  }

 private:
  void Make(Slot* slot) {
    const Model& model = *what_.model;
    for (auto& in : slot->in) {
      for (size_t i = 0; i < kLargestTensor; ++i) in[i] = static_cast<float>(i) / kLargestTensor;
    }
    if (what_.kept) slot->undertaker = &undertaker_;
    Must(TRITONSERVER_InferenceRequestNew(&slot->request, server_, model.name, -1));
    Must(TRITONSERVER_InferenceRequestAddInput(slot->request, model.input, TRITONSERVER_TYPE_FP32,
                                               model.shape.data(), model.shape.size()));
    Must(TRITONSERVER_InferenceRequestSetReleaseCallback(slot->request, OnRelease, slot));
    Must(TRITONSERVER_InferenceRequestSetResponseCallback(slot->request, allocator_, slot,
                                                          OnResponse, slot));
    Refill(slot, 0);
  }

  void Refill(Slot* slot, uint64_t round) {
    const char* const input = what_.model->input;
    char id[40];
    snprintf(id, sizeof(id), "a request with a long id, number %06u",
             static_cast<unsigned>(round % 1000000));
    Must(TRITONSERVER_InferenceRequestSetId(slot->request, id));
    Must(TRITONSERVER_InferenceRequestRemoveAllInputData(slot->request, input));
    Must(TRITONSERVER_InferenceRequestAppendInputData(slot->request, input, slot->in[round % 2],
                                                      elements_ * sizeof(float),
                                                      TRITONSERVER_MEMORY_CPU, 0));
  }

  void Submit() {
    bool ran_inline = false;
    switch (what_.lane) {
      case Lane::kInline:
        Must(TRITONSERVER_TridentServerInferInline(server_, requests_[0], UINT64_MAX, &ran_inline));
        if (!ran_inline) Die(what_.name + ": a request was queued");
        break;
      case Lane::kOffloaded:
        Must(TRITONSERVER_ServerInferAsync(server_, requests_[0], nullptr));
        break;
      case Lane::kMany:
        TRITONSERVER_TridentServerInferAsyncMany(
            server_, requests_.data(), static_cast<uint32_t>(requests_.size()), 0, errors_.data());
        for (TRITONSERVER_Error* error : errors_) Must(error);
        break;
    }
  }

  TRITONSERVER_Server* const server_;
  const Case& what_;
  TRITONSERVER_ResponseAllocator* allocator_ = nullptr;
  size_t elements_ = 0;
  Undertaker undertaker_;
  std::vector<Slot> slots_;
  std::vector<TRITONSERVER_InferenceRequest*> requests_;
  std::vector<TRITONSERVER_Error*> errors_;
};

uint64_t MinorFaults() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_minflt);
}

// A counter that sees nothing would find nothing wrong with anything.
void MustSeeTheCoreAllocate() {
  TRITONSERVER_ServerOptions* options = nullptr;
  StartCounting(/*keep_stacks=*/false);
  Must(TRITONSERVER_ServerOptionsNew(&options));
  const AllocationCounts counts = StopCounting();
  Must(TRITONSERVER_ServerOptionsDelete(options));
  if (counts.core == 0) Die("what the core allocates is not counted");
}

// Prints the case; false when it costs what it should not.
bool Measure(TRITONSERVER_Server* server, const Case& what, const Options& options, bool first) {
  Client client(server, what);
  client.Run(options.requests);
  StartCounting(options.stacks == what.name);
  const uint64_t faults_before = MinorFaults();
  const uint64_t requests = client.Run(options.requests);
  const uint64_t faults = MinorFaults() - faults_before;
  const AllocationCounts counts = StopCounting();
  if (options.stacks == what.name) PrintStacks();

  const auto each = [&](uint64_t n) { return static_cast<double>(n) / requests; };
  printf(
      "%s{\"case\":\"%s\",\"requests\":%lu,\"allocations_per_request\":%.3f,"
      "\"minor_faults_per_request\":%.3f,\"core_allocations\":%lu,"
      "\"core_per_request\":%.3f,\"backend_per_request\":%.3f,\"runtime_per_request\":%.3f}",
      first ? "[" : ",\n ", what.name.c_str(), requests, each(counts.total), each(faults),
      counts.core, each(counts.core), each(counts.backend), each(counts.runtime));
  fflush(stdout);
  if (counts.core > 0) {
    fprintf(stderr, "\n%s: the core allocated %lu times in %lu requests, not 0 times\n",
            what.name.c_str(), counts.core, requests);
  }
  // What ONNX Runtime allocates and frees may take pages from the system each time.
  const bool calm = faults <= requests / 100 || counts.runtime > 0;
  if (!calm) {
    fprintf(stderr, "\n%s: %lu page faults in %lu requests, not at most 1 in 100\n",
            what.name.c_str(), faults, requests);
  }
  return counts.core == 0 && calm;
}

TRITONSERVER_Server* StartServer(const std::string& repository, const Options& options) {
  TRITONSERVER_ServerOptions* settings = nullptr;
  Must(TRITONSERVER_ServerOptionsNew(&settings));
  Must(TRITONSERVER_ServerOptionsSetModelRepositoryPath(settings, repository.c_str()));
  Must(TRITONSERVER_ServerOptionsSetBackendDirectory(settings, TRIDENT_BACKENDS));
  if (!options.digits.empty()) {
    Must(TRITONSERVER_ServerOptionsSetModelRepositoryPath(settings, options.digits.c_str()));
    Must(TRITONSERVER_ServerOptionsSetBackendConfig(settings, "onnxruntime", "library",
                                                    options.library.c_str()));
  }
  TRITONSERVER_Server* server = nullptr;
  Must(TRITONSERVER_ServerNew(&server, settings));
  Must(TRITONSERVER_ServerOptionsDelete(settings));
  return server;
}

// A repository with one model of the identity backend, which has a long name on purpose.
std::string MakeRepository() {
  std::string path =
      (std::filesystem::temp_directory_path() / "trident-allocations-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) Die("no temporary directory");
  std::filesystem::create_directories(path + "/identity/1");
  FILE* config = fopen((path + "/identity/config.pbtxt").c_str(), "w");
  if (config == nullptr) Die("the repository can't be written");
  fputs(
      "backend: \"identity\" max_batch_size: 64 dynamic_batching { }\n"
      "input { name: \"the_first_of_all_inputs\" data_type: TYPE_FP32 dims: [ 16 ] }\n"
      "output { name: \"the_first_of_all_outputs\" data_type: TYPE_FP32 dims: [ 16 ] }\n"
      "instance_group { count: 1 kind: KIND_CPU }\n",
      config);
  fclose(config);
  return path;
}

void AddCases(const Model& model, std::vector<Case>* cases) {
  const std::string name = model.name;
  cases->push_back({name + "_inline", &model, Lane::kInline});
  cases->push_back({name + "_inline_kept", &model, Lane::kInline, true});
  cases->push_back({name + "_inline_refilled", &model, Lane::kInline, false, true});
  cases->push_back({name + "_offloaded", &model, Lane::kOffloaded});
  cases->push_back({name + "_offloaded_kept", &model, Lane::kOffloaded, true});
  cases->push_back({name + "_many", &model, Lane::kMany});
  cases->push_back({name + "_many_kept", &model, Lane::kMany, true});
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = ReadOptions(argc, argv);
  MustSeeTheCoreAllocate();
  const Model identity{"identity", "the_first_of_all_inputs", {1, 16}};
  const Model digits{"digits", "image", {1, 1, 8, 8}};
  std::vector<Case> cases;
  AddCases(identity, &cases);
  if (!options.digits.empty()) AddCases(digits, &cases);

  const std::string repository = MakeRepository();
  TRITONSERVER_Server* const server = StartServer(repository, options);
  std::filesystem::remove_all(repository);
  bool ok = true;
  for (const Case& what : cases) ok = Measure(server, what, options, &what == &cases[0]) && ok;
  printf("]\n");
  Must(TRITONSERVER_ServerDelete(server));
  return options.check && !ok ? 1 : 0;
}
