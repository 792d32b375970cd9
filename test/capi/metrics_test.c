// Metrics: the text of a server, its options, and metrics of a client's own.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support.h"

static const TRITONSERVER_Error_Code kInvalid = TRITONSERVER_ERROR_INVALID_ARG;
static const TRITONSERVER_Error_Code kUnsupported = TRITONSERVER_ERROR_UNSUPPORTED;

// A copy of what `server` measures; to be freed.
static char* TextOf(TRITONSERVER_Server* server) {
  TRITONSERVER_Metrics* metrics = NULL;
  const char* base = NULL;
  size_t size = 0;
  OK(TRITONSERVER_ServerMetrics(server, &metrics));
  FAILS(TRITONSERVER_MetricsFormatted(metrics, (TRITONSERVER_MetricFormat)1, &base, &size),
        kInvalid, "unknown metrics format '1'");
  OK(TRITONSERVER_MetricsFormatted(metrics, TRITONSERVER_METRIC_PROMETHEUS, &base, &size));
  char* text = calloc(size + 2, 1);
  text[0] = '\n';  // so that every line begins after one
  memcpy(text + 1, base, size);
  OK(TRITONSERVER_MetricsDelete(metrics));
  return text;
}

static bool Has(TRITONSERVER_Server* server, const char* part) {
  char* text = TextOf(server);
  const bool found = strstr(text, part) != NULL;
  free(text);
  return found;
}

static int Lines(TRITONSERVER_Server* server, const char* part) {
  char* text = TextOf(server);
  int count = 0;
  for (const char* at = text; (at = strstr(at, part)) != NULL; ++at) ++count;
  free(text);
  return count;
}

#define SAYS(server, line) CHECK(Has(server, "\n" line "\n"))
#define LABELS "{model=\"single\",version=\"1\"}"

static void RunOne(TRITONSERVER_Server* server, const char* mode) {
  static const int32_t data[4] = {3, 1, 4, 1};
  Outcome outcome;
  InitOutcome(&outcome);
  TRITONSERVER_InferenceRequest* request = NewEchoRequest(server, "single", data, mode, &outcome);
  OK(TRITONSERVER_ServerInferAsync(server, request, NULL));
  WaitFor(&outcome);
  ClearOutcome(&outcome);
  OK(TRITONSERVER_InferenceRequestDelete(request));
}

static void TestFamiliesOfModels(void) {
  TRITONSERVER_Server* server = StartServer("single", true, 30);
  SAYS(server, "# TYPE nv_inference_request_success counter");
  SAYS(server, "nv_inference_request_success" LABELS " 0");
  SAYS(server, "nv_inference_pending_request_count" LABELS " 0");
  CHECK(Has(server, "\nnv_model_load_duration_secs" LABELS " "));
  RunOne(server, NULL);
  RunOne(server, "fail");
  SAYS(server, "nv_inference_request_success" LABELS " 1");
  SAYS(server, "nv_inference_count" LABELS " 1");
  SAYS(server, "nv_inference_exec_count" LABELS " 1");
  SAYS(server, "nv_inference_request_failure{model=\"single\",reason=\"BACKEND\",version=\"1\"} 1");
  SAYS(server,
       "nv_inference_request_failure{model=\"single\",reason=\"CANCELED\",version=\"1\"} 0");
  CHECK(Has(server, "\nnv_inference_request_duration_us" LABELS " "));
  CHECK(Has(server, "\nnv_inference_queue_duration_us" LABELS " "));
  CHECK(Has(server, "\nnv_inference_compute_infer_duration_us" LABELS " "));
  SAYS(server, "nv_pinned_memory_pool_total_bytes 0");
  SAYS(server, "# TYPE nv_cpu_utilization gauge");
  CHECK(Has(server, "\nnv_cpu_memory_total_bytes "));
  CHECK(!Has(server, "summary") && !Has(server, "histogram") && !Has(server, "nv_cache"));
  CHECK(!Has(server, "nv_gpu"));

  // Gone with the model; a reload begins anew.
  OK(TRITONSERVER_ServerUnloadModel(server, "single"));
  CHECK(!Has(server, "model=\"single\"") && !Has(server, "nv_inference"));
  OK(TRITONSERVER_ServerLoadModel(server, "single"));
  SAYS(server, "nv_inference_request_success" LABELS " 0");
  OK(TRITONSERVER_ServerDelete(server));
}

