// NVML's functions for two GPUs: the first tells everything, the second only how much memory it
// has.

#include <stdio.h>

static int g_inits;
static unsigned long long g_energy = 5000;  // of the first; 2 J more each time that it is asked
static const char g_gpus[2] = {'a', 'b'};

// How many users are left.
int fake_nvml_inits(void) { return g_inits; }

enum { kSuccess = 0, kInvalidArgument = 2, kNotSupported = 3 };

int nvmlInit_v2(void) {
  ++g_inits;
  return kSuccess;
}

int nvmlShutdown(void) {
  --g_inits;
  return kSuccess;
}

int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = 3;  // the third can't be reached
  return kSuccess;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  if (index >= 2) return kInvalidArgument;
  *device = (void*)&g_gpus[index];
  return kSuccess;
}

int nvmlDeviceGetUUID(void* device, char* uuid, unsigned length) {
  snprintf(uuid, length, "GPU-%c", *(const char*)device);
  return kSuccess;
}

static int IsFirst(void* device) { return device == &g_gpus[0]; }

int nvmlDeviceGetUtilizationRates(void* device, unsigned percent[2]) {
  percent[0] = 25;
  return IsFirst(device) ? kSuccess : kNotSupported;
}

int nvmlDeviceGetMemoryInfo(void* device, unsigned long long bytes[3]) {
  bytes[0] = IsFirst(device) ? 4096 : 8192;
  bytes[1] = 1024;
  bytes[2] = bytes[0] - bytes[1];
  return kSuccess;
}

int nvmlDeviceGetPowerUsage(void* device, unsigned* milliwatts) {
  *milliwatts = 70500;
  return IsFirst(device) ? kSuccess : kNotSupported;
}

int nvmlDeviceGetEnforcedPowerLimit(void* device, unsigned* milliwatts) {
  *milliwatts = 300000;
  return IsFirst(device) ? kSuccess : kNotSupported;
}

int nvmlDeviceGetTotalEnergyConsumption(void* device, unsigned long long* millijoules) {
  if (!IsFirst(device)) return kNotSupported;
  *millijoules = g_energy += 2000;
  return kSuccess;
}
