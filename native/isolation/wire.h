#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <variant>
#include <vector>

#include "base/datatype.h"
#include "base/status.h"
#include "isolation/channel.h"

// What parent and child say to each other. `Fields` of a message are what is encoded of it, in this
// order; codec.h reads and writes them.
namespace trident::isolation {

struct Failure {
  StatusCode code = StatusCode::kInternal;
  std::string message;
  static auto Fields(auto& m) { return std::tie(m.code, m.message); }
};

struct Tensor {
  std::string name;
  DataType datatype = DataType::kInvalid;
  std::vector<int64_t> shape;
  Block data;
  static auto Fields(auto& m) { return std::tie(m.name, m.datatype, m.shape, m.data); }
};

struct Parameter {
  std::string name;
  std::variant<std::string, int64_t, bool, double> value;
  static auto Fields(auto& m) { return std::tie(m.name, m.value); }
};

struct Setting {
  std::string name;
  std::string value;
  static auto Fields(auto& m) { return std::tie(m.name, m.value); }
};

struct Request {
  std::string id;
  std::variant<uint64_t, std::string> correlation_id;
  uint32_t flags = 0;
  uint64_t priority = 0;
  uint64_t timeout_microseconds = 0;
  bool fills_place = false;  // nobody wants its outputs
  std::vector<Tensor> inputs;
  std::vector<std::string> requested_outputs;
  std::vector<Parameter> parameters;
  static auto Fields(auto& m) {
    return std::tie(m.id, m.correlation_id, m.flags, m.priority, m.timeout_microseconds,
                    m.fills_place, m.inputs, m.requested_outputs, m.parameters);
  }
};

// Parent to child ---------------------------------------------------------------------------------

struct Load {
  std::string model;
  uint64_t version = 0;
  std::string directory;      // of the model; empty: it has no files
  std::string configuration;  // with one instance group, of one instance, which has its name
  bool auto_complete = false;
  std::string backend;
  std::string backend_directory;
  std::vector<Setting> settings;  // of the backend
  std::string host_policy;
  std::vector<Setting> host_settings;
  bool verbose = false;
  static auto Fields(auto& m) {
    return std::tie(m.model, m.version, m.directory, m.configuration, m.auto_complete, m.backend,
                    m.backend_directory, m.settings, m.host_policy, m.host_settings, m.verbose);
  }
};

// The inputs' blocks are the child's until it has released the request that they belong to.
struct Execute {
  uint64_t execution = 0;
  std::vector<Request> requests;
  static auto Fields(auto& m) { return std::tie(m.execution, m.requests); }
};

struct Cancel {
  uint64_t execution = 0;
  uint32_t request = 0;
  static auto Fields(auto& m) { return std::tie(m.execution, m.request); }
};

// The model is to be unloaded; answered by Finalized, behind which nothing comes.
struct Finalize {
  static auto Fields(auto&) { return std::tuple<>(); }
};

using ToChild = std::variant<Load, Execute, Cancel, Finalize>;

// Child to parent ---------------------------------------------------------------------------------

struct Loaded {
  std::string configuration;  // completed
  static auto Fields(auto& m) { return std::tie(m.configuration); }
};

struct LoadFailed {
  Failure failure;
  static auto Fields(auto& m) { return std::tie(m.failure); }
};

struct Response {
  uint64_t execution = 0;
  uint32_t request = 0;
  bool last = false;   // no other follows
  bool empty = false;  // there is none: only its flag is told
  std::optional<Failure> failure;
  std::vector<Tensor> outputs;
  std::vector<Parameter> parameters;
  static auto Fields(auto& m) {
    return std::tie(m.execution, m.request, m.last, m.empty, m.failure, m.outputs, m.parameters);
  }
};

struct Released {
  uint64_t execution = 0;
  uint32_t request = 0;
  uint32_t flags = 0;
  std::vector<Tensor> states;  // that the backend has written
  static auto Fields(auto& m) { return std::tie(m.execution, m.request, m.flags, m.states); }
};

// What the backend tells the statistics, as TRITONSERVER_TridentReport has it.
struct Report {
  uint32_t kind = 0;
  uint64_t execution = 0;  // of reports of requests and responses, as the next
  uint32_t request = 0;
  bool success = false;
  bool cancelled = false;
  uint64_t count = 0;
  uint64_t byte_size = 0;
  std::vector<uint64_t> times_ns;
  static auto Fields(auto& m) {
    return std::tie(m.kind, m.execution, m.request, m.success, m.cancelled, m.count, m.byte_size,
                    m.times_ns);
  }
};

// The backend has returned from the execution; requests and responses may come later still. With a
// failure none of its requests has been executed.
struct Executed {
  uint64_t execution = 0;
  std::optional<Failure> failure;
  static auto Fields(auto& m) { return std::tie(m.execution, m.failure); }
};

struct Finalized {
  static auto Fields(auto&) { return std::tuple<>(); }
};

struct LogRecord {
  int32_t level = 0;
  std::string file;
  int32_t line = 0;
  std::string message;
  static auto Fields(auto& m) { return std::tie(m.level, m.file, m.line, m.message); }
};

using ToParent =
    std::variant<Loaded, LoadFailed, Response, Released, Report, Executed, Finalized, LogRecord>;

// Errors of Decode are INTERNAL and say what is wrong with the message.
std::string Encode(const ToChild& message);
std::string Encode(const ToParent& message);
// What the request adds to the size of an Execute.
uint64_t EncodedBytes(const Request& request);
Result<ToChild> DecodeToChild(std::string_view bytes);
Result<ToParent> DecodeToParent(std::string_view bytes);

}  // namespace trident::isolation