static TRITONSERVER_ServerOptions* NewOptions(void) {
  TRITONSERVER_ServerOptions* options = NULL;
  OK(TRITONSERVER_ServerOptionsNew(&options));
  OK(TRITONSERVER_ServerOptionsSetModelRepositoryPath(options, g_models));
  OK(TRITONSERVER_ServerOptionsSetBackendDirectory(options, g_backends));
  OK(TRITONSERVER_ServerOptionsSetModelControlMode(options, TRITONSERVER_MODEL_CONTROL_EXPLICIT));
  OK(TRITONSERVER_ServerOptionsSetStartupModel(options, "single"));
  return options;
}

static TRITONSERVER_Server* NewServer(TRITONSERVER_ServerOptions* options) {
  TRITONSERVER_Server* server = NULL;
  OK(TRITONSERVER_ServerNew(&server, options));
  OK(TRITONSERVER_ServerOptionsDelete(options));
  return server;
}

static void Configure(TRITONSERVER_ServerOptions* options, const char* setting, const char* value) {
  OK(TRITONSERVER_ServerOptionsSetMetricsConfig(options, "", setting, value));
}

static void TestLatencies(void) {
  TRITONSERVER_ServerOptions* options = NewOptions();
  Configure(options, "counter_latencies", "false");
  Configure(options, "summary_latencies", "true");
  Configure(options, "summary_quantiles", "0.25:0.05,0.75:0.01");
  Configure(options, "histogram_latencies", "true");
  OK(TRITONSERVER_ServerOptionsSetMetricsInterval(options, 10));
  OK(TRITONSERVER_ServerOptionsSetGpuMetrics(options, false));
  TRITONSERVER_Server* server = NewServer(options);
  SAYS(server,
       "nv_inference_request_summary_us{model=\"single\",version=\"1\",quantile=\"0.25\"} NaN");
  RunOne(server, NULL);
  SAYS(server, "nv_inference_request_success" LABELS " 1");
  CHECK(!Has(server, "duration_us"));
  SAYS(server, "# TYPE nv_inference_queue_summary_us summary");
  SAYS(server, "nv_inference_request_summary_us_count" LABELS " 1");
  CHECK(!Has(server, "request_summary_us{model=\"single\",version=\"1\",quantile=\"0.75\"} NaN"));
  CHECK(!Has(server, "quantile=\"0.5\""));
  SAYS(server, "# TYPE nv_inference_first_response_histogram_ms histogram");
  SAYS(server, "nv_inference_first_response_histogram_ms_count" LABELS " 1");
  SAYS(server,
       "nv_inference_first_response_histogram_ms_bucket{model=\"single\",version=\"1\",le=\"+Inf\"}"
       " 1");
  CHECK(Has(server, "version=\"1\",le=\"5000\"}"));
  OK(TRITONSERVER_ServerDelete(server));
}

static void TestOff(void) {
  TRITONSERVER_ServerOptions* options = NewOptions();
  OK(TRITONSERVER_ServerOptionsSetCpuMetrics(options, false));
  TRITONSERVER_Server* server = NewServer(options);
  CHECK(!Has(server, "nv_cpu") && Has(server, "nv_inference_count"));
  OK(TRITONSERVER_ServerDelete(server));
  options = NewOptions();
  OK(TRITONSERVER_ServerOptionsSetMetrics(options, false));
  Configure(options, "summary_latencies", "true");
  server = NewServer(options);
  RunOne(server, NULL);
  CHECK(!Has(server, "nv_"));
  OK(TRITONSERVER_ServerStop(server));
  CHECK(!Has(server, "nv_"));
  OK(TRITONSERVER_ServerDelete(server));
}

