#include "model/host_policy.h"

#include <linux/mempolicy.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "config/scalars.h"

namespace trident {
namespace {

constexpr size_t kWordBits = sizeof(unsigned long) * 8;
// More than any machine has; bounds what a setting can make us allocate.
constexpr uint64_t kMaxCores = 8192;
constexpr uint64_t kMaxNodes = 1024;

using Mask = std::vector<unsigned long>;

void Set(size_t bit, Mask* mask) { (*mask)[bit / kWordBits] |= 1UL << (bit % kWordBits); }
bool Has(const Mask& mask, size_t bit) {
  return (mask[bit / kWordBits] >> (bit % kWordBits) & 1) != 0;
}

// glibc's wrappers take cpu_set_t, whose size is fixed; the system calls take any.
bool GetCores(Mask* mask) {
  mask->assign(kMaxCores / kWordBits, 0);
  return syscall(SYS_sched_getaffinity, 0, mask->size() * sizeof(Mask::value_type), mask->data()) >=
         0;
}
bool SetCores(const Mask& mask) {
  return syscall(SYS_sched_setaffinity, 0, mask.size() * sizeof(Mask::value_type), mask.data()) ==
         0;
}

bool GetMemoryPolicy(int* mode, Mask* nodes) {
  nodes->assign(kMaxNodes / kWordBits, 0);
  return syscall(SYS_get_mempolicy, mode, nodes->data(), kMaxNodes, nullptr, 0) == 0;
}
bool SetMemoryPolicy(int mode, const Mask& nodes) {
  // The kernel takes one bit less than it is told.
  return syscall(SYS_set_mempolicy, mode, nodes.data(), kMaxNodes + 1) == 0;
}

Status FormatError(const std::string& got) {
  return InvalidArg(
      "host policy setting 'cpu-cores' format is '<lower_cpu_core_id>-<upper_cpu_core_id>'. Got ",
      got);
}

Status ParseRange(const std::string& text, std::vector<int>* cores) {
  const size_t dash = text.find('-');
  if (dash == std::string::npos) return FormatError(text);
  const auto lower = ParseMagnitude(text.substr(0, dash), 10);
  const auto upper = ParseMagnitude(text.substr(dash + 1), 10);
  if (!lower || !upper || *lower > *upper) return FormatError(text);
  if (*upper >= kMaxCores) {
    return InvalidArg("host policy setting 'cpu-cores' names core ", *upper,
                      "; the highest that can be is ", kMaxCores - 1);
  }
  for (uint64_t core = *lower; core <= *upper; ++core) cores->push_back(static_cast<int>(core));
  return Status::Ok();
}

Status ParseCores(const std::string& text, std::vector<int>* cores) {
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    TRIDENT_RETURN_IF_ERROR(ParseRange(text.substr(begin, end - begin), cores));
    begin = end + 1;
  }
  return Status::Ok();
}

Status Because(const char* what, int error) {
  const bool forbidden = error == EPERM || error == ENOSYS;
  return Status(forbidden ? StatusCode::kUnavailable : StatusCode::kInvalidArg,
                StrCat(what, ": ", strerror(error)));
}

Status BindToCores(const std::vector<int>& cores) {
  Mask before;
  if (!GetCores(&before)) return Because("the thread's cores can't be read", errno);
  Mask wanted(kMaxCores / kWordBits, 0);
  for (const int core : cores) Set(static_cast<size_t>(core), &wanted);
  if (!SetCores(wanted)) {
    return Because("setting 'cpu-cores' names no core this process may use", errno);
  }
  // The kernel leaves out what it does not have or the process may not use, and says nothing.
  Mask after;
  if (!GetCores(&after) || after == wanted) return Status::Ok();
  (void)SetCores(before);
  for (const int core : cores) {
    if (!Has(after, static_cast<size_t>(core))) {
      return InvalidArg("setting 'cpu-cores' names core ", core,
                        ", which this machine lacks or this process may not use");
    }
  }
  return Status::Ok();
}

Status BindToNode(int node) {
  Mask nodes(kMaxNodes / kWordBits, 0);
  Set(static_cast<size_t>(node), &nodes);
  if (SetMemoryPolicy(MPOL_BIND, nodes)) return Status::Ok();
  return Because("setting 'numa-node': unable to set the NUMA memory policy", errno);
}

}  // namespace

Result<HostPolicy> HostPolicy::Parse(const std::string& name, const Settings& settings) {
  HostPolicy policy;
  policy.name_ = name;
  const std::string prefix = "host policy '" + name + "': ";
  if (const auto cores = settings.find("cpu-cores"); cores != settings.end()) {
    TRIDENT_RETURN_IF_ERROR(ParseCores(cores->second, &policy.cores_).WithPrefix(prefix));
  }
  if (const auto node = settings.find("numa-node"); node != settings.end()) {
    const auto number = ParseMagnitude(node->second, 10);
    if (!number || *number >= kMaxNodes) {
      return InvalidArg(prefix, "setting 'numa-node' must be a number below ", kMaxNodes, ". Got ",
                        node->second);
    }
    policy.node_ = static_cast<int>(*number);
  }
  return policy;
}

Status HostPolicy::Apply() const {
  const std::string prefix = "host policy '" + name_ + "': ";
  Mask cores;
  if (!cores_.empty()) {
    if (!GetCores(&cores)) cores.clear();
    TRIDENT_RETURN_IF_ERROR(BindToCores(cores_).WithPrefix(prefix));
  }
  if (!node_) return Status::Ok();
  const Status status = BindToNode(*node_);
  if (!status.ok() && !cores.empty()) (void)SetCores(cores);
  return status.WithPrefix(prefix);
}

ScopedHostPolicy::ScopedHostPolicy(const HostPolicy& policy) {
  if (policy.empty()) return;
  if (!policy.cores_.empty() && !GetCores(&cores_)) cores_.clear();
  int mode = MPOL_DEFAULT;
  if (policy.node_ && GetMemoryPolicy(&mode, &nodes_)) memory_mode_ = mode;
  status_ = policy.Apply();
}

ScopedHostPolicy::~ScopedHostPolicy() {
  if (!cores_.empty()) (void)SetCores(cores_);
  if (memory_mode_) (void)SetMemoryPolicy(*memory_mode_, nodes_);
}

int NiceStepOf(ModelPriority priority) {
  switch (priority) {
    case ModelPriority::kMax:
      return -5;
    case ModelPriority::kMin:
      return 14;
    default:
      return 0;
  }
}

void ApplyNiceStep(int step) {
  if (step == 0) return;
  // On Linux a level is a thread's own, and what is out of range is cut.
  const auto thread = static_cast<id_t>(syscall(SYS_gettid));
  (void)setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, thread) + step);
}

}  // namespace trident
