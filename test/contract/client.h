#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "repository.h"
#include "triton/core/tritonserver.h"

// A small C++ client of the C ABI. What a test expects to work throws when it does not, which
// GoogleTest reports; what a test examines comes back as an Outcome.
namespace trident::contract {

using Shape = std::vector<int64_t>;

// How a call or a request ended.
struct Outcome {
  std::optional<TRITONSERVER_Error_Code> code;  // none: success
  std::string message;

  bool ok() const { return !code.has_value(); }
  static Outcome Of(TRITONSERVER_Error* error);  // takes the error
};
std::ostream& operator<<(std::ostream& out, const Outcome& outcome);

testing::AssertionResult Succeeded(const Outcome& outcome);
// Failed with this code and a message that holds all of `texts`.
testing::AssertionResult FailedWith(const Outcome& outcome, TRITONSERVER_Error_Code code,
                                    std::initializer_list<std::string> texts = {});

// Throws unless `error` is null.
void Must(TRITONSERVER_Error* error);

// Something that happens once. Thread-safe.
class Event {
 public:
  void Set();
  void Wait();
  bool happened() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool happened_ = false;
};

// A JSON document of the server. Places in it have names like "/0/state" (JSON pointers); asking
// for one that is not there throws. Immutable after construction.
class Document {
 public:
  explicit Document(std::string text) : text_(std::move(text)) {}
  explicit Document(TRITONSERVER_Message* message);  // takes the message

  bool Has(const std::string& place) const;
  int64_t Number(const std::string& place) const;
  std::string Text(const std::string& place) const;
  size_t Size(const std::string& place) const;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

struct ServerSettings {
  bool strict_config = false;
  unsigned exit_timeout_s = 120;
  std::map<std::string, std::string> onnxruntime;         // settings of that backend
  std::function<void(TRITONSERVER_ServerOptions*)> more;  // whatever else a test wants
};

// A server in explicit mode with a repository of its own. Loading may happen on any thread, the
// rest is for the test's.
class Server {
 public:
  using Files = std::map<std::string, std::string>;  // path inside the model -> bytes

  explicit Server(ServerSettings settings = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  Repository& repository() { return repository_; }
  TRITONSERVER_Server* handle() const { return server_; }

  Outcome Load(const std::string& model);
  Outcome LoadWithConfig(const std::string& model, const std::string& json,
                         const Files& files = {});
  Outcome LoadWithParameters(const std::string& model,
                             const std::vector<const TRITONSERVER_Parameter*>& parameters);
  Outcome Unload(const std::string& model);
  Outcome UnloadAndWait(const std::string& model, uint64_t timeout_ms = 120'000);
  // After success the server is gone.
  Outcome Delete();

  bool Ready(const std::string& model, int64_t version = -1) const;
  // Whether a request for this model can be made.
  Outcome Knows(const std::string& model, int64_t version = -1) const;
  Document Config(const std::string& model, int64_t version = -1) const;
  // "READY" and so on; empty when the index has no such row.
  std::string State(const std::string& model, int64_t version = 1) const;
  std::string Reason(const std::string& model, int64_t version = 1) const;

  // From the statistics of one version of a model.
  Document Statistics(const std::string& model, int64_t version = -1) const;
  Outcome StatisticsOutcome(const std::string& model) const;
  int64_t Successes(const std::string& model) const;
  int64_t Failures(const std::string& model) const;
  int64_t Copies(const std::string& model) const;
  int64_t CopiedBytes(const std::string& model) const;
  // Batch size -> how many executions had it.
  std::map<int64_t, int64_t> Batches(const std::string& model) const;

 private:
  std::string IndexText(const std::string& model, int64_t version, const std::string& key) const;

  Repository repository_;
  TRITONSERVER_Server* server_ = nullptr;
};

// Where memory lies: on the host, unless said otherwise.
struct Where {
  TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_CPU;
  int64_t id = 0;
};

struct Tensor {
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  Shape shape;
  std::string bytes;  // none of memory on a device
};

struct Answer {
  Outcome outcome;
  std::map<std::string, Tensor> outputs;
  std::map<std::string, int64_t> parameters;  // the integers
  int64_t version = 0;
  std::thread::id thread;  // that ran the callback

  bool ok() const { return outcome.ok(); }
  const Tensor& output(const std::string& name) const { return outputs.at(name); }
};

// A request with its data and its answer; may be sent again after Wait. Destruction waits for a
// request in flight. Externally synchronised by its test, Cancel apart.
class Request {
 public:
  Request(const Server& server, const std::string& model, int64_t version = -1);
  ~Request();
  Request(Request&&) noexcept;
  Request& operator=(Request&&) noexcept;

  Request& Input(const std::string& name, TRITONSERVER_DataType datatype, const Shape& shape,
                 const std::string& bytes);
  // The bytes in several buffers.
  Request& InputInPieces(const std::string& name, TRITONSERVER_DataType datatype,
                         const Shape& shape, const std::vector<std::string>& pieces);
  // The bytes where the caller has them.
  Request& InputAt(const std::string& name, TRITONSERVER_DataType datatype, const Shape& shape,
                   const void* data, size_t byte_size, Where where = {});
  // More bytes of the last input.
  Request& MoreAt(const void* data, size_t byte_size, Where where = {});
  Request& Output(const std::string& name);
  // Has the output written to the caller's memory.
  Request& OutputAt(const std::string& name, void* data, size_t byte_size, Where where = {});
  Request& Set(const std::string& parameter, int64_t value);
  Request& Set(const std::string& parameter, const std::string& value);
  // Makes it the request of a sequence: its id, a number or a text, and the flags of its place.
  Request& Sequence(uint64_t id, uint32_t flags = 0);
  Request& Sequence(const std::string& id, uint32_t flags = 0);
  Request& Priority(uint64_t level);
  Request& Timeout(uint64_t microseconds);
  Request& Context(uint64_t context);
  // Of the next submission; null: none.
  Request& Trace(TRITONSERVER_InferenceTrace* trace);
  // Expects any number of responses rather than one.
  Request& Stream();
  // Runs inside of each response callback, before Wait returns.
  Request& OnAnswer(std::function<void()> action);

  Outcome Send();
  Outcome SendInline(bool* ran_inline);
  // All in one call; one outcome each.
  static std::vector<Outcome> SendTogether(const Server& server, std::vector<Request>& requests);
  Outcome Cancel();
  bool answered() const;
  // Until the final flag has come and the request is back.
  const Answer& Wait();
  // Those with more than a flag. Stable inside of OnAnswer and after Wait.
  const std::vector<Answer>& answers() const;
  bool released() const;
  // Send, inline in that lane, and Wait; the outcome is the refusal when it was not accepted.
  Answer Infer();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Keeps an instance busy, with no clock involved: its thread stands in the response callback of
// `request` until Release, or the end.
class Occupied {
 public:
  explicit Occupied(Request request);
  ~Occupied() { Release(); }
  void Release();

 private:
  Event entered_;
  Event released_;
  Request request_;
};

}  // namespace trident::contract
