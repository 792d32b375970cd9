// The process of an isolated model ends again and again, by SIGKILL, a fault, abort or a hang
// while threads have it answer, or killed from outside while it has nothing to do. The host lives,
// every request is answered right or fails with UNAVAILABLE that names the model and the cause, a
// model beside it notices nothing, and service comes back: how fast is printed and, with a limit,
// checked. In the end the host has the descriptors it had, no children, and nothing was in
// /dev/shm. Usage:
//   trident_isolation_stress <backend directory> [ends] [limit in ms]

#include <dirent.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <thread>
#include <vector>

#include "stress.h"

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr int kClients = 4;
constexpr microseconds kExecutionTimeout{500'000};
constexpr char kLate[] = "took longer than 500000 microseconds";

// A way to end, and what the error of its requests says.
struct Way {
  const char* name;
  const char* cause;
};
constexpr Way kWays[] = {{"kill", "SIGKILL"},
                         {"fault", "SIGSEGV"},
                         {"abort", "SIGABRT"},
                         {"hang", kLate},
                         {"idle", "SIGKILL"}};
constexpr const char* kIdle = kWays[4].name;

TRITONSERVER_ResponseAllocator* allocator = nullptr;

// One request; waited for until it is answered and released.
class Call {
 public:
  Call(TRITONSERVER_Server* server, const char* model, int32_t number, const char* end = nullptr)
      : in_(number) {
    TRITONSERVER_InferenceRequest* request = nullptr;
    Must(TRITONSERVER_InferenceRequestNew(&request, server, model, -1), "RequestNew");
    if (end != nullptr) {
      Must(TRITONSERVER_InferenceRequestSetStringParameter(request, "end", end), "SetParameter");
    }
    Must(TRITONSERVER_InferenceRequestAddInput(request, "input", TRITONSERVER_TYPE_INT32, kOne, 2),
         "AddInput");
    Must(TRITONSERVER_InferenceRequestAppendInputData(request, "input", &in_, sizeof(in_),
                                                      TRITONSERVER_MEMORY_CPU, 0),
         "AppendInputData");
    Must(TRITONSERVER_InferenceRequestSetReleaseCallback(request, OnRelease, this), "SetRelease");
    Must(TRITONSERVER_InferenceRequestSetResponseCallback(request, allocator, &out_, OnResponse,
                                                          this),
         "SetResponse");
    TRITONSERVER_Error* const error = TRITONSERVER_ServerInferAsync(server, request, nullptr);
    if (error != nullptr) {
      Take(error);
      Must(TRITONSERVER_InferenceRequestDelete(request), "RequestDelete");
      open_ = 0;
      TRITONSERVER_ErrorDelete(error);
    }
    std::unique_lock<std::mutex> lock(mutex_);
    ended_.wait(lock, [this] { return open_ == 0; });
  }

  // True: answered right. Otherwise `error` says why not.
  bool Answered() const {
    if (!error_.empty()) return false;
    if (out_ != 2 * in_) Fail("wrong answer");
    return true;
  }
  const std::string& error() const { return error_; }

 private:
  static constexpr int64_t kOne[] = {1, 1};

  void Take(TRITONSERVER_Error* error) {
    error_ = TRITONSERVER_ErrorMessage(error);
    if (TRITONSERVER_ErrorCode(error) != TRITONSERVER_ERROR_UNAVAILABLE) {
      Fail("not UNAVAILABLE: " + error_);
    }
  }

  void Close() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (--open_ == 0) ended_.notify_one();
  }

  static void OnRelease(TRITONSERVER_InferenceRequest* request, uint32_t, void* userp) {
    Must(TRITONSERVER_InferenceRequestDelete(request), "RequestDelete");
    static_cast<Call*>(userp)->Close();
  }

  static void OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t flags, void* userp) {
    auto* const call = static_cast<Call*>(userp);
    if (response == nullptr || (flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL) == 0) {
      Fail("a final response was expected");
    }
    TRITONSERVER_Error* const error = TRITONSERVER_InferenceResponseError(response);
    if (error != nullptr) call->Take(error);
    if (error != nullptr) TRITONSERVER_ErrorDelete(error);
    Must(TRITONSERVER_InferenceResponseDelete(response), "ResponseDelete");
    call->Close();
  }

  const int32_t in_;
  int32_t out_ = 0;
  std::string error_;
  std::mutex mutex_;
  std::condition_variable ended_;
  int open_ = 2;  // response and release
};

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void Load(TRITONSERVER_Server* server, const char* model, microseconds execution_timeout) {
  const std::string config =
      R"({"backend":"mortal","isolation":"process","execution_timeout_microseconds":)" +
      std::to_string(execution_timeout.count()) +
      R"(,"max_batch_size":4,"dynamic_batching":{},)"
      R"("input":[{"name":"input","data_type":"TYPE_INT32","dims":[1]}],)"
      R"("output":[{"name":"output","data_type":"TYPE_INT32","dims":[1]}],)"
      R"("instance_group":[{"kind":"KIND_CPU","count":1}]})";
  TRITONSERVER_Parameter* const parameter =
      TRITONSERVER_ParameterNew("config", TRITONSERVER_PARAMETER_STRING, config.c_str());
  const TRITONSERVER_Parameter* parameters[] = {parameter};
  Must(TRITONSERVER_ServerLoadModelWithParameters(server, model, parameters, 1), "Load");
  TRITONSERVER_ParameterDelete(parameter);
}

