// A backend on a GPU: its model's kernel makes of images the tensors that vision models want.
// Images and planes that lie on the instance's device stay there; what lies on the host is copied.
// It calls what Triton has, nothing else: compiled, it runs in Triton too.

#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cuda.h"
#include "triton/core/tritonbackend.h"

enum { kColours = 3, kThreadsPerBlock = 256 };

typedef struct {
  const char* name;
  char* kernel_source;
} Model;

// Memory of the device that is kept from batch to batch, and grows.
typedef struct {
  DevicePointer data;
  uint64_t byte_size;
} Block;

// A request of a batch, on its way to its response.
typedef struct {
  TRITONBACKEND_Request* request;
  TRITONBACKEND_Response* response;
  TRITONSERVER_Error* error;
  uint64_t images;
} Item;

// An instance runs one batch at a time, so what it has needs no lock.
typedef struct {
  const Model* model;
  const Driver* driver;
  int32_t device;
  Context context;
  Module module;
  Kernel kernel;
  Stream stream;
  Block images;  // of one request, from the host or gathered
  Block planes;  // of one request, on their way to the host
  Item* items;
  uint32_t item_capacity;
} Instance;

static TRITONSERVER_Error* ModelError(const Model* model, TRITONSERVER_Error_Code code,
                                      const char* what) {
  char message[512];
  snprintf(message, sizeof(message), "normalise: model '%s' %s", model->name, what);
  return TRITONSERVER_ErrorNew(code, message);
}

static TRITONSERVER_Error* OutOfMemory(void) {
  return TRITONSERVER_ErrorNew(TRITONSERVER_ERROR_INTERNAL, "normalise: out of memory");
}

// For errors that nobody waits for.
static void LogAndDelete(TRITONSERVER_Error* error) {
  if (error == NULL) return;
  TRITONSERVER_ErrorDelete(TRITONSERVER_LogMessage(TRITONSERVER_LOG_ERROR, __FILE__, __LINE__,
                                                   TRITONSERVER_ErrorMessage(error)));
  TRITONSERVER_ErrorDelete(error);
}

static uint64_t Now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// Models ------------------------------------------------------------------------------------------

static TRITONSERVER_Error* ReadKernel(TRITONBACKEND_Model* handle, Model* model) {
  TRITONBACKEND_ArtifactType type;
  const char* directory = NULL;
  uint64_t version = 0;
  TRY(TRITONBACKEND_ModelRepository(handle, &type, &directory));
  TRY(TRITONBACKEND_ModelVersion(handle, &version));
  char path[4096];
  snprintf(path, sizeof(path), "%s/%llu/kernel.cu", directory, (unsigned long long)version);
  FILE* file = fopen(path, "r");
  if (file == NULL) {
    char what[4160];
    snprintf(what, sizeof(what), "has no kernel: cannot open %s", path);
    return ModelError(model, TRITONSERVER_ERROR_NOT_FOUND, what);
  }
  size_t byte_size = 0;
  FILE* text = open_memstream(&model->kernel_source, &byte_size);
  for (int byte = fgetc(file); text != NULL && byte != EOF; byte = fgetc(file)) fputc(byte, text);
  fclose(file);
  return text != NULL && fclose(text) == 0 ? NULL : OutOfMemory();
}

TRITONSERVER_Error* TRITONBACKEND_ModelInitialize(TRITONBACKEND_Model* handle) {
  const char* name = NULL;
  TRY(TRITONBACKEND_ModelName(handle, &name));
  Model* self = calloc(1, sizeof(*self));
  if (self == NULL) return OutOfMemory();
  self->name = name;
  TRITONSERVER_Error* error = ReadKernel(handle, self);
  if (error == NULL) error = TRITONBACKEND_ModelSetState(handle, self);
  if (error == NULL) return NULL;
  free(self->kernel_source);
  free(self);
  return error;
}

TRITONSERVER_Error* TRITONBACKEND_ModelFinalize(TRITONBACKEND_Model* handle) {
  void* state = NULL;
  TRY(TRITONBACKEND_ModelState(handle, &state));
  Model* self = state;
  if (self == NULL) return NULL;  // it could not be initialised
  free(self->kernel_source);
  free(self);
  return NULL;
}

