// Random graphs against a reference evaluation: steps end at once, later, out of order, on other
// threads, with errors, or never before they are cancelled; some stream. Every seed is printed.

#include <random>
#include <set>
#include <thread>

#include "ensemble_fixture.h"

namespace trident::ensemble_test {
namespace {

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  int Roll(int from, int to) { return std::uniform_int_distribution<int>(from, to)(engine_); }
  bool Chance(int percent) { return Roll(1, 100) <= percent; }

 private:
  std::mt19937 engine_;
};

// A graph of steps with one or two inputs and one output. Step i computes 3 * first + second + i.
struct Graph {
  struct Node {
    std::string first, second;  // tensors; the second may be empty
  };
  std::vector<Node> nodes;
  std::set<std::string> outputs;

  Graph(Random* random, int size) {
    std::vector<std::string> names = {"X"};
    std::set<std::string> read;
    for (int i = 0; i < size; ++i) {
      // The first step reads the input, which has to be used.
      const auto any = [&] { return names[random->Roll(0, static_cast<int>(names.size()) - 1)]; };
      Node node{i == 0 ? "X" : any(), random->Chance(50) ? any() : ""};
      read.insert(node.first);
      read.insert(node.second);
      nodes.push_back(node);
      names.push_back("t" + std::to_string(i));
    }
    for (const std::string& name : names) {
      if (name != "X" && (read.count(name) == 0 || random->Chance(20))) outputs.insert(name);
    }
  }
  std::string Steps() const {
    std::string text;
    for (size_t i = 0; i < nodes.size(); ++i) {
      const std::string second = nodes[i].second.empty() ? "" : ",second=" + nodes[i].second;
      text += Step("s" + std::to_string(i), "first=" + nodes[i].first + second,
                   "out=t" + std::to_string(i));
    }
    return text;
  }
  int32_t Evaluate(const std::string& tensor, int32_t x) const {
    if (tensor == "X") return x;
    const size_t i = std::stoul(tensor.substr(1));
    const int32_t second = nodes[i].second.empty() ? 0 : Evaluate(nodes[i].second, x);
    return Compute(i, Evaluate(nodes[i].first, x), second);
  }
  static int32_t Compute(size_t i, int32_t first, int32_t second) {
    return static_cast<int32_t>(3u * static_cast<uint32_t>(first) + static_cast<uint32_t>(second) +
                                static_cast<uint32_t>(i));
  }
};

void AddModels(const Graph& graph, Ensemble* ensemble) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    std::vector<TensorSpec> inputs = {Spec("first")};
    if (!graph.nodes[i].second.empty()) inputs.push_back(Spec("second"));
    ensemble->Add("s" + std::to_string(i), inputs, {Spec("out")});
  }
}

void AnswerStep(size_t i, RequestPtr request) {
  const Numbers first = In(*request, "first"), second = In(*request, "second");
  Reply(*request)
      .Output("out", {Graph::Compute(i, first[0], second.empty() ? 0 : second[0])})
      .Send();
}

class RandomGraphs : public testing::Test {
 protected:
  // The test's own thread answers what waits, in random order.
  void Settle(const Graph& graph, Ensemble* ensemble, Random* random, int failures_percent,
              const std::function<void()>& meanwhile) {
    for (;;) {
      std::vector<std::pair<size_t, FakeStep*>> busy;
      for (size_t i = 0; i < graph.nodes.size(); ++i) {
        FakeStep* const model = ensemble->models.at("s" + std::to_string(i)).get();
        if (model->waiting() > 0) busy.emplace_back(i, model);
      }
      if (busy.empty()) return;
      const auto& [i, model] = busy[random->Roll(0, static_cast<int>(busy.size()) - 1)];
      RequestPtr request = model->Next(random->Roll(0, static_cast<int>(model->waiting()) - 1));
      if (random->Chance(failures_percent)) {
        RespondError(std::move(request), Internal("by chance"));
      } else {
        AnswerStep(i, std::move(request));
      }
      meanwhile();
    }
  }

  const unsigned first_seed_ = std::random_device{}();
};