// What the descriptors of a process lead to.
std::multiset<std::string> Descriptors(const std::string& process) {
  std::multiset<std::string> targets;
  std::error_code gone;
  for (std::filesystem::directory_iterator entry("/proc/" + process + "/fd", gone), end;
       entry != end; entry.increment(gone)) {
    targets.insert(std::filesystem::read_symlink(entry->path(), gone).string());
  }
  return targets;
}

std::vector<std::string> Children() {
  std::vector<std::string> children;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream list(thread.path() / "children");
    for (std::string child; list >> child;) children.push_back(child);
  }
  return children;
}

// Neither open nor mapped by the host and its children.
void CheckSharedMemory() {
  std::vector<std::string> processes = Children();
  if (processes.size() != 2) Fail("there should be a process for each of two instances");
  processes.push_back("self");
  for (const std::string& process : processes) {
    for (const std::string& target : Descriptors(process)) {
      if (Has(target, "/dev/shm")) Fail("open: " + target);
    }
    std::ifstream maps("/proc/" + process + "/maps");
    for (std::string line; std::getline(maps, line);) {
      if (Has(line, "/dev/shm")) Fail("mapped: " + line);
    }
  }
}

// Lets clients ask, or sees to it that none does.
class Gate {
 public:
  void Ask(const std::function<void()>& request) {
    closed_.wait(true);
    const std::shared_lock<std::shared_mutex> lock(asking_);
    request();
  }

  void WhileNoneAsks(const std::function<void()>& work) {
    closed_.store(true);
    {
      const std::lock_guard<std::shared_mutex> lock(asking_);
      work();
    }
    closed_.store(false);
    closed_.notify_all();
  }

 private:
  std::atomic<bool> closed_{false};  // to clients that come, or they would never be all gone
  std::shared_mutex asking_;
};

struct Counts {
  std::atomic<uint64_t> answered{0}, failed{0}, beside{0};
};

void AskOnce(TRITONSERVER_Server* server, int32_t number, Counts* counts) {
  const Call call(server, "m", number);
  if (call.Answered()) {
    counts->answered.fetch_add(1);
    return;
  }
  const bool explained = std::any_of(std::begin(kWays), std::end(kWays),
                                     [&](const Way& way) { return Has(call.error(), way.cause); });
  if (!explained || !Has(call.error(), "'m'")) Fail("no cause: " + call.error());
  counts->failed.fetch_add(1);
}

void Ask(TRITONSERVER_Server* server, const std::atomic<bool>& stop, Gate* gate, Counts* counts) {
  for (int32_t number = 1; !stop.load(); ++number) {
    gate->Ask([&] { AskOnce(server, number, counts); });
  }
}

void AskBeside(TRITONSERVER_Server* server, const std::atomic<bool>& stop, Counts* counts) {
  for (int32_t number = 1; !stop.load(); ++number) {
    const Call call(server, "n", number);
    if (!call.Answered()) Fail("the model beside failed: " + call.error());
    counts->beside.fetch_add(1);
  }
}

// How long there was no service, by ways; and how often a machine that stood still was why an
// execution ended, before it could do so in its own way.
struct Times {
  std::vector<microseconds> of[std::size(kWays)];
  int late = 0;
};

