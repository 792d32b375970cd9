// A C client of the public C ABI, as a program that embeds the server would be: requests, inputs
// and output buffers are made once, responses deleted in their callback. Prints one JSON object.
//
// A number of requests is outstanding all the time, rounds of all of them interleaved with rounds
// of the two floors: ONNX Runtime's own Run on the same file (for models of that backend, with
// --library), and a bare hand-off between two threads. Medians of the rounds.

#include <cstdio>
#include <optional>

#include "arguments.h"
#include "closed_loop.h"
#include "hand_off.h"
#include "raw_session.h"

namespace {

using namespace trident::bench;  // NOLINT: a program of one file

constexpr char kUsage[] =
    R"(usage: trident_client --repository DIR --model NAME --backends DIR [--library libonnxruntime]
         [--lane offloaded|inline] [--outstanding 1,64,256] [--seconds 1] [--rounds 5]
)";
constexpr uint64_t kInlineBudgetNs = 100'000'000;  // beyond any hiccup of the machine

std::string LaneOf(const Arguments& arguments) {
  return arguments.Choice("lane", {"offloaded", "inline"});
}

ServerSettings SettingsOf(const Arguments& arguments) {
  ServerSettings settings;
  settings.repository = arguments.Required("repository");
  settings.backends = arguments.Required("backends");
  settings.onnxruntime = arguments.Text("library");
  if (LaneOf(arguments) == "inline") settings.inline_budget_ns = kInlineBudgetNs;
  return settings;
}

// ONNX Runtime on the model's own file, or nothing when another backend serves the model.
std::optional<RawSession> MakeRaw(const Arguments& arguments, const std::string& platform) {
  if (!arguments.Has("library") || !platform.starts_with("onnxruntime")) return std::nullopt;
  const std::string file =
      arguments.Required("repository") + "/" + arguments.Required("model") + "/1/model.onnx";
  return std::optional<RawSession>(std::in_place, arguments.Text("library"), file);
}

Summary MeasureRaw(RawSession* raw, double seconds) {
  std::vector<uint64_t> times_ns;
  const uint64_t end = NowNs() + static_cast<uint64_t>(seconds * 1e9);
  for (uint64_t now = NowNs(); now < end;) {
    raw->Run();
    const uint64_t after = NowNs();
    times_ns.push_back(after - now);
    now = after;
  }
  return Summarise(times_ns);
}

// The same figure of every round.
struct Series {
  std::vector<double> p50_us, p90_us, p99_us, per_second, inline_share;

  void Add(const ClosedLoopResult& result) {
    p50_us.push_back(result.latency.p50_us);
    p90_us.push_back(result.latency.p90_us);
    p99_us.push_back(result.latency.p99_us);
    per_second.push_back(result.requests_per_second);
    inline_share.push_back(result.inline_share);
  }

  Json Medians(uint64_t outstanding) const {
    return {{"outstanding", outstanding},
            {"p50_us", Rounded(Median(p50_us))},
            {"p90_us", Rounded(Median(p90_us))},
            {"p99_us", Rounded(Median(p99_us))},
            {"requests_per_second", Rounded(Median(per_second))},
            {"inline_share", Rounded(Median(inline_share))}};
  }
};

struct ClosedLoopPlan {
  std::vector<uint64_t> outstandings;
  double seconds;  // each measurement of each round
  uint64_t rounds;
};

Json RunClosedLoops(const ModelClient& client, OverQueue* queue, const ClosedLoopPlan& plan,
                    RawSession* raw) {
  std::vector<Series> series(plan.outstandings.size());
  std::vector<double> raw_us, added_us, hand_off_us;
  for (uint64_t round = 0; round < plan.rounds; ++round) {
    for (size_t i = 0; i < series.size(); ++i) {
      series[i].Add(RunClosedLoop(client, queue, plan.outstandings[i], plan.seconds));
    }
    hand_off_us.push_back(MeasureHandOff(plan.seconds / 2).p50_us);
    if (raw == nullptr) continue;
    raw_us.push_back(MeasureRaw(raw, plan.seconds).p50_us);
    added_us.push_back(series[0].p50_us.back() - raw_us.back());
  }
  Json result = {{"rounds", plan.rounds}, {"seconds", plan.seconds}, {"rows", Json::array()}};
  for (size_t i = 0; i < series.size(); ++i) {
    result["rows"].push_back(series[i].Medians(plan.outstandings[i]));
  }
  result["hand_off_p50_us"] = Rounded(Median(hand_off_us));
  if (raw != nullptr) {
    result["raw"] = {{"onnxruntime", raw->version()}, {"p50_us", Rounded(Median(raw_us))}};
    // What the first row adds to ONNX Runtime's own time: the median of each round's difference.
    result["added_p50_us"] = Rounded(Median(added_us));
  }
  return result;
}

Json Run(const Arguments& arguments, const ModelClient& client, OverQueue* queue) {
  ClosedLoopPlan plan;
  plan.outstandings = arguments.Counts("outstanding", {1, 64, 256});
  plan.seconds = arguments.Number("seconds", 1);
  plan.rounds = arguments.Count("rounds", 5);
  LimitRunTime(60 + 2 * plan.seconds * static_cast<double>(plan.rounds) *
                        static_cast<double>(plan.outstandings.size() + 2));
  std::optional<RawSession> raw = MakeRaw(arguments, client.platform());
  return RunClosedLoops(client, queue, plan, raw ? &*raw : nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(
      argc, argv, kUsage,
      {"repository", "model", "backends", "library", "lane", "outstanding", "seconds", "rounds"});
  const std::string model = arguments.Required("model");
  const ServerSettings settings = SettingsOf(arguments);
  LimitRunTime(60);
  OverQueue queue;
  Server server(settings);
  const ModelClient client(&server, model);
  Json result = {{"model", model}, {"lane", LaneOf(arguments)}};
  result.update(Run(arguments, client, &queue));
  printf("%s\n", result.dump(1).c_str());
  return 0;
}
