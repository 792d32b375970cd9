#include "isolation/wire.h"

#include "isolation/codec.h"

namespace trident::isolation {
namespace {

template <typename T>
std::string EncodeAny(const T& message) {
  Writer writer;
  writer.Write(message);
  return writer.Take();
}

template <typename T>
Result<T> Decode(std::string_view bytes) {
  T message;
  Reader reader(bytes);
  reader.Read(message);
  TRIDENT_RETURN_IF_ERROR(reader.End());
  return message;
}

}  // namespace

std::string Encode(const ToChild& message) { return EncodeAny(message); }
std::string Encode(const ToParent& message) { return EncodeAny(message); }
uint64_t EncodedBytes(const Request& request) { return EncodeAny(request).size(); }
Result<ToChild> DecodeToChild(std::string_view bytes) { return Decode<ToChild>(bytes); }
Result<ToParent> DecodeToParent(std::string_view bytes) { return Decode<ToParent>(bytes); }

}  // namespace trident::isolation