// True: it took too long, rather than end in this way.
bool EndByRequest(TRITONSERVER_Server* server, const Way& way) {
  const Call last(server, "m", 1, way.name);
  if (last.Answered()) Fail(std::string("survived ") + way.name);
  const bool late = Has(last.error(), kLate);
  if (!Has(last.error(), "'m'") || (!late && !Has(last.error(), way.cause))) {
    Fail(std::string("the cause of ") + way.name + " is not told: " + last.error());
  }
  return late;
}

// When nothing was executed any more.
Clock::time_point EndFromOutside(const std::string& beside, Gate* gate) {
  Clock::time_point end;
  gate->WhileNoneAsks([&] {
    std::vector<std::string> processes = Children();
    std::erase(processes, beside);
    if (processes.size() != 1) Fail("there should be one process to kill");
    end = Clock::now();
    if (kill(std::stoi(processes[0]), SIGKILL) != 0) Fail("the process can't be killed");
  });
  return end;
}

void EndOnce(TRITONSERVER_Server* server, size_t index, const std::string& beside, Gate* gate,
             Times* times) {
  const Way& way = kWays[index];
  Clock::time_point begin = Clock::now();
  bool late = false;
  if (way.name == kIdle) {
    begin = EndFromOutside(beside, gate);
  } else {
    late = EndByRequest(server, way);
  }
  for (int32_t number = 1; !Call(server, "m", number).Answered(); ++number) {
  }
  const auto took = std::chrono::duration_cast<microseconds>(Clock::now() - begin);
  if (late && way.cause != kLate) {
    ++times->late;
  } else {
    times->of[index].push_back(late ? took - kExecutionTimeout : took);
  }
}

// The worst.
microseconds Report(std::vector<microseconds> times, const char* name) {
  if (times.empty()) Fail(std::string("no end by ") + name);
  std::sort(times.begin(), times.end());
  printf("%-6s %4zu: service back after %.1f ms (median), %.1f ms (worst)\n", name, times.size(),
         times[times.size() / 2].count() / 1000.0, times.back().count() / 1000.0);
  return times.back();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) Fail("usage: trident_isolation_stress <backend directory> [ends] [limit in ms]");
  const int ends = argc > 2 ? atoi(argv[2]) : 50;
  const microseconds limit(argc > 3 ? 1'000 * atoi(argv[3]) : 0);
  // How long a dump of a process takes is the machine's business.
  const rlimit no_dumps{0, 0};
  setrlimit(RLIMIT_CORE, &no_dumps);

  const std::string repository = MakeRepository();
  allocator = MakeAllocator();
  const std::multiset<std::string> descriptors = Descriptors("self");
  TRITONSERVER_Server* const server = StartServer(repository, argv[1]);
  Load(server, "n", microseconds(0));
  const std::string beside = Children().at(0);
  Load(server, "m", kExecutionTimeout);
  CheckSharedMemory();

  Gate gate;
  Counts counts;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back(Ask, server, std::ref(stop), &gate, &counts);
  }
  threads.emplace_back(AskBeside, server, std::ref(stop), &counts);
  Times times;
  for (int i = 0; i < ends; ++i) {
    EndOnce(server, static_cast<size_t>(i) % std::size(kWays), beside, &gate, &times);
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  CheckSharedMemory();

  Must(TRITONSERVER_ServerDelete(server), "ServerDelete");
  Must(TRITONSERVER_ResponseAllocatorDelete(allocator), "AllocatorDelete");
  RemoveRepository(repository);
  if (Descriptors("self") != descriptors) Fail("descriptors are left open");
  if (waitpid(-1, nullptr, WNOHANG) != -1 || errno != ECHILD) Fail("a child is left");
  printf("%lu answered, %lu failed, %lu beside, %d late\n",
         static_cast<unsigned long>(counts.answered.load()),
         static_cast<unsigned long>(counts.failed.load()),
         static_cast<unsigned long>(counts.beside.load()), times.late);
  std::vector<microseconds> all;
  for (size_t way = 0; way < std::size(kWays); ++way) {
    (void)Report(times.of[way], kWays[way].name);
    all.insert(all.end(), times.of[way].begin(), times.of[way].end());
  }
  const microseconds worst = Report(all, "all");
  fflush(stdout);
  if (limit.count() > 0 && worst > limit) Fail("service came back too late");
  return 0;
}
