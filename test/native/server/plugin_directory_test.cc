#include "server/plugin_directory.h"

#include <gtest/gtest.h>

namespace trident {
namespace {

// What an installed tree has is for the tests of the installed tree.
TEST(PluginDirectory, IsTritonsOutsideOfAnInstalledTree) {
  EXPECT_EQ(PluginDirectory("backends"), "/opt/tritonserver/backends");
  EXPECT_EQ(PluginDirectory("caches"), "/opt/tritonserver/caches");
}

}  // namespace
}  // namespace trident