static void TestTagsAndBuckets(void) {
  WriteEchoModel("tagged", "3",
                 "metric_tags { key: 'site' value: 'a \"b\"' }\n"
                 "model_metrics { metric_control { metric_identifier { family: "
                 "'nv_inference_first_response_histogram_ms' } histogram_options { buckets: [ 1.5, "
                 "60000 ] } } }");
  TRITONSERVER_ServerOptions* options = NewOptions();
  Configure(options, "histogram_latencies", "true");
  TRITONSERVER_Server* server = NewServer(options);
  OK(TRITONSERVER_ServerLoadModel(server, "tagged"));
  SAYS(server, "nv_inference_count{_site=\"a \\\"b\\\"\",model=\"tagged\",version=\"3\"} 0");
  CHECK(Has(server, "model=\"tagged\",version=\"3\",le=\"1.5\"}"));
  CHECK(Has(server, "model=\"tagged\",version=\"3\",le=\"60000\"}"));
  CHECK(!Has(server, "model=\"tagged\",version=\"3\",le=\"100\"}"));
  CHECK(Has(server, "model=\"single\",version=\"1\",le=\"100\"}"));
  OK(TRITONSERVER_ServerDelete(server));
}

static TRITONSERVER_MetricFamily* NewFamily(TRITONSERVER_MetricKind kind, const char* name) {
  TRITONSERVER_MetricFamily* family = NULL;
  TRITONSERVER_MetricKind said = (TRITONSERVER_MetricKind)9;
  OK(TRITONSERVER_MetricFamilyNew(&family, kind, name, "of a test"));
  OK(TRITONSERVER_GetMetricFamilyKind(family, &said));
  CHECK(said == kind);
  return family;
}

static TRITONSERVER_Metric* NewMetric(TRITONSERVER_MetricFamily* family, const char* value,
                                      const TRITONSERVER_MetricArgs* args) {
  TRITONSERVER_Metric* metric = NULL;
  TRITONSERVER_Parameter* label =
      TRITONSERVER_ParameterNew("label", TRITONSERVER_PARAMETER_STRING, value);
  const TRITONSERVER_Parameter* labels[] = {label};
  OK(TRITONSERVER_MetricNewWithArgs(&metric, family, labels, 1, args));
  TRITONSERVER_ParameterDelete(label);
  return metric;
}

static void TestCustomCounter(TRITONSERVER_Server* server) {
  double value = 9;
  TRITONSERVER_MetricKind kind = (TRITONSERVER_MetricKind)9;
  TRITONSERVER_MetricFamily* family = NewFamily(TRITONSERVER_METRIC_KIND_COUNTER, "my_counter");
  CHECK(!Has(server, "my_counter"));
  TRITONSERVER_Metric* metric = NewMetric(family, "x", NULL);
  TRITONSERVER_Metric* same = NewMetric(family, "x", NULL);
  OK(TRITONSERVER_GetMetricKind(metric, &kind));
  CHECK(kind == TRITONSERVER_METRIC_KIND_COUNTER);
  OK(TRITONSERVER_MetricValue(metric, &value));
  CHECK(value == 0);
  OK(TRITONSERVER_MetricIncrement(metric, 1729));
  OK(TRITONSERVER_MetricIncrement(same, 0.5));
  OK(TRITONSERVER_MetricValue(metric, &value));
  CHECK(value == 1729.5);
  FAILS(TRITONSERVER_MetricIncrement(metric, -1), kInvalid,
        "TRITONSERVER_METRIC_KIND_COUNTER can only be incremented monotonically");
  FAILS(TRITONSERVER_MetricSet(metric, 1), kUnsupported,
        "TRITONSERVER_METRIC_KIND_COUNTER does not support Set");
  FAILS(TRITONSERVER_MetricObserve(metric, 1), kUnsupported, "does not support Observe");
  SAYS(server, "# HELP my_counter of a test\n# TYPE my_counter counter");
  SAYS(server, "my_counter{label=\"x\"} 1729.5");
  OK(TRITONSERVER_MetricDelete(metric));
  CHECK(Lines(server, "my_counter{") == 1);
  FAILS(TRITONSERVER_MetricFamilyDelete(family), TRITONSERVER_ERROR_INTERNAL,
        "Must call MetricDelete on all dependent metrics");
  OK(TRITONSERVER_MetricDelete(same));
  CHECK(!Has(server, "my_counter"));
  OK(TRITONSERVER_MetricFamilyDelete(family));
}

