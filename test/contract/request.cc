#include <deque>
#include <stdexcept>
#include <utility>

#include "client.h"
#include "environment.h"
#include "trident/extension.h"

namespace trident::contract {
namespace {

struct Destination {
  void* data;
  size_t byte_size;
  Where where;
};

using Destinations = std::map<std::string, Destination>;

TRITONSERVER_Error* Allocate(TRITONSERVER_ResponseAllocator*, const char* name, size_t byte_size,
                             TRITONSERVER_MemoryType, int64_t, void* userp, void** buffer,
                             void** buffer_userp, TRITONSERVER_MemoryType* memory_type,
                             int64_t* memory_type_id) {
  const auto* destinations = static_cast<const Destinations*>(userp);
  const auto given = destinations->find(name);
  *memory_type = TRITONSERVER_MEMORY_CPU;
  *memory_type_id = 0;
  *buffer_userp = nullptr;
  if (given == destinations->end()) {
    *buffer_userp = *buffer = new char[byte_size];
  } else if (given->second.byte_size < byte_size) {
    return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INVALID_ARG, "the destination is too small");
  } else {
    *buffer = given->second.data;
    *memory_type = given->second.where.type;
    *memory_type_id = given->second.where.id;
  }
  return nullptr;
}

TRITONSERVER_Error* Free(TRITONSERVER_ResponseAllocator*, void*, void* buffer_userp, size_t,
                         TRITONSERVER_MemoryType, int64_t) {
  delete[] static_cast<char*>(buffer_userp);
  return nullptr;
}

// Lives as long as the program, as every request may use it.
TRITONSERVER_ResponseAllocator* Allocator() {
  static TRITONSERVER_ResponseAllocator* const allocator = [] {
    TRITONSERVER_ResponseAllocator* created = nullptr;
    Must(TRITONSERVER_ResponseAllocatorNew(&created, Allocate, Free, nullptr));
    return created;
  }();
  return allocator;
}

void ReadOutput(TRITONSERVER_InferenceResponse* response, uint32_t index, Answer* answer) {
  const char* name = nullptr;
  const int64_t* shape = nullptr;
  uint64_t dim_count = 0;
  const void* base = nullptr;
  size_t byte_size = 0;
  TRITONSERVER_MemoryType memory_type;
  int64_t memory_type_id = 0;
  void* userp = nullptr;
  Tensor tensor;
  Must(TRITONSERVER_InferenceResponseOutput(response, index, &name, &tensor.datatype, &shape,
                                            &dim_count, &base, &byte_size, &memory_type,
                                            &memory_type_id, &userp));
  tensor.shape.assign(shape, shape + dim_count);
  if (byte_size > 0 && memory_type != TRITONSERVER_MEMORY_GPU) {
    tensor.bytes.assign(static_cast<const char*>(base), byte_size);
  }
  answer->outputs[name] = std::move(tensor);
}

Answer ReadAnswer(TRITONSERVER_InferenceResponse* response) {
  Answer answer;
  answer.thread = std::this_thread::get_id();
  answer.outcome = Outcome::Of(TRITONSERVER_InferenceResponseError(response));
  const char* model = nullptr;
  Must(TRITONSERVER_InferenceResponseModel(response, &model, &answer.version));
  uint32_t count = 0;
  Must(TRITONSERVER_InferenceResponseParameterCount(response, &count));
  for (uint32_t i = 0; i < count; ++i) {
    const char* name = nullptr;
    TRITONSERVER_ParameterType type;
    const void* value = nullptr;
    Must(TRITONSERVER_InferenceResponseParameter(response, i, &name, &type, &value));
    if (type != TRITONSERVER_PARAMETER_INT) continue;
    answer.parameters[name] = *static_cast<const int64_t*>(value);
  }
  Must(TRITONSERVER_InferenceResponseOutputCount(response, &count));
  for (uint32_t i = 0; answer.ok() && i < count; ++i) ReadOutput(response, i, &answer);
  return answer;
}

}  // namespace

struct Request::State {
  ~State() {
    if (sent) WaitForBoth();
    EXPECT_TRUE(Succeeded(Outcome::Of(TRITONSERVER_InferenceRequestDelete(request))));
  }

  void Prepare() {
    if (sent) throw std::logic_error("the request is in flight");
    answered.emplace();
    released.emplace();
    answers.clear();
  }

