#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace trident::bench {

// Prints the program's name and the message, and ends it with code 1.
[[noreturn]] void Die(const std::string& message);

// Ends the program with a message if it is still there after that many seconds: a request that is
// never answered must not hang whoever started the measurement.
void LimitRunTime(double seconds);

// The arguments of a program: pairs of "--name" and value, and flags, which have none. Whatever is
// wrong with them ends the program with a message and the usage. Immutable after construction.
class Arguments {
 public:
  Arguments(int argc, char** argv, std::string usage, std::initializer_list<std::string_view> names,
            std::initializer_list<std::string_view> flags = {});

  bool Has(const std::string& name) const { return values_.contains(name); }
  std::string Text(const std::string& name) const;  // "" unless given
  std::string Required(const std::string& name) const;
  // One of `choices`, the first unless given.
  std::string Choice(const std::string& name, std::initializer_list<const char*> choices) const;
  double Number(const std::string& name, double fallback) const;  // above 0
  uint64_t Count(const std::string& name, uint64_t fallback) const;
  // "1,64,256"
  std::vector<uint64_t> Counts(const std::string& name, std::vector<uint64_t> fallback) const;
  [[noreturn]] void Refuse(const std::string& why) const;

 private:
  const std::string usage_;
  std::map<std::string, std::string> values_;
};

}  // namespace trident::bench
