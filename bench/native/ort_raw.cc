// The raw ONNX Runtime C API as a peer for the benchmarks: one session, inputs and outputs
// allocated once, Run in a loop. Prints one JSON object per batch size, as one array.

#include <cstdio>

#include "arguments.h"
#include "raw_session.h"
#include "samples.h"

namespace {

using namespace trident::bench;  // NOLINT: a program of one file

constexpr char kUsage[] =
    "usage: trident_ort_raw --library <libonnxruntime.so.1> --model <file.onnx>\n"
    "                       [--batches 1,8,64] [--seconds 1]\n";

// The times of single runs, after a warm-up of a tenth of the time.
std::vector<uint64_t> Measure(RawSession* session, double seconds) {
  std::vector<uint64_t> times_ns;
  const uint64_t begin = NowNs();
  const uint64_t warm = begin + static_cast<uint64_t>(seconds * 1e8);
  const uint64_t end = begin + static_cast<uint64_t>(seconds * 1.1e9);
  for (uint64_t now = begin; now < end || times_ns.empty();) {
    session->Run();
    const uint64_t after = NowNs();
    if (now >= warm) times_ns.push_back(after - now);
    now = after;
  }
  return times_ns;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, kUsage, {"library", "model", "batches", "seconds"});
  const double seconds = arguments.Number("seconds", 1);
  const std::vector<uint64_t> batches = arguments.Counts("batches", {1, 8, 64});
  LimitRunTime(60 + 2 * seconds * static_cast<double>(batches.size()));
  RawSession session(arguments.Required("library"), arguments.Required("model"));
  Json rows = Json::array();
  for (const uint64_t batch : batches) {
    session.SetBatch(static_cast<int64_t>(batch));
    std::vector<uint64_t> times_ns = Measure(&session, seconds);
    double total_ns = 0;
    for (const uint64_t time : times_ns) total_ns += static_cast<double>(time);
    const Summary summary = Summarise(times_ns);
    rows.push_back(
        {{"version", session.version()},
         {"batch", batch},
         {"runs", summary.count},
         {"p50_us", Rounded(summary.p50_us)},
         {"p90_us", Rounded(summary.p90_us)},
         {"p99_us", Rounded(summary.p99_us)},
         {"items_per_second", Rounded(static_cast<double>(batch * summary.count) / total_ns * 1e9)},
         {"first_values", session.FirstValues(16)}});
  }
  printf("%s\n", rows.dump(1).c_str());
  return 0;
}
