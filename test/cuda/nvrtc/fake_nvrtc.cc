// NVRTC without CUDA: takes sources that the host's compiler understands behind ../host_kernel.h,
// and makes of them the "PTX" that the fake driver loads.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <regex>
#include <string>

namespace {

enum Result { kSuccess = 0, kInvalidInput = 3, kInvalidOption = 5, kCompilation = 6 };

struct Program {
  std::string source;
  std::string ptx;
  std::string log;
};

// Everything that `command` prints; it has succeeded when that is nothing.
std::string Run(const std::string& command) {
  std::string printed;
  FILE* const output = popen((command + " 2>&1").c_str(), "r");
  char chunk[1024];
  while (fgets(chunk, sizeof(chunk), output) != nullptr) printed += chunk;
  pclose(output);
  return printed;
}

std::string Check(const std::string& source) {
  char path[] = "/tmp/fake-nvrtc-XXXXXX";
  const int file = mkstemp(path);
  if (file < 0 || write(file, source.data(), source.size()) < 0) return "cannot write a file";
  close(file);
  std::string complaints =
      Run(std::string(FAKE_CUDA_COMPILER " -x c++ -std=c++20 -w -fsyntax-only ") + path);
  unlink(path);
  return complaints;
}

void Copy(const std::string& text, char* to) { memcpy(to, text.c_str(), text.size() + 1); }

}  // namespace

#define NVRTC_EXPORT extern "C" __attribute__((visibility("default")))

NVRTC_EXPORT int nvrtcCreateProgram(Program** program, const char* source, const char*, int headers,
                                    const char* const*, const char* const*) {
  if (program == nullptr || source == nullptr || headers != 0) return kInvalidInput;
  *program = new Program{source, "", ""};
  return kSuccess;
}

NVRTC_EXPORT int nvrtcDestroyProgram(Program** program) {
  delete *program;
  *program = nullptr;
  return kSuccess;
}

NVRTC_EXPORT int nvrtcCompileProgram(Program* program, int options, const char* const* option) {
  int capability = 0;
  if (options != 1 || sscanf(option[0], "--gpu-architecture=compute_%d", &capability) != 1) {
    program->log = "fake NVRTC: expected one option, the architecture\n";
    return kInvalidOption;
  }
  std::string ptx = "// fake PTX for " + std::to_string(capability) + "\n";
  ptx += "#include \"" FAKE_CUDA_SOURCES "/host_kernel.h\"\n" + program->source + "\n";
  const std::regex kernel("__global__\\s+void\\s+(\\w+)");
  const std::string& source = program->source;
  for (std::sregex_iterator found(source.begin(), source.end(), kernel), end; found != end;
       ++found) {
    ptx += "HOST_KERNEL(" + (*found)[1].str() + ")\n";
  }
  program->log = Check(ptx);
  if (!program->log.empty()) return kCompilation;
  program->ptx = ptx;
  return kSuccess;
}

NVRTC_EXPORT int nvrtcGetProgramLogSize(Program* program, size_t* byte_size) {
  *byte_size = program->log.size() + 1;
  return kSuccess;
}

NVRTC_EXPORT int nvrtcGetProgramLog(Program* program, char* log) {
  Copy(program->log, log);
  return kSuccess;
}

NVRTC_EXPORT int nvrtcGetPTXSize(Program* program, size_t* byte_size) {
  *byte_size = program->ptx.size() + 1;
  return kSuccess;
}

NVRTC_EXPORT int nvrtcGetPTX(Program* program, char* ptx) {
  Copy(program->ptx, ptx);
  return kSuccess;
}
