#define _XOPEN_SOURCE 700

#include "trace_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

Record* NewRecord(void) {
  Record* record = calloc(1, sizeof(*record));
  pthread_mutex_init(&record->mutex, NULL);
  pthread_cond_init(&record->changed, NULL);
  return record;
}

void DeleteRecord(Record* record) {
  pthread_mutex_destroy(&record->mutex);
  pthread_cond_destroy(&record->changed);
  free(record);
}

// With the mutex held.
static Told* Find(Record* record, TRITONSERVER_InferenceTrace* trace) {
  uint64_t id = 0;
  OK(TRITONSERVER_InferenceTraceId(trace, &id));
  for (int i = 0; i < record->count; ++i) {
    if (record->traces[i].id == id) return &record->traces[i];
  }
  if (!CHECK(record->count < kMaxTraces)) exit(1);
  Told* told = &record->traces[record->count++];
  told->id = id;
  OK(TRITONSERVER_InferenceTraceParentId(trace, &told->parent));
  return told;
}

static Told* Tell(Record* record, TRITONSERVER_InferenceTrace* trace, char letter, uint64_t ns) {
  Told* told = Find(record, trace);
  if (CHECK(told->events < kMaxEvents)) {
    told->times[told->events] = ns;
    told->story[told->events++] = letter;
  }
  return told;
}

static void OnActivity(TRITONSERVER_InferenceTrace* trace,
                       TRITONSERVER_InferenceTraceActivity activity, uint64_t ns, void* userp) {
  Record* record = userp;
  if (record->server != NULL) {  // would wait for itself if a lock were held
    TRITONSERVER_Message* statistics = NULL;
    OK(TRITONSERVER_ServerModelStatistics(record->server, "", -1, &statistics));
    OK(TRITONSERVER_MessageDelete(statistics));
  }
  pthread_mutex_lock(&record->mutex);
  Told* told = Tell(record, trace, "SQCIOERqbox"[activity], ns);
  if (activity == TRITONSERVER_TRACE_REQUEST_START) {
    const char *model = NULL, *request = NULL;
    OK(TRITONSERVER_InferenceTraceModelName(trace, &model));
    OK(TRITONSERVER_InferenceTraceModelVersion(trace, &told->version));
    OK(TRITONSERVER_InferenceTraceRequestId(trace, &request));
    snprintf(told->model, sizeof(told->model), "%s", model);
    snprintf(told->request, sizeof(told->request), "%s", request);
  } else if (activity == TRITONSERVER_TRACE_CUSTOM_ACTIVITY) {
    const char* context = NULL;
    OK(TRITONSERVER_InferenceTraceContext(trace, &context));
    snprintf(told->context, sizeof(told->context), "%s", context);
  }
  pthread_mutex_unlock(&record->mutex);
}

static void OnTensor(TRITONSERVER_InferenceTrace* trace,
                     TRITONSERVER_InferenceTraceActivity activity, const char* name,
                     TRITONSERVER_DataType datatype, const void* base, size_t size,
                     const int64_t* shape, uint64_t rank, TRITONSERVER_MemoryType memory_type,
                     int64_t memory_type_id, void* userp) {
  Record* record = userp;
  pthread_mutex_lock(&record->mutex);
  Tell(record, trace, "SQCIOERqbox"[activity], 0);
  if (CHECK(record->tensor_count < kMaxTensors)) {
    Tensor* tensor = &record->tensors[record->tensor_count++];
    *tensor = (Tensor){.activity = activity,
                       .datatype = datatype,
                       .base = base,
                       .size = size,
                       .rank = rank,
                       .memory_type = memory_type,
                       .memory_type_id = memory_type_id};
    snprintf(tensor->name, sizeof(tensor->name), "%s", name);
    for (uint64_t i = 0; i < rank && i < 2; ++i) tensor->shape[i] = shape[i];
    if (size >= sizeof(tensor->first)) memcpy(&tensor->first, base, sizeof(tensor->first));
  }
  pthread_mutex_unlock(&record->mutex);
}

static void OnRelease(TRITONSERVER_InferenceTrace* trace, void* userp) {
  Record* record = userp;
  pthread_mutex_lock(&record->mutex);
  Tell(record, trace, '.', 0);
  OK(TRITONSERVER_InferenceTraceDelete(trace));
  pthread_cond_broadcast(&record->changed);
  pthread_mutex_unlock(&record->mutex);
}

TRITONSERVER_InferenceTrace* NewTrace(Record* record, int bits) {
  const TRITONSERVER_InferenceTraceLevel level = (TRITONSERVER_InferenceTraceLevel)bits;
  TRITONSERVER_InferenceTrace* trace = NULL;
  if ((bits & kTensors) == 0) {
    OK(TRITONSERVER_InferenceTraceNew(&trace, level, 0, OnActivity, OnRelease, record));
  } else {
    OK(TRITONSERVER_InferenceTraceTensorNew(&trace, level, 0, OnActivity, OnTensor, OnRelease,
                                            record));
  }
  return trace;
}

// With the mutex held.
static bool IsTold(const Record* record, int index, const char* story) {
  return index < record->count && strcmp(record->traces[index].story, story) == 0;
}

static void CheckTold(const Record* record, int index, const char* story) {
  if (CHECK(IsTold(record, index, story))) return;
  fprintf(stderr, "  trace %d of %d: %s, not %s\n", index, record->count,
          record->traces[index].story, story);
}

void CheckStory(Record* record, int index, const char* story) {
  pthread_mutex_lock(&record->mutex);
  CheckTold(record, index, story);
  pthread_mutex_unlock(&record->mutex);
}

void CheckWholeStory(Record* record, int index, const char* story) {
  char whole[kMaxEvents + 1];
  snprintf(whole, sizeof(whole), "%s.", story);
  struct timespec deadline;
  clock_gettime(CLOCK_REALTIME, &deadline);
  deadline.tv_sec += 30;
  pthread_mutex_lock(&record->mutex);
  int failed = 0;
  while (failed == 0 && !IsTold(record, index, whole)) {
    failed = pthread_cond_timedwait(&record->changed, &record->mutex, &deadline);
  }
  CheckTold(record, index, whole);
  pthread_mutex_unlock(&record->mutex);
}
