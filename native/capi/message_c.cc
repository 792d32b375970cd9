// TRITONSERVER_Message: a text on the heap, or one that its owner shares.

#include "capi/handles.h"

using namespace trident;  // NOLINT: C functions live outside every namespace

extern "C" {

TRITONSERVER_Error* TRITONSERVER_MessageNewFromSerializedJson(TRITONSERVER_Message** message,
                                                              const char* base, size_t byte_size) {
  TRIDENT_REQUIRE(message, base);
  return Guard([&] {
    *message = HandleOf<TRITONSERVER_Message>(new std::string(base, byte_size));
    return Status::Ok();
  });
}

TRITONSERVER_Error* TRITONSERVER_MessageDelete(TRITONSERVER_Message* message) {
  delete Core(message);
  return nullptr;
}

TRITONSERVER_Error* TRITONSERVER_MessageSerializeToJson(TRITONSERVER_Message* message,
                                                        const char** base, size_t* byte_size) {
  TRIDENT_REQUIRE(message, base, byte_size);
  *base = Core(message)->data();
  *byte_size = Core(message)->size();
  return nullptr;
}

}  // extern "C"
