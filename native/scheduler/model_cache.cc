#include "scheduler/model_cache.h"

#include <algorithm>
#include <new>
#include <string_view>

#include "base/clock.h"
#include "inference/copy_buffer.h"
#include "scheduler/cache_sink.h"

namespace trident {
namespace {

bool CanRead(const InputTensor& input) {
  return !input.varies_by_host_policy() && OnHost(input.buffers());
}

void AddInput(const InputTensor& input, Blake2b* hash) {
  hash->AddText(input.name());
  hash->AddNumber(static_cast<uint64_t>(input.datatype()));
  hash->AddNumber(input.shape().size());
  for (const int64_t dim : input.shape()) hash->AddNumber(static_cast<uint64_t>(dim));
  hash->AddNumber(input.byte_size());
  for (const ConstBuffer& buffer : input.buffers()) {
    hash->Add(buffer.data, buffer.attributes.byte_size);
  }
}

void AddParameter(const Parameter& parameter, Blake2b* hash) {
  hash->AddText(parameter.name);
  hash->AddNumber(static_cast<uint64_t>(parameter.type));
  switch (parameter.type) {
    case ParameterType::kString:
      return hash->AddText(parameter.string_value);
    case ParameterType::kInt:
      return hash->AddNumber(static_cast<uint64_t>(parameter.int_value));
    case ParameterType::kBool:
      return hash->AddNumber(parameter.bool_value ? 1 : 0);
    case ParameterType::kDouble:
      return hash->Add(&parameter.double_value, sizeof(parameter.double_value));
    case ParameterType::kBytes:
      return hash->AddText({static_cast<const char*>(parameter.bytes), parameter.byte_size});
  }
}

// The items of `range` by name, so that the order in which a client gives them does not matter.
template <typename Range, typename Name>
auto ByName(const Range& range, const Name& name) {
  std::vector<const typename Range::value_type*> sorted;
  for (const auto& item : range) sorted.push_back(&item);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const auto* a, const auto* b) { return name(*a) < name(*b); });
  return sorted;
}

// Null when it can't be kept: its bytes are elsewhere, or not its own.
std::shared_ptr<const CachedResponse> Copy(const InferenceResponse& response,
                                           const std::vector<Parameter>& parameters) {
  auto copy = std::make_shared<CachedResponse>();
  for (const auto& output : response.outputs()) {
    CachedResponse::Output& to = copy->outputs.emplace_back();
    to.name = output->name();
    to.datatype = output->datatype();
    to.shape = output->shape();
    if (!output->has_buffer()) return nullptr;  // a hit could not give it in its shape
    const OutputBuffer& buffer = output->buffer();
    if (buffer.attributes.memory_type == MemoryType::kGpu) return nullptr;
    to.bytes.assign(static_cast<const char*>(buffer.data), buffer.attributes.byte_size);
  }
  for (const Parameter& parameter : parameters) {
    if (parameter.type == ParameterType::kBytes) return nullptr;
  }
  copy->parameters = parameters;
  return copy;
}

Status Fill(const CachedResponse& from, InferenceResponse* to) {
  to->parameters() = from.parameters;
  for (const CachedResponse::Output& output : from.outputs) {
    OutputTensor* tensor = to->RestoreOutput(output.name, output.datatype, output.shape);
    TRIDENT_RETURN_IF_ERROR(tensor->Allocate(output.bytes.size(), {}));
    const OutputBuffer& buffer = tensor->buffer();
    TRIDENT_RETURN_IF_ERROR(
        CopyBuffer(buffer.data, buffer.attributes, output.bytes.data(), {}, output.bytes.size()));
  }
  return Status::Ok();
}

}  // namespace

ModelCache::ModelCache(std::shared_ptr<ResponseCache> cache, const std::string& model,
                       ModelStatistics& statistics, std::shared_ptr<Logger> logger)
    : cache_(std::move(cache)),
      model_(model),
      load_(cache_->CountLoad(model)),
      statistics_(statistics),
      logger_(std::move(logger)) {}