  void WaitForBoth() {
    answered->Wait();
    released->Wait();
    sent = false;
  }

  static void OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t flags, void* userp) {
    auto* state = static_cast<State*>(userp);
    const bool final = (flags & TRITONSERVER_RESPONSE_COMPLETE_FINAL) != 0;
    EXPECT_FALSE(state->answered->happened()) << "answered after the final flag";
    EXPECT_TRUE(final || state->stream);
    EXPECT_TRUE(response != nullptr || (final && state->stream));
    if (response != nullptr) {
      state->answers.push_back(ReadAnswer(response));
      EXPECT_TRUE(Succeeded(Outcome::Of(TRITONSERVER_InferenceResponseDelete(response))));
    }
    if (state->action) state->action();
    if (final) state->answered->Set();
  }

  static void OnRelease(TRITONSERVER_InferenceRequest* request, uint32_t flags, void* userp) {
    auto* state = static_cast<State*>(userp);
    EXPECT_EQ(request, state->request);
    EXPECT_EQ(flags, uint32_t{TRITONSERVER_REQUEST_RELEASE_ALL});
    EXPECT_FALSE(state->released->happened()) << "released twice";
    state->released->Set();
  }

  TRITONSERVER_Server* server = nullptr;
  TRITONSERVER_InferenceRequest* request = nullptr;
  std::deque<std::string> data;
  std::string last_input;
  Destinations destinations;
  std::function<void()> action;
  bool stream = false;
  bool sent = false;
  std::optional<Event> answered;
  std::optional<Event> released;
  std::vector<Answer> answers;
};

Request::Request(const Server& server, const std::string& model, int64_t version) {
  TRITONSERVER_InferenceRequest* request = nullptr;
  Must(TRITONSERVER_InferenceRequestNew(&request, server.handle(), model.c_str(), version));
  state_ = std::make_unique<State>();
  state_->server = server.handle();
  state_->request = request;
  Must(TRITONSERVER_InferenceRequestSetReleaseCallback(request, State::OnRelease, state_.get()));
  Must(TRITONSERVER_InferenceRequestSetResponseCallback(request, Allocator(), &state_->destinations,
                                                        State::OnResponse, state_.get()));
}

Request::~Request() = default;
Request::Request(Request&&) noexcept = default;
Request& Request::operator=(Request&&) noexcept = default;

Request& Request::Input(const std::string& name, TRITONSERVER_DataType datatype, const Shape& shape,
                        const std::string& bytes) {
  return InputInPieces(name, datatype, shape, {bytes});
}

Request& Request::InputInPieces(const std::string& name, TRITONSERVER_DataType datatype,
                                const Shape& shape, const std::vector<std::string>& pieces) {
  Must(TRITONSERVER_InferenceRequestAddInput(state_->request, name.c_str(), datatype, shape.data(),
                                             shape.size()));
  state_->last_input = name;
  for (const std::string& piece : pieces) {
    const std::string& kept = state_->data.emplace_back(piece);
    Must(TRITONSERVER_InferenceRequestAppendInputData(state_->request, name.c_str(), kept.data(),
                                                      kept.size(), TRITONSERVER_MEMORY_CPU, 0));
  }
  return *this;
}

Request& Request::InputAt(const std::string& name, TRITONSERVER_DataType datatype,
                          const Shape& shape, const void* data, size_t byte_size, Where where) {
  return InputInPieces(name, datatype, shape, {}).MoreAt(data, byte_size, where);
}

Request& Request::MoreAt(const void* data, size_t byte_size, Where where) {
  Must(TRITONSERVER_InferenceRequestAppendInputData(state_->request, state_->last_input.c_str(),
                                                    data, byte_size, where.type, where.id));
  return *this;
}

Request& Request::Output(const std::string& name) {
  Must(TRITONSERVER_InferenceRequestAddRequestedOutput(state_->request, name.c_str()));
  return *this;
}

Request& Request::OutputAt(const std::string& name, void* data, size_t byte_size, Where where) {
  state_->destinations[name] = {data, byte_size, where};
  return Output(name);
}

Request& Request::Priority(uint64_t level) {
  Must(TRITONSERVER_InferenceRequestSetPriorityUInt64(state_->request, level));
  return *this;
}

Request& Request::Timeout(uint64_t microseconds) {
  Must(TRITONSERVER_InferenceRequestSetTimeoutMicroseconds(state_->request, microseconds));
  return *this;
}

