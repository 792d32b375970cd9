#include "scheduler/packed_response.h"

#include <bit>
#include <cstring>

namespace trident {
namespace {

// Says what follows, and in which form: another form, another number.
constexpr uint64_t kForm = 0x31544e4544495254;  // "TRIDENT1"

struct Counter {
  uint64_t byte_size = 0;
  void Add(const void*, size_t added) { byte_size += added; }
};

struct Writer {
  char* to;
  void Add(const void* from, size_t byte_size) {
    if (byte_size > 0) memcpy(to, from, byte_size);
    to += byte_size;
  }
};

template <typename To>
void AddNumber(uint64_t number, To* to) {
  to->Add(&number, sizeof(number));
}

template <typename To>
void AddText(std::string_view text, To* to) {
  AddNumber(text.size(), to);
  to->Add(text.data(), text.size());
}

template <typename To>
void AddValue(const Parameter& parameter, To* to) {
  switch (parameter.type) {
    case ParameterType::kString:
      return AddText(parameter.string_value, to);
    case ParameterType::kInt:
      return AddNumber(static_cast<uint64_t>(parameter.int_value), to);
    case ParameterType::kBool:
      return AddNumber(parameter.bool_value ? 1 : 0, to);
    case ParameterType::kDouble:
      return AddNumber(std::bit_cast<uint64_t>(parameter.double_value), to);
    case ParameterType::kBytes:
      return;  // responses with such are not kept
  }
}

template <typename To>
void AddResponse(const CachedResponse& response, To* to) {
  AddNumber(kForm, to);
  AddNumber(response.outputs.size(), to);
  for (const CachedResponse::Output& output : response.outputs) {
    AddText(output.name, to);
    AddNumber(static_cast<uint64_t>(output.datatype), to);
    AddNumber(output.shape.size(), to);
    for (const int64_t dim : output.shape) AddNumber(static_cast<uint64_t>(dim), to);
    AddText(output.bytes, to);
  }
  AddNumber(response.parameters.size(), to);
  for (const Parameter& parameter : response.parameters) {
    AddText(parameter.name, to);
    AddNumber(static_cast<uint64_t>(parameter.type), to);
    AddValue(parameter, to);
  }
}

// Once anything was not there, all that follows is empty.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  uint64_t Number() {
    uint64_t number = 0;
    const std::string_view bytes = Take(sizeof(number));
    if (ok_) memcpy(&number, bytes.data(), sizeof(number));
    return number;
  }
  std::string Text() { return std::string(Take(Number())); }
  Parameter ReadParameter();
  CachedResponse::Output ReadOutput();

  void Require(bool condition) { ok_ = ok_ && condition; }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && rest_.empty(); }

 private:
  std::string_view Take(uint64_t byte_size) {
    Require(byte_size <= rest_.size());
    if (!ok_) return {};
    const std::string_view taken = rest_.substr(0, byte_size);
    rest_.remove_prefix(byte_size);
    return taken;
  }

  std::string_view rest_;
  bool ok_ = true;
};

CachedResponse::Output Reader::ReadOutput() {
  CachedResponse::Output output;
  output.name = Text();
  const uint64_t datatype = Number();
  Require(datatype > static_cast<uint64_t>(DataType::kInvalid) &&
          datatype <= static_cast<uint64_t>(DataType::kBf16));
  if (ok_) output.datatype = static_cast<DataType>(datatype);
  for (uint64_t rank = Number(); rank > 0 && ok_; --rank) {
    output.shape.push_back(static_cast<int64_t>(Number()));
    Require(output.shape.back() >= 0);
  }
  output.bytes = Text();
  Require(
      DataTypeByteSize(output.datatype) == 0 ||
      HasByteSize(output.datatype, output.shape.data(), output.shape.size(), output.bytes.size()));
  return output;
}

Parameter Reader::ReadParameter() {
  std::string name = Text();
  switch (Number()) {
    case static_cast<uint64_t>(ParameterType::kString):
      return Parameter::String(std::move(name), Text());
    case static_cast<uint64_t>(ParameterType::kInt):
      return Parameter::Int(std::move(name), static_cast<int64_t>(Number()));
    case static_cast<uint64_t>(ParameterType::kBool):
      return Parameter::Bool(std::move(name), Number() != 0);
    case static_cast<uint64_t>(ParameterType::kDouble):
      return Parameter::Double(std::move(name), std::bit_cast<double>(Number()));
    default:
      Require(false);
      return {};
  }
}

}  // namespace

uint64_t PackedSize(const CachedResponse& response) {
  Counter counter;
  AddResponse(response, &counter);
  return counter.byte_size;
}

void Pack(const CachedResponse& response, char* to) {
  Writer writer{to};
  AddResponse(response, &writer);
}

Result<std::shared_ptr<const CachedResponse>> Unpack(std::string_view packed) {
  Reader reader(packed);
  reader.Require(reader.Number() == kForm);
  auto response = std::make_shared<CachedResponse>();
  for (uint64_t left = reader.Number(); left > 0 && reader.ok(); --left) {
    response->outputs.push_back(reader.ReadOutput());
  }
  for (uint64_t left = reader.Number(); left > 0 && reader.ok(); --left) {
    response->parameters.push_back(reader.ReadParameter());
  }
  if (!reader.at_end()) return Internal("these ", packed.size(), " bytes are no cached response");
  return std::shared_ptr<const CachedResponse>(std::move(response));
}

}  // namespace trident
