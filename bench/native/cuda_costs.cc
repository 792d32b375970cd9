// What the CUDA driver costs by itself, without Trident's core: how long a stream takes to do
// nothing much, handles of memory to be opened and closed, and copies of several sizes from and to
// wherever bytes lie. Prints one JSON object. Runs against whatever driver there is.
//
// Small copies are asked for together and waited for once: what counts is what the bus and the
// driver get through. Each figure is the median of the rounds.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "arguments.h"
#include "cuda/memory.h"
#include "cuda/stream.h"
#include "samples.h"

namespace {

using namespace trident;  // NOLINT: a program of one file
using cuda::Place;

constexpr char kUsage[] =
    "usage: trident_cuda_costs [--device 0] [--bytes 4096,65536,1048576,16777216,268435456]\n"
    "                          [--repetitions 2000] [--rounds 5]\n";
// What a row of small copies moves in all, so that one wait does not show.
constexpr uint64_t kRowBytes = 16 << 20;
constexpr uint64_t kMostCopies = 256;
// The smallest tensor's worth: what a stream does here is not the size's doing.
constexpr uint64_t kTinyBytes = 4096;

void Check(const Status& status) {
  if (!status.ok()) bench::Die(status.message());
}

template <typename T>
T Value(Result<T> result) {
  Check(result.ok() ? Status::Ok() : result.status());
  return std::move(*result);
}

bench::Json Times(uint64_t repetitions, const std::function<void()>& work) {
  work();  // warms up
  std::vector<uint64_t> times_ns(repetitions);
  for (uint64_t& time_ns : times_ns) {
    const uint64_t start = bench::NowNs();
    work();
    time_ns = bench::NowNs() - start;
  }
  const bench::Summary summary = bench::Summarise(times_ns);
  return {{"p50", bench::Rounded(summary.p50_us)}, {"p99", bench::Rounded(summary.p99_us)}};
}

// A stream, memory of its device, and what is measured with them.
class Costs {
 public:
  Costs(cuda::Device* device, uint64_t repetitions, uint64_t rounds)
      : device_(device),
        place_{device->id()},
        repetitions_(repetitions),
        rounds_(rounds),
        stream_(Value(cuda::Stream::Create(device))) {}

  // Microseconds of what a batch can't do without: asking for work, and being told it is done.
  bench::Json StreamCosts() {
    const auto memory = Value(cuda::DeviceMemory::Allocate(device_, 2 * kTinyBytes));
    char* const data = static_cast<char*>(memory->data());
    const auto copy = [&] {
      Check(stream_->Copy(data, place_, data + kTinyBytes, place_, kTinyBytes));
    };
    bench::Json costs = {{"copy_and_wait_us", Times(repetitions_, [&] {
                            copy();
                            Check(stream_->Synchronize());
                          })}};
    costs["fill_and_wait_us"] = Times(repetitions_, [&] {
      Check(stream_->Fill(data, 0, 4));
      Check(stream_->Synchronize());
    });
    costs["ask_us"] = Times(repetitions_, copy);
    Check(stream_->Synchronize());
    return costs;
  }

  bench::Json HandleCosts(const cuda::IpcHandle& handle) {
    std::vector<uint64_t> open_ns;
    std::vector<uint64_t> close_ns;
    for (uint64_t i = 0; i < std::max<uint64_t>(1, repetitions_ / 20); ++i) {
      const uint64_t start = bench::NowNs();
      auto memory = Value(cuda::DeviceMemory::Open(device_, handle));
      const uint64_t opened = bench::NowNs();
      memory.reset();
      open_ns.push_back(opened - start);
      close_ns.push_back(bench::NowNs() - opened);
    }
    return {{"open_us", bench::Rounded(bench::Summarise(open_ns).p50_us)},
            {"close_us", bench::Rounded(bench::Summarise(close_ns).p50_us)}};
  }

