// Labels of classes: label_filename of an output, answered with its responses.

#include <semaphore>

#include "witness.h"

namespace trident::contract {
namespace {

std::string Config(const std::string& file) {
  return "backend: \"identity\" input { name: \"input\" data_type: TYPE_FP32 dims: 2 } "
         "output { name: \"output\" data_type: TYPE_FP32 dims: 2 label_filename: \"" +
         file + "\" }";
}

// A response with its label for a class; "(null)" when it has none.
struct Labelled {
  std::binary_semaphore ended{0};
  size_t index = 0;
  size_t class_index = 0;
  Outcome outcome;
  std::string label;
};

TRITONSERVER_Error* Alloc(TRITONSERVER_ResponseAllocator*, const char*, size_t byte_size,
                          TRITONSERVER_MemoryType, int64_t, void*, void** buffer,
                          void** buffer_userp, TRITONSERVER_MemoryType* type, int64_t* id) {
  *buffer = malloc(byte_size);
  *buffer_userp = nullptr;
  *type = TRITONSERVER_MEMORY_CPU;
  *id = 0;
  return nullptr;
}

TRITONSERVER_Error* Free(TRITONSERVER_ResponseAllocator*, void* buffer, void*, size_t,
                         TRITONSERVER_MemoryType, int64_t) {
  free(buffer);
  return nullptr;
}

void OnResponse(TRITONSERVER_InferenceResponse* response, uint32_t, void* userp) {
  auto* labelled = static_cast<Labelled*>(userp);
  const char* label = nullptr;
  labelled->outcome = Outcome::Of(TRITONSERVER_InferenceResponseError(response));
  if (labelled->outcome.ok()) {
    labelled->outcome = Outcome::Of(TRITONSERVER_InferenceResponseOutputClassificationLabel(
        response, static_cast<uint32_t>(labelled->index), labelled->class_index, &label));
  }
  labelled->label = label == nullptr ? "(null)" : label;
  Must(TRITONSERVER_InferenceResponseDelete(response));
}

void OnRelease(TRITONSERVER_InferenceRequest*, uint32_t, void* userp) {
  static_cast<Labelled*>(userp)->ended.release();
}

std::string LabelOf(const Server& server, size_t class_index, size_t index = 0,
                    Outcome* outcome = nullptr) {
  Labelled labelled;
  labelled.index = index;
  labelled.class_index = class_index;
  TRITONSERVER_ResponseAllocator* allocator = nullptr;
  Must(TRITONSERVER_ResponseAllocatorNew(&allocator, Alloc, Free, nullptr));
  TRITONSERVER_InferenceRequest* request = nullptr;
  Must(TRITONSERVER_InferenceRequestNew(&request, server.handle(), "model", -1));
  const int64_t shape[] = {2};
  const float data[] = {0, 1};
  Must(TRITONSERVER_InferenceRequestAddInput(request, "input", TRITONSERVER_TYPE_FP32, shape, 1));
  Must(TRITONSERVER_InferenceRequestAppendInputData(request, "input", data, sizeof(data),
                                                    TRITONSERVER_MEMORY_CPU, 0));
  Must(TRITONSERVER_InferenceRequestSetReleaseCallback(request, OnRelease, &labelled));
  Must(TRITONSERVER_InferenceRequestSetResponseCallback(request, allocator, nullptr, OnResponse,
                                                        &labelled));
  Must(TRITONSERVER_ServerInferAsync(server.handle(), request, nullptr));
  labelled.ended.acquire();
  Must(TRITONSERVER_InferenceRequestDelete(request));
  Must(TRITONSERVER_ResponseAllocatorDelete(allocator));
  if (outcome != nullptr) *outcome = labelled.outcome;
  return labelled.label;
}

TEST(Labels, AreTheLinesOfTheFile) {
  Server server;
  server.repository().Add("model", Config("labels.txt"));
  server.repository().Write("model/labels.txt", "cat\nbig dog\r\n\nbird");
  ASSERT_TRUE(Succeeded(server.Load("model")));
  EXPECT_EQ(LabelOf(server, 0), "cat");
  EXPECT_EQ(LabelOf(server, 1), "big dog");
  EXPECT_EQ(LabelOf(server, 2), "(null)") << "an empty line is no label";
  EXPECT_EQ(LabelOf(server, 3), "bird");
  EXPECT_EQ(LabelOf(server, 4), "(null)");
  EXPECT_EQ(LabelOf(server, SIZE_MAX), "(null)");
}

TEST(Labels, OfOutputsThatAreNotThereAreAnError) {
  Server server;
  server.repository().Add("model", Config("labels.txt"));
  server.repository().Write("model/labels.txt", "cat");
  ASSERT_TRUE(Succeeded(server.Load("model")));
  Outcome outcome;
  LabelOf(server, 0, 1, &outcome);
  EXPECT_TRUE(FailedWith(outcome, TRITONSERVER_ERROR_INVALID_ARG,
                         {"out of bounds index 1: response has 1 outputs"}));
}

TEST(Labels, ModelsWithoutThemHaveNone) {
  Server server;
  server.repository().Add("model", Config(""));
  ASSERT_TRUE(Succeeded(server.Load("model")));
  EXPECT_EQ(LabelOf(server, 0), "(null)");
}

TEST(Labels, FilesOutsideOfTheModelAreRefused) {
  Server server;
  server.repository().Write("secret", "x");
  for (const std::string file : {"../secret", "/etc/passwd", "1/../../secret"}) {
    server.repository().Add("model", Config(file));
    EXPECT_TRUE(FailedWith(server.Load("model"), TRITONSERVER_ERROR_UNSUPPORTED,
                           {"'output'", file, "outside"}));
  }
}

TEST(Labels, AMissingFileFailsTheLoadAndIsNamed) {
  Server server;
  server.repository().Add("model", Config("labels.txt"));
  const Outcome outcome = server.Load("model");
  EXPECT_TRUE(FailedWith(outcome, TRITONSERVER_ERROR_NOT_FOUND, {"'output'", "labels.txt"}));
}

}  // namespace
}  // namespace trident::contract
