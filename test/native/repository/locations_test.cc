#include "repository/locations.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace trident {
namespace {

namespace fs = std::filesystem;

class Locations : public ::testing::Test {
 protected:
  Locations() {
    std::string pattern = (fs::temp_directory_path() / "trident-locations-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
    for (const char* model : {"a/one/1", "a/both/1", "a/.git", "b/two/1", "b/both/1"}) {
      fs::create_directories(root_ / model);
    }
    a_ = (root_ / "a").string();
    b_ = (root_ / "b").string();
  }
  ~Locations() override { fs::remove_all(root_); }

  fs::path root_;
  std::string a_, b_;
};

TEST_F(Locations, ModelsAreFoundByNameAndByMapping) {
  ModelLocations locations({a_});
  EXPECT_EQ(locations.Find({"", "one"})->directory, a_ + "/one");
  EXPECT_EQ(locations.Find({"", "two"}).status().code(), StatusCode::kInternal);
  ASSERT_TRUE(locations.Register(b_, {{"two", "zwei"}}).ok());
  EXPECT_EQ(locations.Find({"", "zwei"})->directory, b_ + "/two");
  EXPECT_TRUE(locations.Find({"", "zwei"})->mapped);
  EXPECT_FALSE(locations.Find({"", "one"})->mapped);
  EXPECT_FALSE(locations.Find({"", "two"}).ok()) << "a mapped directory has its new name only";
  EXPECT_EQ((*locations.All()).count({"", "two"}), 0u);
  EXPECT_EQ((*locations.All()).count({"", "zwei"}), 1u);
}

// 3.13.8, all of it.
TEST_F(Locations, RegistrationIsCheckedAndUnregistrationUndoesIt) {
  ModelLocations locations({a_});
  const auto refused = [](const Status& status, StatusCode code, const std::string& text) {
    EXPECT_EQ(status.code(), code);
    EXPECT_NE(status.message().find(text), std::string::npos) << status.message();
  };
  refused(locations.Register(b_ + "/none", {}), StatusCode::kInvalidArg, "repository not found");
  refused(locations.Register(a_, {}), StatusCode::kAlreadyExists,
          "model repository '" + a_ + "' has already been registered");
  refused(locations.Register(b_, {{"two", "x"}, {"both", "x"}}), StatusCode::kInvalidArg,
          "there is a conflicting mapping for 'x'");
  for (const char* outside : {"../a/one", "/", "..", ""}) {
    refused(locations.Register(b_, {{outside, "x"}}), StatusCode::kInvalidArg, "directory: ");
  }
  ASSERT_TRUE(locations.Register(b_, {{"two", "zwei"}}).ok());
  refused(locations.Register(root_.string(), {{"a", "zwei"}}), StatusCode::kAlreadyExists,
          "there is a conflicting mapping for 'zwei'");
  EXPECT_TRUE(locations.Unregister(b_).ok());
  refused(locations.Unregister(b_), StatusCode::kInvalidArg,
          "failed to unregister '" + b_ + "', repository not found");
  EXPECT_FALSE(locations.Find({"", "zwei"}).ok());
  EXPECT_TRUE(locations.Register(root_.string(), {{"a", "zwei"}}).ok()) << "the mapping went too";
}

// 3.12.11
TEST_F(Locations, WithoutNamespacesANameInTwoRepositoriesIsAmbiguous) {
  ModelLocations locations({a_, b_});
  EXPECT_EQ(locations.Find({"", "both"}).status().code(), StatusCode::kInvalidArg);
  EXPECT_EQ((*locations.All()).at({"", "both"}), 2);
  EXPECT_EQ(locations.Named("both"), (std::set<ModelIdentity>{{"", "both"}}));
}

// 3.15.8
TEST_F(Locations, WithNamespacesTheyAreTwoModels) {
  ModelLocations locations({a_, b_}, /*namespacing=*/true);
  EXPECT_EQ(locations.Named("both"), (std::set<ModelIdentity>{{a_, "both"}, {b_, "both"}}));
  EXPECT_EQ(locations.Named(b_ + "::both"), (std::set<ModelIdentity>{{b_, "both"}}));
  EXPECT_EQ(locations.Named("none"), std::set<ModelIdentity>());
  EXPECT_EQ(locations.Find({b_, "both"})->directory, b_ + "/both");
  EXPECT_FALSE(locations.Find({a_, "two"}).ok());
  EXPECT_EQ((*locations.All()).at({a_, "both"}), 1);
  EXPECT_EQ((ModelIdentity{a_, "one"}.Text()), a_ + "::one");
}

TEST_F(Locations, DirectoriesThatEditorsHideAreNoModels) {
  EXPECT_EQ((*ModelLocations({a_}).All()).size(), 2u);
}

TEST_F(Locations, ARepositoryThatCannotBeReadIsAnError) {
  ModelLocations locations({a_ + "/absent"});
  EXPECT_EQ(locations.All().status().code(), StatusCode::kInternal);
}

}  // namespace
}  // namespace trident