// Instances ---------------------------------------------------------------------------------------

static void Leave(const Driver* cuda) {
  Context left = NULL;
  cuda->cuCtxPopCurrent_v2(&left);
}

static TRITONSERVER_Error* LoadKernel(Instance* self, int device) {
  const Driver* cuda = self->driver;
  const int major_attribute = 75, minor_attribute = 76;
  int major = 0, minor = 0;
  TRY(Check(cuda, cuda->cuDeviceGetAttribute(&major, major_attribute, device), "ask a device"));
  TRY(Check(cuda, cuda->cuDeviceGetAttribute(&minor, minor_attribute, device), "ask a device"));
  char* ptx = NULL;
  TRY(Compile(self->model->kernel_source, 10 * major + minor, &ptx));
  const int result = cuda->cuModuleLoadData(&self->module, ptx);
  free(ptx);
  TRY(Check(cuda, result, "load the kernel"));
  return Check(cuda, cuda->cuModuleGetFunction(&self->kernel, self->module, "normalise"),
               "find a kernel called normalise");
}

// Whatever there is of it.
static void DeleteInstance(Instance* self) {
  const Driver* cuda = self->driver;
  if (self->context != NULL && cuda->cuCtxPushCurrent_v2(self->context) == 0) {
    if (self->stream != NULL) cuda->cuStreamDestroy_v2(self->stream);
    if (self->images.data != 0) cuda->cuMemFree_v2(self->images.data);
    if (self->planes.data != 0) cuda->cuMemFree_v2(self->planes.data);
    if (self->module != NULL) cuda->cuModuleUnload(self->module);
    Leave(cuda);
  }
  int device = 0;
  if (self->context != NULL && cuda->cuDeviceGet(&device, self->device) == 0) {
    cuda->cuDevicePrimaryCtxRelease_v2(device);
  }
  free(self->items);
  free(self);
}

