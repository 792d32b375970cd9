// What tests of the CUDA driver do in another process: child.h.
//
// driver [FUNCTION=RESULT...]      one line each: what Driver() and Device::All() answer when these
//                                  functions fail, and the report's library and version
// context [FUNCTION=RESULT...]     the same for the context of device 0, and again when all work
// strangers                        what peer access answers between devices 0 and 1, and how often
//                                  the driver was asked for it
// pinned                           allocates pinned memory after device 0 is lost, and after all
// touch                            dies of a write to memory of a device
// owner DEVICE BYTES VALUE [LEAD]  allocates memory full of VALUE, LEAD bytes into what others
//                                  open; then, by lines: "handle", "byte OFFSET", "free"
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <vector>

#include "cuda/memory.h"
#include "cuda/stream.h"
#include "hex.h"
#include "use_fake_cuda.h"

namespace trident::cuda {
namespace {

std::string Text(const Status& status) {
  if (status.ok()) return "OK";
  return StrCat(StatusCodeName(status.code()), ": ", status.message());
}

void Inject(const std::vector<std::string>& faults) {
  for (const std::string& fault : faults) {
    const size_t equals = fault.find('=');
    FakeRow(fault.substr(0, equals)).result = atoi(fault.c_str() + equals + 1);
  }
}

int TellDriver(const std::vector<std::string>& faults) {
  Inject(faults);
  const auto driver = Driver();
  const auto devices = Device::All();
  const DriverReport& report = ReportDriver();
  std::cout << Text(driver.ok() ? Status::Ok() : driver.status()) << '\n'
            << Text(devices.ok() ? Status::Ok() : devices.status()) << '\n'
            << report.library << ' ' << report.version << '\n';
  return driver.ok() == report.status.ok() ? 0 : 1;
}

int TellContext(const std::vector<std::string>& faults) {
  const auto device = Device::Find(0);
  if (!device.ok()) return 1;
  Inject(faults);
  const auto failed = (*device)->Context();
  const Status probed = (*device)->Probe();
  for (const std::string& fault : faults) Inject({fault.substr(0, fault.find('=')) + "=0"});
  const auto made = (*device)->Context();
  std::cout << Text(failed.ok() ? Status::Ok() : failed.status()) << '\n'
            << Text(probed) << '\n'
            << Text(made.ok() ? Status::Ok() : made.status()) << '\n';
  return 0;
}

int TellStrangers() {
  const auto devices = Device::All();
  if (!devices.ok()) return 1;
  std::cout << Text((*devices)[0]->EnablePeerAccess((*devices)[1])) << '\n'
            << FakeRow("cuCtxEnablePeerAccess").calls << '\n';
  return 0;
}

int PinMemory() {
  for (const uint64_t lost : {uint64_t{1}, ~uint64_t{0}}) {
    FakeRow("lose").bytes = lost;
    FakeRow("lose").result = kIllegalAddress;
    const auto memory = PinnedMemory::Allocate(64);
    std::cout << Text(memory.ok() ? Status::Ok() : memory.status()) << '\n';
  }
  return 0;
}

int TouchMemory() {
  const auto device = Device::Find(0);
  if (!device.ok()) return 0;
  const auto memory = DeviceMemory::Allocate(*device, 64);
  if (!memory.ok()) return 0;
  signal(SIGSEGV, SIG_DFL);  // a sanitizer would report what is meant to happen
  *static_cast<volatile char*>((*memory)->data()) = 1;
  return 0;
}

int OwnMemory(int device_id, uint64_t byte_size, int value) {
  const auto device = Device::Find(device_id);
  if (!device.ok()) return 1;
  auto memory = DeviceMemory::Allocate(*device, byte_size);
  auto stream = Stream::Create(*device);
  if (!memory.ok() || !stream.ok()) return 1;
  char* const data = static_cast<char*>((*memory)->data());
  if (!(*stream)->Fill(data, static_cast<uint8_t>(value), byte_size).ok()) return 1;
  if (!(*stream)->Synchronize().ok()) return 1;
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line == "handle") {
      std::cout << ToHex(*Export(*device, data)) << std::endl;
    } else if (line == "free") {
      memory->reset();
      std::cout << "freed" << std::endl;
    } else {
      unsigned char byte = 0;
      const char* from = data + atoi(line.c_str() + strlen("byte "));
      const Status copied = (*stream)->Copy(&byte, Place{}, from, Place{device_id}, 1);
      std::cout << (copied.ok() ? std::to_string(byte) : copied.message()) << std::endl;
    }
  }
  return 0;
}

int Run(const std::string& what, const std::vector<std::string>& rest) {
  if (what == "driver") return TellDriver(rest);
  if (what == "context") return TellContext(rest);
  if (what == "strangers") return TellStrangers();
  if (what == "pinned") return PinMemory();
  if (what == "touch") return TouchMemory();
  if (what == "owner" && rest.size() >= 3) {
    if (rest.size() == 4) Inject({"lead=" + rest[3]});
    return OwnMemory(std::stoi(rest[0]), std::stoull(rest[1]), std::stoi(rest[2]));
  }
  return 2;
}

}  // namespace
}  // namespace trident::cuda

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  return trident::cuda::Run(argv[1], std::vector<std::string>(argv + 2, argv + argc));
}
