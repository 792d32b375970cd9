#ifndef TRIDENT_TEST_CAPI_TRACE_RECORD_H_
#define TRIDENT_TEST_CAPI_TRACE_RECORD_H_

#include "support.h"

enum { kMaxTraces = 8, kMaxEvents = 32, kMaxTensors = 16 };

typedef struct {
  TRITONSERVER_InferenceTraceActivity activity;
  char name[16];
  TRITONSERVER_DataType datatype;
  const void* base;
  size_t size;
  int64_t shape[2];
  uint64_t rank;
  TRITONSERVER_MemoryType memory_type;
  int64_t memory_type_id;
  int32_t first;
} Tensor;

// What was told of one trace. `story` has a letter for each event: S request start, Q queue start,
// q queued input, b backend input, C compute start, I input end, O output start, E compute end,
// o output, x custom activity, R request end, and a full stop when the trace was given back.
typedef struct {
  uint64_t id, parent;
  char model[32], request[32];
  int64_t version;
  char story[kMaxEvents + 1];
  int events;
  uint64_t times[kMaxEvents];
  char context[64];  // during the custom activity
} Told;

// All that was told to one listener. Guarded by `mutex`.
typedef struct {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  Told traces[kMaxTraces];
  int count;
  Tensor tensors[kMaxTensors];
  int tensor_count;
  TRITONSERVER_Server* server;  // asked from within the callbacks when it is not null
} Record;

Record* NewRecord(void);
void DeleteRecord(Record* record);

// The levels by their bits.
enum { kTimes = TRITONSERVER_TRACE_LEVEL_TIMESTAMPS, kTensors = TRITONSERVER_TRACE_LEVEL_TENSORS };

// A trace that tells `record`, which deletes it when it is given back.
TRITONSERVER_InferenceTrace* NewTrace(Record* record, int bits);

// Checks what has been told of trace `index` so far.
void CheckStory(Record* record, int index, const char* story);
// The same once the trace has been given back; a CHECK fails after 30 seconds.
void CheckWholeStory(Record* record, int index, const char* story);

#endif
