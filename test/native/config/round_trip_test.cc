#include <gtest/gtest.h>

#include "config/json_format.h"
#include "config/random_config.h"
#include "config/text_format.h"

namespace trident {
namespace {

constexpr uint64_t kSeed = 20240607;

class RoundTrip : public testing::TestWithParam<double> {};

TEST_P(RoundTrip, TextAndJsonReadBackEqual) {
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  RandomConfig random(kSeed);
  for (int i = 0; i < 400; ++i) {
    const ModelConfig config = random.Make(GetParam());
    const std::string text = random.Text(config);
    const auto from_text = ParseModelConfigText(text, "config.pbtxt");
    ASSERT_TRUE(from_text.ok()) << from_text.status().message() << "\n" << text;
    const std::string json = ModelConfigToJson(config);
    ASSERT_EQ(ModelConfigToJson(*from_text), json) << text;
    ASSERT_TRUE(*from_text == config) << text;
    const auto from_json = ParseModelConfigJson(json);
    ASSERT_TRUE(from_json.ok()) << from_json.status().message() << "\n" << json;
    ASSERT_TRUE(*from_json == config) << json;
  }
}

INSTANTIATE_TEST_SUITE_P(Density, RoundTrip, testing::Values(0.1, 0.5, 1.0));

}  // namespace
}  // namespace trident