static TRITONSERVER_Error* Prepare(Instance* self) {
  TRY(LoadDriver(&self->driver));
  const Driver* cuda = self->driver;
  int device = 0;
  TRY(Check(cuda, cuda->cuDeviceGet(&device, self->device), "find the device"));
  TRY(Check(cuda, cuda->cuDevicePrimaryCtxRetain(&self->context, device), "make a context"));
  TRY(Check(cuda, cuda->cuCtxPushCurrent_v2(self->context), "enter the context"));
  TRITONSERVER_Error* error = LoadKernel(self, device);
  const unsigned not_the_default_stream = 1;
  if (error == NULL) {
    error =
        Check(cuda, cuda->cuStreamCreate(&self->stream, not_the_default_stream), "make a stream");
  }
  Leave(cuda);
  return error;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceInitialize(TRITONBACKEND_ModelInstance* handle) {
  TRITONBACKEND_Model* model_handle = NULL;
  TRITONSERVER_InstanceGroupKind kind;
  void* model = NULL;
  TRY(TRITONBACKEND_ModelInstanceModel(handle, &model_handle));
  TRY(TRITONBACKEND_ModelState(model_handle, &model));
  TRY(TRITONBACKEND_ModelInstanceKind(handle, &kind));
  if (kind != TRITONSERVER_INSTANCEGROUPKIND_GPU) {
    return ModelError(model, TRITONSERVER_ERROR_UNSUPPORTED, "needs an instance_group of KIND_GPU");
  }
  Instance* self = calloc(1, sizeof(*self));
  if (self == NULL) return OutOfMemory();
  self->model = model;
  TRITONSERVER_Error* error = TRITONBACKEND_ModelInstanceDeviceId(handle, &self->device);
  if (error == NULL) error = Prepare(self);
  if (error == NULL) error = TRITONBACKEND_ModelInstanceSetState(handle, self);
  if (error != NULL) DeleteInstance(self);
  return error;
}

TRITONSERVER_Error* TRITONBACKEND_ModelInstanceFinalize(TRITONBACKEND_ModelInstance* handle) {
  void* state = NULL;
  TRY(TRITONBACKEND_ModelInstanceState(handle, &state));
  if (state != NULL) DeleteInstance(state);
  return NULL;
}

// Execution ---------------------------------------------------------------------------------------

static TRITONSERVER_Error* Reserve(Instance* self, Block* block, uint64_t byte_size) {
  if (block->byte_size >= byte_size) return NULL;
  const Driver* cuda = self->driver;
  // The requests before this one may be using it.
  TRY(Check(cuda, cuda->cuStreamSynchronize(self->stream), "finish what came before"));
  if (block->data != 0) cuda->cuMemFree_v2(block->data);
  *block = (Block){0, 0};
  TRY(Check(cuda, cuda->cuMemAlloc_v2(&block->data, byte_size), "allocate device memory"));
  block->byte_size = byte_size;
  return NULL;
}

// True when the kernel can use it where it is.
static bool IsMine(const Instance* self, TRITONSERVER_MemoryType type, int64_t id) {
  return type == TRITONSERVER_MEMORY_GPU && id == self->device;
}

static TRITONSERVER_Error* CheckPlace(const Instance* self, TRITONSERVER_MemoryType type,
                                      int64_t id) {
  if (type != TRITONSERVER_MEMORY_GPU || id == self->device) return NULL;
  return ModelError(self->model, TRITONSERVER_ERROR_UNSUPPORTED,
                    "uses memory of the host and of its own device, not of another");
}

// Where the kernel finds the images: where they are, or in a block that the stream fills.
static TRITONSERVER_Error* Images(Instance* self, TRITONBACKEND_Input* input, uint32_t blocks,
                                  uint64_t byte_size, DevicePointer* images) {
  const Driver* cuda = self->driver;
  uint64_t gathered = 0;
  for (uint32_t i = 0; i < blocks; ++i) {
    const void* data = NULL;
    uint64_t data_byte_size = 0;
    TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_GPU;
    int64_t id = self->device;
    TRY(TRITONBACKEND_InputBuffer(input, i, &data, &data_byte_size, &type, &id));
    TRY(CheckPlace(self, type, id));
    if (blocks == 1 && IsMine(self, type, id)) {
      *images = (DevicePointer)data;
      return NULL;
    }
    TRY(Reserve(self, &self->images, byte_size));
    const DevicePointer to = self->images.data + gathered;
    const int result =
        type == TRITONSERVER_MEMORY_GPU
            ? cuda->cuMemcpyDtoDAsync_v2(to, (DevicePointer)data, data_byte_size, self->stream)
            : cuda->cuMemcpyHtoDAsync_v2(to, data, data_byte_size, self->stream);
    TRY(Check(cuda, result, "copy images to the device"));
    gathered += data_byte_size;
  }
  *images = self->images.data;
  return NULL;
}

// Has the stream fill `to`, which lies on the device or the host.
static TRITONSERVER_Error* Normalise(Instance* self, DevicePointer images, uint64_t pixels,
                                     uint64_t all_pixels, void* to, bool to_device) {
  const Driver* cuda = self->driver;
  const uint64_t byte_size = all_pixels * kColours * sizeof(float);
  if (!to_device) TRY(Reserve(self, &self->planes, byte_size));
  DevicePointer planes = to_device ? (DevicePointer)to : self->planes.data;
  void* arguments[] = {&images, &planes, &pixels, &all_pixels};
  const unsigned thread_blocks = (unsigned)((all_pixels + kThreadsPerBlock - 1) / kThreadsPerBlock);
  TRY(Check(cuda,
            cuda->cuLaunchKernel(self->kernel, thread_blocks, 1, 1, kThreadsPerBlock, 1, 1, 0,
                                 self->stream, arguments, NULL),
            "launch the kernel"));
  if (to_device) return NULL;
  return Check(cuda, cuda->cuMemcpyDtoHAsync_v2(to, planes, byte_size, self->stream),
               "copy planes to the host");
}

// Puts a request's work on the stream.
static TRITONSERVER_Error* Start(Instance* self, Item* item) {
  TRY(TRITONBACKEND_ResponseNew(&item->response, item->request));
  TRITONBACKEND_Input* input = NULL;
  TRITONSERVER_DataType datatype = TRITONSERVER_TYPE_INVALID;
  const int64_t* shape = NULL;
  uint32_t rank = 0, blocks = 0;
  uint64_t byte_size = 0;
  TRY(TRITONBACKEND_RequestInputByIndex(item->request, 0, &input));
  TRY(TRITONBACKEND_InputProperties(input, NULL, &datatype, &shape, &rank, &byte_size, &blocks));
  if (datatype != TRITONSERVER_TYPE_UINT8 || rank != 4 || shape[3] != kColours) {
    return ModelError(self->model, TRITONSERVER_ERROR_INVALID_ARG,
                      "takes UINT8 images of shape [count, height, width, 3]");
  }
  item->images = (uint64_t)shape[0];
  uint32_t wanted = 0;
  TRY(TRITONBACKEND_RequestOutputCount(item->request, &wanted));
  if (wanted == 0) return NULL;

  const uint64_t all_pixels = byte_size / kColours;
  const int64_t planes_shape[] = {shape[0], kColours, shape[1], shape[2]};
  const char* name = NULL;
  TRITONBACKEND_Output* output = NULL;
  TRY(TRITONBACKEND_RequestOutputName(item->request, 0, &name));
  TRY(TRITONBACKEND_ResponseOutput(item->response, &output, name, TRITONSERVER_TYPE_FP32,
                                   planes_shape, 4));
  void* to = NULL;
  TRITONSERVER_MemoryType type = TRITONSERVER_MEMORY_GPU;  // if it may be chosen
  int64_t id = self->device;
  TRY(TRITONBACKEND_OutputBuffer(output, &to, byte_size * sizeof(float), &type, &id));
  TRY(CheckPlace(self, type, id));
  if (all_pixels == 0) return NULL;

  DevicePointer images = 0;
  TRY(Images(self, input, blocks, byte_size, &images));
  const uint64_t pixels = (uint64_t)shape[1] * (uint64_t)shape[2];
  return Normalise(self, images, pixels, all_pixels, to, IsMine(self, type, id));
}

static TRITONSERVER_Error* ReserveItems(Instance* self, uint32_t count) {
  if (self->item_capacity >= count) return NULL;
  Item* larger = realloc(self->items, count * sizeof(*larger));
  if (larger == NULL) return OutOfMemory();
  self->items = larger;
  self->item_capacity = count;
  return NULL;
}

// Every request of the batch gets its answer and goes back, whatever became of the others: an error
// returned from here would leave all of them to the server. The stream is waited for once, before
// the first answer: from then on requests and responses may be gone.
TRITONSERVER_Error* TRITONBACKEND_ModelInstanceExecute(TRITONBACKEND_ModelInstance* handle,
                                                       TRITONBACKEND_Request** requests,
                                                       uint32_t request_count) {
  void* state = NULL;
  TRY(TRITONBACKEND_ModelInstanceState(handle, &state));
  Instance* self = state;
  const Driver* cuda = self->driver;
  TRY(ReserveItems(self, request_count));
  TRY(Check(cuda, cuda->cuCtxPushCurrent_v2(self->context), "enter the context"));

  const uint64_t begin = Now();
  for (uint32_t i = 0; i < request_count; ++i) {
    self->items[i] = (Item){.request = requests[i]};
    self->items[i].error = Start(self, &self->items[i]);
  }
  const uint64_t started = Now();
  const int finished = cuda->cuStreamSynchronize(self->stream);
  const uint64_t end = Now();

  uint64_t images = 0;
  for (uint32_t i = 0; i < request_count; ++i) {
    Item* item = &self->items[i];
    if (item->error == NULL) item->error = Check(cuda, finished, "normalise images");
    const bool success = item->error == NULL;
    if (success) images += item->images;
    LogAndDelete(TRITONBACKEND_ModelInstanceReportStatistics(handle, item->request, success, begin,
                                                             started, end, end));
    if (item->response != NULL) {
      LogAndDelete(TRITONBACKEND_ResponseSend(item->response, TRITONSERVER_RESPONSE_COMPLETE_FINAL,
                                              item->error));
    }
    TRITONSERVER_ErrorDelete(item->error);
    LogAndDelete(TRITONBACKEND_RequestRelease(item->request, TRITONSERVER_REQUEST_RELEASE_ALL));
  }
  if (images > 0) {
    LogAndDelete(
        TRITONBACKEND_ModelInstanceReportBatchStatistics(handle, images, begin, started, end, end));
  }
  Leave(cuda);
  return NULL;
}