TEST_F(RandomGraphs, GiveTheReferencesValuesWhateverTheOrder) {
  for (unsigned seed = first_seed_; seed < first_seed_ + 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Graph graph(&random, random.Roll(1, 15));
    const std::string limit =
        random.Chance(50) ? " max_inflight_requests: " + std::to_string(random.Roll(1, 3)) : "";
    const std::vector<std::string> outputs(graph.outputs.begin(), graph.outputs.end());
    Ensemble ensemble({"X"}, outputs, graph.Steps() + limit);
    AddModels(graph, &ensemble);
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      if (!random.Chance(30)) continue;
      ensemble.models.at("s" + std::to_string(i))->on_submit = [i](RequestPtr request) {
        AnswerStep(i, std::move(request));
      };
    }
    const int failures = random.Chance(30) ? 10 : 0;
    const int cancels = random.Chance(30) ? 5 : 0;
    std::vector<std::unique_ptr<Client>> clients;
    std::vector<std::vector<std::string>> asked;
    for (int32_t x = 0; x < random.Roll(1, 6); ++x) {
      clients.push_back(std::make_unique<Client>(&ensemble));
      clients.back()->Input("X", {x});
      asked.emplace_back();
      for (const std::string& output : outputs) {
        if (random.Chance(60)) asked.back().push_back(output);
      }
      for (const std::string& output : asked.back()) clients.back()->Output(output);
      if (asked.back().empty()) asked.back() = outputs;
      clients.back()->Send();
    }
    std::set<size_t> cancelled;
    Settle(graph, &ensemble, &random, failures, [&] {
      for (size_t i = 0; i < clients.size(); ++i) {
        if (!random.Chance(cancels)) continue;
        cancelled.insert(i);
        (void)clients[i]->request.Cancel();
        ensemble.scheduler->Cancel(&clients[i]->request);
      }
    });
    for (size_t i = 0; i < clients.size(); ++i) {
      const Received& last = clients[i]->last();
      if (!last.status.ok()) {
        EXPECT_TRUE(failures > 0 || cancelled.count(i) > 0) << last.status.message();
        continue;
      }
      ASSERT_EQ(last.outputs.size(), asked[i].size());
      for (const std::string& output : asked[i]) {
        EXPECT_EQ(last.outputs.at(output)[0], graph.Evaluate(output, static_cast<int32_t>(i)));
      }
    }
  }
}

// Several threads answer, send and cancel at the same time.
TEST_F(RandomGraphs, OnManyThreads) {
  constexpr int kThreads = 3;
  constexpr int kRequests = 40;
  for (unsigned seed = first_seed_; seed < first_seed_ + 10; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random(seed);
    const Graph graph(&random, 8);
    const std::vector<std::string> outputs(graph.outputs.begin(), graph.outputs.end());
    Ensemble ensemble({"X"}, outputs,
                      graph.Steps() + (seed % 2 ? " max_inflight_requests: 2" : ""));
    AddModels(graph, &ensemble);
    std::atomic<bool> over{false};
    std::vector<std::thread> workers;
    for (int t = 0; t < kThreads; ++t) {
      workers.emplace_back([&, t] {
        Random mine(seed + static_cast<unsigned>(t));
        for (bool last = false; !last;) {
          last = over;
          for (size_t i = 0; i < graph.nodes.size(); ++i) {
            RequestPtr request = ensemble.models.at("s" + std::to_string(i))->Next();
            if (request == nullptr) continue;
            last = false;
            if (mine.Chance(2)) {
              RespondError(std::move(request), Internal("by chance"));
            } else {
              AnswerStep(i, std::move(request));
            }
          }
          std::this_thread::yield();
        }
      });
    }
    std::vector<std::unique_ptr<Client>> clients;
    for (int32_t x = 0; x < kRequests; ++x) {
      clients.push_back(std::make_unique<Client>(&ensemble));
      clients.back()->Input("X", {x}).Send();
      if (!random.Chance(20)) continue;
      Client& unlucky = *clients[random.Roll(0, x)];
      (void)unlucky.request.Cancel();
      ensemble.scheduler->Cancel(&unlucky.request);
    }
    for (const auto& client : clients) {
      while (client->releases == 0) std::this_thread::yield();
    }
    over = true;
    for (std::thread& worker : workers) worker.join();
    for (int32_t x = 0; x < kRequests; ++x) {
      const Received& last = clients[x]->last();
      if (!last.status.ok()) continue;
      for (const std::string& output : outputs) {
        EXPECT_EQ(last.outputs.at(output)[0], graph.Evaluate(output, x));
      }
    }
  }
}

}  // namespace
}  // namespace trident::ensemble_test
