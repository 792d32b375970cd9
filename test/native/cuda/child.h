#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace trident::cuda {

// Another process: the program of child.cc, with other settings in its environment. It reads and
// writes lines. Waited for in the end.
class Child {
 public:
  explicit Child(std::vector<std::string> arguments,
                 const std::vector<std::string>& settings = {}) {
    int to_child[2];
    int from_child[2];
    if (pipe2(to_child, O_CLOEXEC) != 0 || pipe2(from_child, O_CLOEXEC) != 0) abort();
    arguments.insert(arguments.begin(), CUDA_CHILD);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    process_ = fork();
    if (process_ == 0) {
      dup2(to_child[0], STDIN_FILENO);
      dup2(from_child[1], STDOUT_FILENO);
      for (const std::string& setting : settings) putenv(const_cast<char*>(setting.c_str()));
      execv(argv[0], argv.data());
      _exit(127);
    }
    close(to_child[0]);
    close(from_child[1]);
    input_ = fdopen(to_child[1], "w");
    output_ = fdopen(from_child[0], "r");
  }
  ~Child() { Wait(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Its next line; "" when it has ended.
  std::string Read() {
    char line[1024];
    if (fgets(line, sizeof(line), output_) == nullptr) return "";
    std::string text = line;
    if (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }

  // The line it answers.
  std::string Ask(const std::string& line) {
    fprintf(input_, "%s\n", line.c_str());
    fflush(input_);
    return Read();
  }

  // Lets it end. The exit code, or minus the signal that ended it.
  int Wait() {
    if (process_ < 0) return exit_;
    fclose(input_);
    int status = 0;
    while (waitpid(process_, &status, 0) < 0) {
    }
    fclose(output_);
    process_ = -1;
    exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    return exit_;
  }

 private:
  pid_t process_ = -1;
  FILE* input_ = nullptr;
  FILE* output_ = nullptr;
  int exit_ = 0;
};

}  // namespace trident::cuda
