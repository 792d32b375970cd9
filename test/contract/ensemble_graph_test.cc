// Random ensembles of identity models over the real core, against what their maps say.

#include <map>
#include <random>

#include "ensemble.h"

namespace trident::contract {
namespace {

// Identity models of up to three tensors in a random graph: every output is one of the inputs, and
// which one follows from the maps alone.
class RandomGraph {
 public:
  explicit RandomGraph(unsigned seed) : random_(seed) {
    const int inputs = Roll(1, 3);
    for (int i = 0; i < inputs; ++i) AddTensor("in" + std::to_string(i), i);
    const int steps = Roll(1, 12);
    for (int i = 0; i < steps; ++i) AddStep(i);
    ChooseOutputs();
  }

  std::string Config() {
    std::vector<std::string> inputs, outputs;
    for (const std::string& name : names_) {
      if (name.rfind("in", 0) == 0) inputs.push_back(name);
      if (is_output_[name]) outputs.push_back(name);
    }
    return EnsembleConfig(inputs, outputs, steps_);
  }
  const std::map<std::string, int>& origins() const { return origins_; }
  std::vector<std::string> Outputs() {
    std::vector<std::string> out;
    for (const auto& [name, yes] : is_output_) {
      if (yes) out.push_back(name);
    }
    return out;
  }
  int inputs() const {
    int count = 0;
    for (const std::string& name : names_) count += name.rfind("in", 0) == 0 ? 1 : 0;
    return count;
  }
  int Roll(int from, int to) { return std::uniform_int_distribution<int>(from, to)(random_); }

 private:
  void AddTensor(const std::string& name, int origin) {
    names_.push_back(name);
    origins_[name] = origin;
  }
  void AddStep(int number) {
    const int width = Roll(1, 3);
    Maps inputs, outputs;
    std::vector<std::pair<std::string, int>> made;
    for (int i = 0; i < width; ++i) {
      // The first steps read every input of the ensemble, all of which must be used.
      const std::string from = number == 0 && i < this->inputs()
                                   ? "in" + std::to_string(i)
                                   : names_[Roll(0, static_cast<int>(names_.size()) - 1)];
      read_[from] = true;
      inputs.emplace_back("INPUT" + std::to_string(i), from);
      const std::string to = "t" + std::to_string(number) + "_" + std::to_string(i);
      outputs.emplace_back("OUTPUT" + std::to_string(i), to);
      made.emplace_back(to, origins_.at(from));
    }
    for (const auto& [name, origin] : made) AddTensor(name, origin);
    steps_ += Step("id" + std::to_string(width), inputs, outputs);
  }
  // What nobody reads is an output, and some of the rest.
  void ChooseOutputs() {
    for (const std::string& name : names_) {
      const bool input = name.rfind("in", 0) == 0;
      if (input && !read_[name]) {
        const std::string to = "u_" + name;
        steps_ += Step("id1", {{"INPUT0", name}}, {{"OUTPUT0", to}});
        origins_[to] = origins_.at(name);
        is_output_[to] = true;
        extra_.push_back(to);
      }
      if (!input) is_output_[name] = !read_[name] || Roll(0, 3) == 0;
    }
    names_.insert(names_.end(), extra_.begin(), extra_.end());
  }

  std::mt19937 random_;
  std::vector<std::string> names_, extra_;
  std::map<std::string, int> origins_;  // tensor -> which of the inputs it equals
  std::map<std::string, bool> read_, is_output_;
  std::string steps_;
};

TEST(EnsembleGraphs, RandomOnesGiveWhatTheirMapsSay) {
  Server server;
  for (int width = 1; width <= 3; ++width) {
    std::string config = "backend: \"identity\" max_batch_size: 8 dynamic_batching { } ";
    for (int i = 0; i < width; ++i) {
      const std::string number = std::to_string(i);
      config += "input { name: \"INPUT" + number + "\" data_type: TYPE_FP32 dims: -1 } ";
      config += "output { name: \"OUTPUT" + number + "\" data_type: TYPE_FP32 dims: -1 } ";
    }
    server.repository().Add("id" + std::to_string(width), config);
  }
  const unsigned first = std::random_device{}();
  for (unsigned seed = first; seed < first + 20; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomGraph graph(seed);
    const std::string name = "graph" + std::to_string(seed);
    server.repository().Add(name, graph.Config());
    ASSERT_TRUE(Succeeded(server.Load(name)));
    for (int round = 0; round < 5; ++round) {
      Request request(server, name);
      std::vector<std::string> bytes;
      const int64_t batch = graph.Roll(1, 3);
      for (int i = 0; i < graph.inputs(); ++i) {
        std::vector<float> numbers(static_cast<size_t>(batch) * 2);
        for (float& number : numbers) number = static_cast<float>(graph.Roll(-1000, 1000));
        bytes.push_back(BytesOf(numbers));
        request.Input("in" + std::to_string(i), TRITONSERVER_TYPE_FP32, {batch, 2}, bytes.back());
      }
      std::vector<std::string> asked;
      for (const std::string& output : graph.Outputs()) {
        if (round == 0 || graph.Roll(0, 1) == 0) asked.push_back(output);
      }
      for (const std::string& output : asked) request.Output(output);
      if (asked.empty()) asked = graph.Outputs();
      const Answer answer = request.Infer();
      ASSERT_TRUE(Succeeded(answer.outcome));
      ASSERT_EQ(answer.outputs.size(), asked.size());
      for (const std::string& output : asked) {
        EXPECT_EQ(answer.output(output).bytes, bytes[graph.origins().at(output)]) << output;
      }
    }
    ASSERT_TRUE(Succeeded(server.Unload(name)));
  }
}

}  // namespace
}  // namespace trident::contract