  // One row per way and size, in GiB/s.
  bench::Json CopyCosts(const std::vector<uint64_t>& sizes) {
    bench::Json rows = bench::Json::array();
    const uint64_t most = std::ranges::max(sizes);
    const auto memory = Value(cuda::DeviceMemory::Allocate(device_, most));
    const auto other = Value(cuda::DeviceMemory::Allocate(device_, most));
    const auto pinned = Value(cuda::PinnedMemory::Allocate(most));
    std::vector<char> pageable(most, 1);
    memset(pinned->data(), 1, most);
    const End here{"device", memory->data(), place_};
    const End beside{"device", other->data(), place_};
    const End fixed{"pinned", pinned->data(), Place{}};
    const End plain{"pageable", pageable.data(), Place{}};
    std::vector<std::pair<End, End>> ways = {
        {fixed, here}, {here, fixed}, {plain, here}, {here, plain}, {here, beside}};
    std::unique_ptr<cuda::DeviceMemory> far;
    if (cuda::Device* const peer = Peer(); peer != nullptr) {
      Check(device_->EnablePeerAccess(peer));
      far = Value(cuda::DeviceMemory::Allocate(peer, most));
      ways.push_back({here, End{"other device", far->data(), Place{peer->id()}}});
    }
    for (const auto& [from, to] : ways) {
      for (const uint64_t bytes : sizes) {
        rows.push_back({{"from", from.name},
                        {"to", to.name},
                        {"bytes", bytes},
                        {"gib_per_s", bench::Rounded(Bandwidth(from, to, bytes))}});
      }
    }
    return rows;
  }

 private:
  struct End {
    const char* name;
    void* data;
    Place place;
  };

  cuda::Device* Peer() const {
    for (cuda::Device* const device : Value(cuda::Device::All())) {
      if (device != device_) return device;
    }
    return nullptr;
  }

  double Bandwidth(const End& from, const End& to, uint64_t bytes) {
    const uint64_t copies = std::clamp<uint64_t>(kRowBytes / bytes, 1, kMostCopies);
    std::vector<double> rates;
    for (uint64_t round = 0; round <= rounds_; ++round) {
      const uint64_t start = bench::NowNs();
      for (uint64_t i = 0; i < copies; ++i) {
        Check(stream_->Copy(to.data, to.place, from.data, from.place, bytes));
      }
      Check(stream_->Synchronize());
      const double seconds = static_cast<double>(bench::NowNs() - start) / 1e9;
      const double gib = static_cast<double>(copies * bytes) / (1 << 30);
      if (round > 0) rates.push_back(gib / seconds);  // the first warms up
    }
    return bench::Median(rates);
  }

  cuda::Device* const device_;
  const Place place_;
  const uint64_t repetitions_;
  const uint64_t rounds_;
  const std::unique_ptr<cuda::Stream> stream_;
};

// A process that has memory which this one can open: this program once more. It ends when its
// standard input does.
class Owner {
 public:
  Owner(const char* program, int device_id) {
    int in[2];
    int out[2];
    if (pipe(in) != 0 || pipe(out) != 0) bench::Die("can't make a pipe");
    const std::string id = std::to_string(device_id);
    process_ = fork();
    if (process_ == 0) {
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      for (const int end : {in[0], in[1], out[0], out[1]}) close(end);
      execl(program, program, "--owner", "--device", id.c_str(), nullptr);
      _exit(127);
    }
    close(in[0]);
    close(out[1]);
    leash_ = in[1];
    if (read(out[0], &handle_, sizeof(handle_)) != sizeof(handle_)) {
      bench::Die("the process that has the memory has ended");
    }
    close(out[0]);
  }
  ~Owner() {
    close(leash_);
    waitpid(process_, nullptr, 0);
  }

  const cuda::IpcHandle& handle() const { return handle_; }

 private:
  pid_t process_;
  int leash_;
  cuda::IpcHandle handle_;
};

// The other side of Owner.
int OwnMemory(cuda::Device* device) {
  const auto memory = Value(cuda::DeviceMemory::Allocate(device, 2 << 20));
  const cuda::IpcHandle handle = Value(cuda::Export(device, memory->data()));
  if (write(STDOUT_FILENO, &handle, sizeof(handle)) != sizeof(handle)) return 1;
  char byte;
  return read(STDIN_FILENO, &byte, 1) == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv, kUsage, {"device", "bytes", "repetitions", "rounds"},
                                   {"owner"});
  const int id = atoi(arguments.Text("device").c_str());
  cuda::Device* const device = Value(cuda::Device::Find(id));
  if (arguments.Has("owner")) return OwnMemory(device);
  const std::vector<uint64_t> sizes =
      arguments.Counts("bytes", {4 << 10, 64 << 10, 1 << 20, 16 << 20, 256 << 20});
  Costs costs(device, arguments.Count("repetitions", 2000), arguments.Count("rounds", 5));
  bench::Json result = {{"device", device->name()}};
  result["stream"] = costs.StreamCosts();
  result["handle"] = costs.HandleCosts(Owner(argv[0], id).handle());
  result["copies"] = costs.CopyCosts(sizes);
  printf("%s\n", result.dump(1).c_str());
  return 0;
}
