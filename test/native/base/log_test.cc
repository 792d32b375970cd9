#include "base/log.h"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>
#include <vector>

#include "base/status.h"

namespace trident {
namespace {

class LogFile : public testing::Test {
 protected:
  LogFile() : path_(testing::TempDir() + "trident_log_" + std::to_string(getpid())) {}
  ~LogFile() override { std::remove(path_.c_str()); }

  std::string Contents() const {
    std::stringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }

  const std::string path_;
};

TEST_F(LogFile, LinesHaveTritonsHeadingAndCannotBeForged) {
  LogSettings settings;
  settings.file = path_;
  settings.iso8601 = true;
  {
    Logger logger(settings);
    logger.Log(LogLevel::kWarn, "/a/b/file.cc", 12, "name 'x\nE1234 forged\x1b[2J\x7f'");
  }
  const std::string text = Contents();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_NE(text.find("Z W "), std::string::npos) << text;
  const std::string rest = R"( file.cc:12] "name 'x\nE1234 forged\u001B[2J\u007F'")";
  EXPECT_NE(text.find(rest + "\n"), std::string::npos) << text;
}

TEST_F(LogFile, DetailChangesFromTheNextRecordOn) {
  LogSettings settings;
  settings.file = path_;
  Logger logger(settings);
  TRIDENT_LOG(logger, LogLevel::kVerbose, "unheard");
  logger.SetDetail({.warn = false, .verbose = 2});
  TRIDENT_LOG(logger, LogLevel::kWarn, "unheard");
  TRIDENT_LOG(logger, LogLevel::kVerbose, "say \"a\\b\"");
  logger.SetDetail({.iso8601 = true});
  TRIDENT_LOG(logger, LogLevel::kWarn, "dated");
  const std::string text = Contents();
  const std::string number = std::to_string(getpid()) + " log_test.cc:\\d+\\] ";
  const std::regex lines("I\\d{4} \\d\\d:\\d\\d:\\d\\d\\.\\d{6} " + number +
                         R"("say \\"a\\\\b\\""\n)"
                         R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ W )" +
                         number + "\"dated\"\n");
  EXPECT_TRUE(std::regex_match(text, lines)) << text;
}

TEST_F(LogFile, EscapingIsTurnedOffByTritonsVariable) {
  LogSettings settings;
  settings.file = path_;
  setenv("TRITON_SERVER_ESCAPE_LOG_MESSAGES", "0", 1);
  const std::string message("a\tb\0c", 5);
  Logger(settings).Log(LogLevel::kError, "f.cc", 1, message);
  unsetenv("TRITON_SERVER_ESCAPE_LOG_MESSAGES");
  EXPECT_NE(Contents().find("f.cc:1] " + message + "\n"), std::string::npos) << Contents();
}

TEST_F(LogFile, AppendsToWhatIsThere) {
  std::ofstream(path_) << "before\n";
  LogSettings settings;
  settings.file = path_;
  { Logger(settings).Log(LogLevel::kError, "f.cc", 1, "after"); }
  EXPECT_EQ(Contents().rfind("before\n", 0), 0u);
  EXPECT_NE(Contents().find("\"after\"\n"), std::string::npos);
}

TEST(Logger, LevelsAreSwitchedOneByOne) {
  const Logger quiet;
  EXPECT_FALSE(quiet.IsEnabled(LogLevel::kInfo));
  EXPECT_TRUE(quiet.IsEnabled(LogLevel::kWarn));
  EXPECT_TRUE(quiet.IsEnabled(LogLevel::kError));
  EXPECT_FALSE(quiet.IsEnabled(LogLevel::kVerbose));
  LogSettings settings;
  settings.verbose = 2;
  settings.error = false;
  const Logger verbose(settings);
  EXPECT_TRUE(verbose.IsEnabled(LogLevel::kVerbose, 2));
  EXPECT_FALSE(verbose.IsEnabled(LogLevel::kVerbose, 3));
  EXPECT_FALSE(verbose.IsEnabled(LogLevel::kError));
}

TEST(Logger, SinkGetsEnabledRecordsUnescaped) {
  std::vector<std::string> messages;
  LogSettings settings;
  settings.sink = [&](const LogRecord& record) {
    EXPECT_GT(record.timestamp_us, 0u);
    messages.push_back(record.message);
  };
  const Logger logger(settings);
  TRIDENT_LOG(logger, LogLevel::kInfo, "not wanted");
  TRIDENT_LOG(logger, LogLevel::kError, "line\n", 2);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0], "line\n2");
}

TEST(Logger, CurrentIsTheLastOneSetWhileItLives) {
  const auto fallback = Logger::Current();
  ASSERT_NE(fallback, nullptr);
  auto mine = std::make_shared<Logger>();
  Logger::SetCurrent(mine);
  EXPECT_EQ(Logger::Current(), mine);
  mine.reset();
  EXPECT_EQ(Logger::Current(), fallback);
}

}  // namespace
}  // namespace trident