std::optional<Digest> ModelCache::KeyOf(const InferenceRequest& request) const {
  Blake2b hash;
  hash.AddText(model_);
  hash.AddNumber(load_);
  hash.AddNumber(request.inputs().size());
  for (const auto* input :
       ByName(request.inputs(), [](const auto& i) -> std::string_view { return i->name(); })) {
    if (!CanRead(**input)) return std::nullopt;
    AddInput(**input, &hash);
  }
  std::vector<std::string_view> outputs;
  for (size_t i = 0; i < request.output_count(); ++i) outputs.push_back(request.output_name(i));
  std::sort(outputs.begin(), outputs.end());
  hash.AddNumber(outputs.size());
  for (const std::string_view output : outputs) hash.AddText(output);
  hash.AddNumber(request.parameters.size());
  for (const auto* parameter :
       ByName(request.parameters, [](const auto& p) -> std::string_view { return p.name; })) {
    AddParameter(*parameter, &hash);
  }
  // Nothing a model without sequences should mind, but its backend can see them.
  hash.AddNumber(request.flags);
  hash.AddNumber(request.correlation_id.is_string ? 1 : 0);
  hash.AddNumber(request.correlation_id.number);
  hash.AddText(request.correlation_id.text);
  return hash.Finish();
}

std::optional<ModelCache::Hit> ModelCache::Find(InferenceRequest* request) {
  Hit hit;
  hit.start_ns = NowNs();
  const std::optional<Digest> key = KeyOf(*request);
  if (!key) return std::nullopt;
  const std::shared_ptr<const CachedResponse> found = cache_->Lookup(*key);
  hit.end_ns = NowNs();
  cache_->CountLookupTime(hit.end_ns - hit.start_ns);
  if (found != nullptr) {
    hit.response = InferenceResponse::New(request->channel());
    if (Fill(*found, hit.response.get()).ok()) return hit;
    return std::nullopt;
  }
  ResponseChannel& channel = *request->channel();
  channel.Decorate(std::make_shared<CacheSink>(channel.sink(), shared_from_this(), *key,
                                               hit.end_ns - hit.start_ns));
  return std::nullopt;
}

void ModelCache::Answer(RequestPtr request, Hit hit) {
  statistics_.RecordCacheHit(request->start_ns(), hit.start_ns, hit.end_ns, NowNs());
  // Nobody else answers this request, so this can't be a second final response.
  (void)InferenceResponse::Send(std::move(hit.response), kResponseFinal);
}

Status ModelCache::CopyAndInsert(const Digest& key, const InferenceResponse& response) {
  uint64_t byte_size = 0;
  for (const auto& output : response.outputs()) {
    if (output->has_buffer()) byte_size += output->buffer().attributes.byte_size;
  }
  if (!cache_->Fits(byte_size)) {
    return Unavailable("a response of ", byte_size, " bytes does not fit the cache");
  }
  const auto copy = Copy(response, response.parameters());
  if (copy == nullptr) return Unsupported("its bytes can't be kept");
  return cache_->Insert(key, copy);
}

void ModelCache::Insert(const Digest& key, const InferenceResponse& response, uint64_t lookup_ns) {
  const uint64_t start_ns = NowNs();
  Status status;
  try {
    status = CopyAndInsert(key, response);
  } catch (const std::bad_alloc&) {  // the client gets the response all the same
    status = Unavailable("out of memory");
  }
  // Somebody asked the same meanwhile and was first.
  if (status.code() == StatusCode::kAlreadyExists) return;
  const uint64_t insertion_ns = NowNs() - start_ns;
  cache_->CountInsertionTime(insertion_ns);
  statistics_.RecordCacheMiss(lookup_ns, insertion_ns);
  // Once: whatever it is, the next response is likely to meet it too.
  if (status.ok() || warned_.exchange(true)) return;
  TRIDENT_LOG(*logger_, LogLevel::kError, "failed to insert a response of model '",
              response.model().name, "' into the response cache: ", status.message());
}

}  // namespace trident
