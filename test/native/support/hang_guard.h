#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace trident {

// Ends the program when a test takes so long that it must hang, wherever it does.
class HangGuard : public testing::EmptyTestEventListener {
  static constexpr unsigned kLimitSeconds = 180;  // ten times the slowest, under a sanitizer

  void OnTestStart(const testing::TestInfo& test) override {
    snprintf(message_, sizeof(message_), "FAILED: %s.%s hangs\n", test.test_suite_name(),
             test.name());
    signal(SIGALRM, OnAlarm);
    alarm(kLimitSeconds);
  }
  void OnTestEnd(const testing::TestInfo&) override { alarm(0); }

  static void OnAlarm(int) {
    if (write(STDERR_FILENO, message_, strlen(message_)) < 0) _exit(3);
    abort();
  }

  static inline char message_[256];
};

}  // namespace trident
