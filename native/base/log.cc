#include "base/log.h"

#include <sys/time.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <ctime>
#include <vector>

#include "base/status.h"

namespace trident {
namespace {

constexpr char kLetters[] = "IWEV";

const char* BaseName(const char* path) {
  const char* slash = strrchr(path, '/');
  return slash != nullptr ? slash + 1 : path;
}

std::string Escape(const std::string& message) {
  std::string out;
  out.reserve(message.size());
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      char code[8];
      snprintf(code, sizeof(code), c == '\n' ? "\\n" : "\\x%02x", byte);
      out += code;
    } else {
      out += c;
    }
  }
  return out;
}

std::string Heading(const LogRecord& record, bool iso8601) {
  const time_t seconds = static_cast<time_t>(record.timestamp_us / 1000000);
  const auto micros = static_cast<unsigned>(record.timestamp_us % 1000000);
  char text[512];
  tm parts;
  if (iso8601) {
    gmtime_r(&seconds, &parts);
    snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ %c %d %s:%d] ",
             parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
             parts.tm_sec, kLetters[static_cast<int>(record.level)], static_cast<int>(getpid()),
             BaseName(record.file), record.line);
  } else {
    localtime_r(&seconds, &parts);
    snprintf(text, sizeof(text), "%c%02d%02d %02d:%02d:%02d.%06u %d %s:%d] ",
             kLetters[static_cast<int>(record.level)], parts.tm_mon + 1, parts.tm_mday,
             parts.tm_hour, parts.tm_min, parts.tm_sec, micros, static_cast<int>(getpid()),
             BaseName(record.file), record.line);
  }
  return text;
}

uint64_t WallClockUs() {
  timeval now;
  gettimeofday(&now, nullptr);
  return static_cast<uint64_t>(now.tv_sec) * 1000000 + static_cast<uint64_t>(now.tv_usec);
}

struct CurrentLogger {
  Mutex mutex;
  std::vector<std::weak_ptr<Logger>> loggers GUARDED_BY(mutex);  // newest last
};

// Leaked: plug-ins may log while the process runs its static destructors.
CurrentLogger& TheCurrentLogger() {
  static auto* current = new CurrentLogger();
  return *current;
}

}  // namespace

Logger::Logger(LogSettings settings) : settings_(std::move(settings)) {
  if (!settings_.file.empty()) file_ = fopen(settings_.file.c_str(), "ae");
}

Logger::~Logger() {
  if (file_ != nullptr) fclose(static_cast<FILE*>(file_));
}

bool Logger::IsEnabled(LogLevel level, int verbose_level) const {
  switch (level) {
    case LogLevel::kInfo:
      return settings_.info;
    case LogLevel::kWarn:
      return settings_.warn;
    case LogLevel::kError:
      return settings_.error;
    case LogLevel::kVerbose:
      return settings_.verbose >= verbose_level;
  }
  return false;
}

void Logger::Log(LogLevel level, const char* file, int line, const std::string& message) const {
  const LogRecord record{level, file, line, WallClockUs(), message.c_str()};
  if (settings_.sink) {
    settings_.sink(record);
    return;
  }
  const std::string text = Heading(record, settings_.iso8601) + Escape(message) + "\n";
  MutexLock lock(mutex_);
  FILE* out = file_ != nullptr ? static_cast<FILE*>(file_) : stderr;
  fputs(text.c_str(), out);
  fflush(out);
}

std::shared_ptr<Logger> Logger::Current() {
  CurrentLogger& current = TheCurrentLogger();
  {
    MutexLock lock(current.mutex);
    for (auto it = current.loggers.rbegin(); it != current.loggers.rend(); ++it) {
      if (auto logger = it->lock()) return logger;
    }
  }
  static auto* fallback = new std::shared_ptr<Logger>(std::make_shared<Logger>());
  return *fallback;
}

void Logger::SetCurrent(std::weak_ptr<Logger> logger) {
  CurrentLogger& current = TheCurrentLogger();
  MutexLock lock(current.mutex);
  std::erase_if(current.loggers, [](const auto& other) { return other.expired(); });
  current.loggers.push_back(std::move(logger));
}

}  // namespace trident