static void TestCustomGauge(TRITONSERVER_Server* server) {
  double value = 9;
  TRITONSERVER_MetricFamily* family = NewFamily(TRITONSERVER_METRIC_KIND_GAUGE, "my_gauge");
  TRITONSERVER_Metric* metric = NULL;
  OK(TRITONSERVER_MetricNew(&metric, family, NULL, 0));
  OK(TRITONSERVER_MetricSet(metric, 10));
  OK(TRITONSERVER_MetricIncrement(metric, -12.5));
  OK(TRITONSERVER_MetricValue(metric, &value));
  CHECK(value == -2.5);
  FAILS(TRITONSERVER_MetricObserve(metric, 1), kUnsupported,
        "TRITONSERVER_METRIC_KIND_GAUGE does not support Observe");
  SAYS(server, "my_gauge -2.5");
  OK(TRITONSERVER_MetricDelete(metric));
  OK(TRITONSERVER_MetricFamilyDelete(family));
}

static void TestCustomHistogram(TRITONSERVER_Server* server) {
  const double buckets[] = {0.1, 1, 2.5};
  double value = 9;
  TRITONSERVER_MetricArgs* args = NULL;
  TRITONSERVER_Metric* metric = NULL;
  TRITONSERVER_MetricFamily* family = NewFamily(TRITONSERVER_METRIC_KIND_HISTOGRAM, "my_histogram");
  FAILS(TRITONSERVER_MetricNew(&metric, family, NULL, 0), kInvalid,
        "Bucket boundaries not found in Metric args.");
  OK(TRITONSERVER_MetricArgsNew(&args));
  FAILS(TRITONSERVER_MetricNewWithArgs(&metric, family, NULL, 0, args), kInvalid,
        "Metric args not set to histogram kind.");
  FAILS(TRITONSERVER_MetricArgsSetHistogram(args, NULL, 1), kInvalid, "not provided");
  const double wrong[] = {2, 1};
  OK(TRITONSERVER_MetricArgsSetHistogram(args, wrong, 2));
  FAILS(TRITONSERVER_MetricNewWithArgs(&metric, family, NULL, 0, args), kInvalid, "ascending");
  OK(TRITONSERVER_MetricArgsSetHistogram(args, buckets, 3));
  metric = NewMetric(family, "x", args);
  OK(TRITONSERVER_MetricObserve(metric, 1));
  OK(TRITONSERVER_MetricObserve(metric, 7));
  FAILS(TRITONSERVER_MetricValue(metric, &value), kUnsupported,
        "TRITONSERVER_METRIC_KIND_HISTOGRAM does not support Value");
  FAILS(TRITONSERVER_MetricIncrement(metric, 1), kUnsupported, "does not support Increment");
  FAILS(TRITONSERVER_MetricSet(metric, 1), kUnsupported, "does not support Set");
  SAYS(server, "# TYPE my_histogram histogram");
  SAYS(server, "my_histogram_bucket{label=\"x\",le=\"0.1\"} 0");
  SAYS(server, "my_histogram_bucket{label=\"x\",le=\"1\"} 1");
  SAYS(server, "my_histogram_bucket{label=\"x\",le=\"+Inf\"} 2");
  SAYS(server, "my_histogram_sum{label=\"x\"} 8");
  SAYS(server, "my_histogram_count{label=\"x\"} 2");
  OK(TRITONSERVER_MetricDelete(metric));
  OK(TRITONSERVER_MetricFamilyDelete(family));
  family = NewFamily(TRITONSERVER_METRIC_KIND_GAUGE, "no_histogram");
  FAILS(TRITONSERVER_MetricNewWithArgs(&metric, family, NULL, 0, args), kInvalid, "GAUGE");
  OK(TRITONSERVER_MetricFamilyDelete(family));
  OK(TRITONSERVER_MetricArgsDelete(args));
}

