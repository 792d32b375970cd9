#include "repository/scan.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace trident {
namespace {

namespace fs = std::filesystem;

// A model whose owner never destroys it; reachable, so that it is no leak.
TemporaryModel* volatile abandoned = nullptr;

class Disk : public ::testing::Test {
 protected:
  Disk() {
    std::string pattern = (fs::temp_directory_path() / "trident-scan-XXXXXX").string();
    root_ = mkdtemp(pattern.data());
  }
  ~Disk() override { fs::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    const fs::path file = root_ / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  fs::path root_;
  Logger logger_{[] {
    LogSettings settings;
    settings.sink = [](const LogRecord&) {};
    return settings;
  }()};
};

TEST_F(Disk, ScanFindsVersionsConfigAndFiles) {
  Write("m/1/model.onnx", "x");
  Write("m/1/labels.txt", "x");
  Write("m/10/model.onnx", "x");
  Write("m/01/model.onnx", "x");
  Write("m/docs/readme", "x");
  Write("m/config.pbtxt", "name: 'm'");
  const auto files = ScanModel((root_ / "m").string(), "", logger_);
  ASSERT_TRUE(files.ok());
  EXPECT_EQ(files->versions, (std::set<int64_t>{1, 10}));
  EXPECT_EQ(files->first_version_files, (std::vector<std::string>{"labels.txt", "model.onnx"}));
  ASSERT_TRUE(files->config.has_value());
  EXPECT_EQ(files->config->text, "name: 'm'");
}

TEST_F(Disk, ANamedConfigGoesFirstWhenItExists) {
  Write("m/config.pbtxt", "plain");
  Write("m/configs/big.pbtxt", "big");
  EXPECT_EQ(ScanModel((root_ / "m").string(), "big", logger_)->config->text, "big");
  EXPECT_EQ(ScanModel((root_ / "m").string(), "small", logger_)->config->text, "plain");
}

TEST_F(Disk, TheFingerprintFollowsEveryFile) {
  Write("m/1/model.onnx", "x");
  const auto scan = [&] { return ScanModel((root_ / "m").string(), "", logger_)->fingerprint.all; };
  const uint64_t first = scan();
  EXPECT_EQ(scan(), first);
  Write("m/1/model.onnx", "xy");
  const uint64_t grown = scan();
  EXPECT_NE(grown, first);
  Write("m/1/extra", "x");
  EXPECT_NE(scan(), grown);
  // Version directories are often links into a store.
  Write("store/model.onnx", "x");
  fs::create_directory_symlink(root_ / "store", root_ / "m/2");
  fs::create_directory_symlink(root_ / "m", root_ / "m/2/cycle");
  const uint64_t linked = scan();
  Write("store/model.onnx", "xyz");
  EXPECT_NE(scan(), linked);
}

TEST_F(Disk, WhatIsRewrittenDuringAScanIsFoundChanged) {
  Write("m/01/model.onnx", "x");  // is warned of in the middle of the scan
  Write("m/config.pbtxt", "x");
  const uint64_t before = FingerprintOf((root_ / "m").string()).all;
  LogSettings settings;
  settings.sink = [this](const LogRecord&) { Write("m/config.pbtxt", "xy"); };
  const auto files = ScanModel((root_ / "m").string(), "", Logger(settings));
  ASSERT_TRUE(files.ok());
  EXPECT_EQ(files->fingerprint.all, before);
  EXPECT_NE(FingerprintOf((root_ / "m").string()).all, before);
}

TEST_F(Disk, WhatCannotBeReadHidesNothingBesideIt) {
  for (int version = 1; version <= 8; ++version) {
    Write("m/" + std::to_string(version) + "/sub/model.onnx", "x");
  }
  const auto scan = [&] {
    // The superuser may read everything.
    const bool root = geteuid() == 0;
    EXPECT_TRUE(!root || seteuid(65534) == 0);
    const Fingerprint out = FingerprintOf((root_ / "m").string());
    EXPECT_TRUE(!root || seteuid(0) == 0);
    return out;
  };
  fs::permissions(root_, fs::perms(0755));
  fs::permissions(root_ / "m/3/sub", fs::perms::none);
  fs::permissions(root_ / "m/6/sub", fs::perms::none);
  for (const int version : {1, 2, 4, 5, 7, 8}) {
    const Fingerprint before = scan();
    Write("m/" + std::to_string(version) + "/sub/model.onnx", "xy");
    EXPECT_NE(scan().all, before.all) << version;
  }
  const Fingerprint hidden = scan();
  for (const char* path : {"m/3/sub", "m/6/sub"}) fs::permissions(root_ / path, fs::perms(0755));
  EXPECT_NE(scan().versions[3], hidden.versions.at(3));
}

TEST_F(Disk, LinksThatLeadBackEnd) {
  constexpr int kDirectories = 12;  // along every path that repeats nothing: 12! ways
  for (int i = 0; i < kDirectories; ++i) {
    const fs::path from = root_ / "m/1" / std::to_string(i);
    fs::create_directories(from);
    for (int to = 0; to < kDirectories; ++to) {
      fs::create_directory_symlink(root_ / "m/1" / std::to_string(to), from / std::to_string(to));
    }
  }
  Write("m/1/7/weights", "x");
  const Fingerprint first = FingerprintOf((root_ / "m").string());
  Write("m/1/7/weights", "xy");
  EXPECT_NE(FingerprintOf((root_ / "m").string()).all, first.all);
}

TEST_F(Disk, VersionsThatShareAStoreAreBothOfItsFiles) {
  Write("store/model.onnx", "x");
  fs::create_directories(root_ / "m");
  for (const char* version : {"1", "2"}) {
    fs::create_directory_symlink(root_ / "store", root_ / "m" / version);
  }
  const Fingerprint first = FingerprintOf((root_ / "m").string());
  Write("store/model.onnx", "xy");
  Fingerprint second = FingerprintOf((root_ / "m").string());
  for (const int64_t version : {1, 2}) {
    EXPECT_NE(second.versions[version], first.versions.at(version));
  }
}

TEST_F(Disk, AMissingDirectoryIsAnError) {
  EXPECT_EQ(ScanModel((root_ / "absent").string(), "", logger_).status().code(),
            StatusCode::kInternal);
}

TEST_F(Disk, FilesGivenAsBytesLiveInADirectoryThatGoesAway) {
  const std::string bytes = "weights";
  std::string directory;
  {
    auto model =
        TemporaryModel::Create({Parameter::Bytes("file:1/model.onnx", bytes.data(), bytes.size())});
    ASSERT_TRUE(model.ok());
    directory = (*model)->directory();
    std::ifstream in(directory + "/1/model.onnx");
    std::string read;
    in >> read;
    EXPECT_EQ(read, bytes);
    struct stat info;
    ASSERT_EQ(stat(directory.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u) << "nobody else may read a model";
  }
  EXPECT_FALSE(fs::exists(directory));
}

TEST_F(Disk, FilesGivenAsBytesGoAwayWhenTheProcessExits) {
  // The child is this program run anew (a fork would not be the process that made the directory),
  // so it is told where to leave its note.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  setenv("TRIDENT_TEST_NOTE", (root_ / "directory").c_str(), 0);
  const fs::path note = getenv("TRIDENT_TEST_NOTE");
  EXPECT_EXIT(
      {
        auto model = TemporaryModel::Create({Parameter::Bytes("file:1/x", "x", 1)});
        std::ofstream(note) << (*model)->directory();
        abandoned = std::move(model).value().release();
        exit(7);
      },
      ::testing::ExitedWithCode(7), "");
  std::ifstream in(note);
  std::string directory;
  in >> directory;
  ASSERT_FALSE(directory.empty());
  EXPECT_FALSE(fs::exists(directory));
}

TEST_F(Disk, WhatAKilledProcessLeftIsRemovedByTheNext) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  setenv("TRIDENT_TEST_ORPHAN_NOTE", (root_ / "directory").c_str(), 0);
  const fs::path note = getenv("TRIDENT_TEST_ORPHAN_NOTE");
  const auto create = [] { return TemporaryModel::Create({Parameter::Bytes("file:1/x", "x", 1)}); };
  EXPECT_EXIT(
      {
        auto model = create();
        std::ofstream(note) << (*model)->directory() << std::flush;
        raise(SIGKILL);
      },
      ::testing::KilledBySignal(SIGKILL), "");
  std::ifstream in(note);
  std::string directory;
  in >> directory;
  ASSERT_TRUE(fs::exists(directory));
  fs::last_write_time(directory, fs::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_EXIT(
      {
        auto model = create();
        _exit(fs::exists(directory) ? 1 : 0);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST_F(Disk, FilesGivenAsBytesStayInside) {
  for (const char* name : {"file:../x", "file:/x", "file:", "file:1/../../x"}) {
    EXPECT_EQ(TemporaryModel::Create({Parameter::Bytes(name, "", 0)}).status().code(),
              StatusCode::kInvalidArg)
        << name;
  }
  EXPECT_EQ(TemporaryModel::Create(
                {Parameter::Bytes("file:1", "", 0), Parameter::Bytes("file:1/x", "", 0)})
                .status()
                .code(),
            StatusCode::kInvalidArg);
}

TEST_F(Disk, AVersionsFingerprintIsOfItsOwnFilesAndTheCommonOnes) {
  Write("m/1/model.onnx", "x");
  Write("m/2/model.onnx", "x");
  Write("m/labels.txt", "x");
  Write("m/config.pbtxt", "x");
  const auto scan = [&] { return FingerprintOf((root_ / "m").string()); };
  const Fingerprint first = scan();
  ASSERT_EQ(first.versions.size(), 2u);
  Write("m/config.pbtxt", "xy");
  Write("m/configs/other.pbtxt", "x");
  EXPECT_EQ(scan().versions, first.versions) << "a configuration is no part of a version";
  EXPECT_NE(scan().all, first.all);
  Write("m/2/model.onnx", "xy");
  EXPECT_EQ(scan().versions[1], first.versions.at(1));
  EXPECT_NE(scan().versions[2], first.versions.at(2));
  Write("m/labels.txt", "xy");
  EXPECT_NE(scan().versions[1], first.versions.at(1));
}

}  // namespace
}  // namespace trident
