#include "arguments.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace trident::bench {
namespace {

void OnAlarm(int) {
  constexpr char kMessage[] = "the time for this measurement is over, and it is not\n";
  (void)!write(STDERR_FILENO, kMessage, sizeof(kMessage) - 1);
  _exit(1);
}

template <typename T>
bool Parse(std::string_view text, T* value) {
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && stopped == end;
}

}  // namespace

void Die(const std::string& message) {
  fprintf(stderr, "%s: %s\n", program_invocation_short_name, message.c_str());
  exit(1);
}

void LimitRunTime(double seconds) {
  signal(SIGALRM, OnAlarm);
  alarm(static_cast<unsigned>(std::ceil(seconds)));
}

Arguments::Arguments(int argc, char** argv, std::string usage,
                     std::initializer_list<std::string_view> names,
                     std::initializer_list<std::string_view> flags)
    : usage_(std::move(usage)) {
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::string name = argument.starts_with("--") ? argument.substr(2) : "";
    std::string& value = values_[name];
    if (std::ranges::find(flags, name) != flags.end()) continue;
    if (std::ranges::find(names, name) == names.end()) {
      Refuse("unknown argument '" + argument + "'");
    }
    if (++i == argc) Refuse("'" + argument + "' needs a value");
    value = argv[i];
  }
}

std::string Arguments::Text(const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? "" : found->second;
}

std::string Arguments::Required(const std::string& name) const {
  if (Text(name).empty()) Refuse("'--" + name + "' is needed");
  return Text(name);
}

std::string Arguments::Choice(const std::string& name,
                              std::initializer_list<const char*> choices) const {
  if (!Has(name)) return *choices.begin();
  for (const char* choice : choices) {
    if (Text(name) == choice) return choice;
  }
  Refuse("'--" + name + "' can't be '" + Text(name) + "'");
}

double Arguments::Number(const std::string& name, double fallback) const {
  if (!Has(name)) return fallback;
  double value = 0;
  if (!Parse(Text(name), &value) || !(value > 0)) {
    Refuse("'--" + name + "' must be a number above 0, not '" + Text(name) + "'");
  }
  return value;
}

uint64_t Arguments::Count(const std::string& name, uint64_t fallback) const {
  return Counts(name, {fallback}).front();
}

std::vector<uint64_t> Arguments::Counts(const std::string& name,
                                        std::vector<uint64_t> fallback) const {
  if (!Has(name)) return fallback;
  std::vector<uint64_t> values;
  const std::string text = Text(name);
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    uint64_t value = 0;
    if (!Parse(std::string_view(text).substr(begin, end - begin), &value) || value == 0) {
      Refuse("'--" + name + "' must be whole numbers from 1 on, not '" + text + "'");
    }
    values.push_back(value);
    begin = end + 1;
  }
  return values;
}

void Arguments::Refuse(const std::string& why) const {
  fprintf(stderr, "%s: %s\n%s", program_invocation_short_name, why.c_str(), usage_.c_str());
  exit(2);
}

}  // namespace trident::bench