static void TestCustomRefusals(void) {
  TRITONSERVER_MetricFamily* family = NULL;
  TRITONSERVER_MetricFamily* other = NULL;
  TRITONSERVER_Metric* metric = NULL;
  double value = 0;
  FAILS(TRITONSERVER_MetricFamilyNew(&family, (TRITONSERVER_MetricKind)3, "n", "d"), kInvalid,
        "unknown metric kind '3'");
  FAILS(TRITONSERVER_MetricFamilyNew(&family, TRITONSERVER_METRIC_KIND_GAUGE, "a b", "d"), kInvalid,
        "'a b'");
  FAILS(TRITONSERVER_MetricFamilyNew(&family, TRITONSERVER_METRIC_KIND_GAUGE, NULL, "d"), kInvalid,
        "'name' is null");
  FAILS(TRITONSERVER_MetricFamilyNew(&family, TRITONSERVER_METRIC_KIND_GAUGE,
                                     "nv_inference_request_success", "d"),
        kInvalid, "another kind");
  CHECK(family == NULL);
  family = NewFamily(TRITONSERVER_METRIC_KIND_GAUGE, "refusals");
  FAILS(TRITONSERVER_MetricFamilyNew(&other, TRITONSERVER_METRIC_KIND_COUNTER, "refusals", "d"),
        kInvalid, "another kind");
  const int64_t number = 7;
  TRITONSERVER_Parameter* integer =
      TRITONSERVER_ParameterNew("n", TRITONSERVER_PARAMETER_INT, &number);
  TRITONSERVER_Parameter* dashed =
      TRITONSERVER_ParameterNew("a-b", TRITONSERVER_PARAMETER_STRING, "x");
  const TRITONSERVER_Parameter* labels[] = {integer};
  FAILS(TRITONSERVER_MetricNew(&metric, family, labels, 1), kInvalid, "type STRING, not INT");
  labels[0] = dashed;
  FAILS(TRITONSERVER_MetricNew(&metric, family, labels, 1), kInvalid, "'a-b'");
  labels[0] = NULL;
  FAILS(TRITONSERVER_MetricNew(&metric, family, labels, 1), kInvalid, "number 0");
  FAILS(TRITONSERVER_MetricNew(&metric, family, NULL, 1), kInvalid, "not provided");
  FAILS(TRITONSERVER_MetricNew(&metric, NULL, NULL, 0), kInvalid, "'family' is null");
  FAILS(TRITONSERVER_MetricValue(NULL, &value), kInvalid, "'metric' is null");
  FAILS(TRITONSERVER_MetricArgsNew(NULL), kInvalid, "'args' is null");
  CHECK(metric == NULL);
  TRITONSERVER_ParameterDelete(integer);
  TRITONSERVER_ParameterDelete(dashed);
  OK(TRITONSERVER_MetricFamilyDelete(family));
  OK(TRITONSERVER_MetricFamilyDelete(NULL));
  OK(TRITONSERVER_MetricDelete(NULL));
  OK(TRITONSERVER_MetricArgsDelete(NULL));
  OK(TRITONSERVER_MetricsDelete(NULL));
}

// Custom metrics are the process's: every server tells them, each with its own beside.
static void TestTwoServers(void) {
  TRITONSERVER_Server* servers[2] = {StartServer("single", true, 30), StartServer(NULL, true, 30)};
  TRITONSERVER_MetricFamily* family = NewFamily(TRITONSERVER_METRIC_KIND_COUNTER, "everywhere");
  TRITONSERVER_Metric* metric = NewMetric(family, "x", NULL);
  for (int i = 0; i < 2; ++i) SAYS(servers[i], "everywhere{label=\"x\"} 0");
  CHECK(Has(servers[0], "model=\"single\"") && !Has(servers[1], "model=\"single\""));
  OK(TRITONSERVER_MetricDelete(metric));
  OK(TRITONSERVER_MetricFamilyDelete(family));
  for (int i = 0; i < 2; ++i) OK(TRITONSERVER_ServerDelete(servers[i]));
}

void TestMetrics(void) {
  TestFamiliesOfModels();
  TestLatencies();
  TestOff();
  TestTagsAndBuckets();
  TRITONSERVER_Server* server = StartServer(NULL, true, 30);
  TestCustomCounter(server);
  TestCustomGauge(server);
  TestCustomHistogram(server);
  OK(TRITONSERVER_ServerDelete(server));
  TestCustomRefusals();
  TestTwoServers();
}