Request& Request::Context(uint64_t context) {
  Must(TRITONSERVER_TridentInferenceRequestSetContext(state_->request, context));
  return *this;
}

Request& Request::Set(const std::string& parameter, int64_t value) {
  Must(TRITONSERVER_InferenceRequestSetIntParameter(state_->request, parameter.c_str(), value));
  return *this;
}

Request& Request::Set(const std::string& parameter, const std::string& value) {
  Must(TRITONSERVER_InferenceRequestSetStringParameter(state_->request, parameter.c_str(),
                                                       value.c_str()));
  return *this;
}

Request& Request::Sequence(uint64_t id, uint32_t flags) {
  Must(TRITONSERVER_InferenceRequestSetCorrelationId(state_->request, id));
  Must(TRITONSERVER_InferenceRequestSetFlags(state_->request, flags));
  return *this;
}

Request& Request::Sequence(const std::string& id, uint32_t flags) {
  Must(TRITONSERVER_InferenceRequestSetCorrelationIdString(state_->request, id.c_str()));
  Must(TRITONSERVER_InferenceRequestSetFlags(state_->request, flags));
  return *this;
}

Request& Request::Trace(TRITONSERVER_InferenceTrace* trace) {
  Must(TRITONSERVER_TridentInferenceRequestSetTrace(state_->request, trace));
  return *this;
}

Request& Request::Stream() {
  state_->stream = true;
  return *this;
}

Request& Request::OnAnswer(std::function<void()> action) {
  state_->action = std::move(action);
  return *this;
}

Outcome Request::Send() {
  state_->Prepare();
  Outcome outcome =
      Outcome::Of(TRITONSERVER_ServerInferAsync(state_->server, state_->request, nullptr));
  state_->sent = outcome.ok();
  return outcome;
}

Outcome Request::SendInline(bool* ran_inline) {
  state_->Prepare();
  Outcome outcome = Outcome::Of(TRITONSERVER_TridentServerInferInline(
      state_->server, state_->request, UINT64_MAX, ran_inline));
  state_->sent = outcome.ok();
  return outcome;
}

std::vector<Outcome> Request::SendTogether(const Server& server, std::vector<Request>& requests) {
  std::vector<TRITONSERVER_InferenceRequest*> handles;
  for (Request& request : requests) {
    request.state_->Prepare();
    handles.push_back(request.state_->request);
  }
  std::vector<TRITONSERVER_Error*> errors(requests.size());
  const uint64_t budget_ns = environment.lane == Lane::kInline ? UINT64_MAX : 0;
  TRITONSERVER_TridentServerInferAsyncMany(server.handle(), handles.data(),
                                           static_cast<uint32_t>(handles.size()), budget_ns,
                                           errors.data());
  std::vector<Outcome> outcomes;
  for (size_t i = 0; i < requests.size(); ++i) {
    outcomes.push_back(Outcome::Of(errors[i]));
    requests[i].state_->sent = outcomes.back().ok();
  }
  return outcomes;
}

Outcome Request::Cancel() {
  return Outcome::Of(TRITONSERVER_InferenceRequestCancel(state_->request));
}

bool Request::answered() const { return state_->answered && state_->answered->happened(); }
bool Request::released() const { return state_->released && state_->released->happened(); }
const std::vector<Answer>& Request::answers() const { return state_->answers; }

const Answer& Request::Wait() {
  static const Answer kNone;
  if (!state_->sent) throw std::logic_error("the request was not sent");
  state_->WaitForBoth();
  return state_->answers.empty() ? kNone : state_->answers.back();
}

Answer Request::Infer() {
  bool ignored = false;
  Outcome refusal = environment.lane == Lane::kInline ? SendInline(&ignored) : Send();
  if (refusal.ok()) return Wait();
  Answer answer;
  answer.outcome = std::move(refusal);
  return answer;
}

Occupied::Occupied(Request request) : request_(std::move(request)) {
  request_.OnAnswer([this] {
    entered_.Set();
    released_.Wait();
  });
  Must([](const Outcome& outcome) -> TRITONSERVER_Error* {
    if (outcome.ok()) return nullptr;
    return TRITONSERVER_ErrorNew(*outcome.code, outcome.message.c_str());
  }(request_.Send()));
  entered_.Wait();
}

void Occupied::Release() { released_.Set(); }

}  // namespace trident::contract
