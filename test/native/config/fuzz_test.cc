#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "config/json_format.h"
#include "config/normalize.h"
#include "config/random_config.h"
#include "config/text_format.h"
#include "config/validate.h"

namespace trident {
namespace {

constexpr int kIterations = 20'000;

// Cuts, doubles, swaps and overwrites bytes and stretches of `text`.
std::string Mutate(RandomConfig* random, std::string text) {
  constexpr std::string_view kSpice[] = {
      "{",   "}",       "[",    "]",        "<",     ">",
      ":",   ",",       ";",    "-",        "\"",    "'",
      "\\",  "#",       "\n",   "0x",       "1e999", "99999999999999999999",
      "-1",  "nan",     "key",  "value",    "name",  "input",
      "\\u", "\\ud800", "\xff", "\xc3\xa9", "null",  "true",
      "{}",  "[]",      "dims", "1.5",      "."};
  for (uint64_t count = 1 + random->Below(4); count > 0; --count) {
    const size_t at = random->Below(text.size() + 1);
    const size_t length = random->Below(std::min<size_t>(text.size() - at, 20) + 1);
    const std::string stretch = text.substr(at, length);
    switch (random->Below(5)) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(random->Below(text.size() + 1), stretch);
        break;
      case 2:
        text.insert(at, kSpice[random->Below(std::size(kSpice))]);
        break;
      case 3:
        text.replace(at, length, kSpice[random->Below(std::size(kSpice))]);
        break;
      default:
        if (at < text.size()) text[at] = static_cast<char>(random->Below(256));
    }
  }
  return text;
}

// What reads must also print, normalise and validate; a refusal must be a useful INVALID_ARG.
void Check(const Result<ModelConfig>& result, const std::string& text) {
  if (!result.ok()) {
    ASSERT_EQ(result.status().code(), StatusCode::kInvalidArg) << text;
    ASSERT_FALSE(result.status().message().empty()) << text;
    ASSERT_LT(result.status().message().size(), 1000u) << text;
    return;
  }
  const auto again = ParseModelConfigJson(ModelConfigToJson(*result));
  ASSERT_TRUE(again.ok()) << again.status().message() << "\n" << text;
  ModelConfig config = *again;
  Normalize(&config);
  NormalizeInstanceGroups({}, {}, &config);
  for (const Status& status :
       {Validate(config), ValidateTensors(config), ValidateInstanceGroups(config, {})}) {
    ASSERT_TRUE(status.ok() || !status.message().empty());
  }
}

class Fuzz : public testing::Test {
 protected:
  Fuzz()
      : seed_(static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count())),
        random_(seed_) {
    const char* given = std::getenv("TRIDENT_TEST_SEED");
    if (given != nullptr) {
      seed_ = std::strtoull(given, nullptr, 10);
      random_ = RandomConfig(seed_);
    }
    std::printf("seed: TRIDENT_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed_));
  }

  uint64_t seed_;
  RandomConfig random_;
};

TEST_F(Fuzz, TextReaderSurvivesMutatedConfigurations) {
  int accepted = 0;
  std::string text;
  for (int i = 0; i < kIterations && !HasFatalFailure(); ++i) {
    if (i % 20 == 0) text = random_.Text(random_.Make(0.2));
    const std::string mutated = Mutate(&random_, text);
    const auto result = ParseModelConfigText(mutated, "config.pbtxt");
    accepted += result.ok() ? 1 : 0;
    Check(result, mutated);
  }
  // The mutations are only worth something if they reach beyond the first token.
  EXPECT_GT(accepted, kIterations / 1000);
  EXPECT_LT(accepted, kIterations);
}

TEST_F(Fuzz, JsonReaderSurvivesMutatedConfigurations) {
  int accepted = 0;
  std::string json;
  for (int i = 0; i < kIterations && !HasFatalFailure(); ++i) {
    if (i % 20 == 0) json = ModelConfigToJson(random_.Make(0.2));
    const std::string mutated = Mutate(&random_, json);
    const auto result = ParseModelConfigJson(mutated);
    accepted += result.ok() ? 1 : 0;
    Check(result, mutated);
  }
  EXPECT_GT(accepted, kIterations / 1000);
  EXPECT_LT(accepted, kIterations);
}

}  // namespace
}  // namespace trident
