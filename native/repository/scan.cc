#include "repository/scan.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "base/mutex.h"
#include "repository/plan.h"

namespace trident {
namespace {

namespace fs = std::filesystem;

// A configuration is a page of text; a file beyond this is a mistake or an attack.
constexpr uintmax_t kMaxConfigBytes = 16 << 20;

Status ReadText(const fs::path& path, std::string* text) {
  std::error_code error;
  const uintmax_t size = fs::file_size(path, error);
  if (error) return Internal("failed to read ", path.string(), ": ", error.message());
  if (size > kMaxConfigBytes) {
    return InvalidArg(path.string(), " has ", size, " bytes; a configuration may have at most ",
                      kMaxConfigBytes);
  }
  std::ifstream in(path, std::ios::binary);
  std::stringstream content;
  content << in.rdbuf();
  if (!in || content.bad()) return Internal("failed to read ", path.string());
  *text = content.str();
  return Status::Ok();
}

Status ReadConfig(const std::string& config_name, ModelFiles* files) {
  std::vector<fs::path> candidates;
  const fs::path directory(files->directory);
  if (!config_name.empty()) candidates.push_back(directory / "configs" / (config_name + ".pbtxt"));
  candidates.push_back(directory / "config.pbtxt");
  for (const fs::path& path : candidates) {
    std::error_code error;
    if (!fs::is_regular_file(path, error)) continue;
    files->has_config = true;
    files->config_path = path.string();
    return ReadText(path, &files->config_text);
  }
  return Status::Ok();
}

// Locks a directory for as long as the descriptor is open, which a killed process's is not; -1 if
// that can't be had now.
int Lock(const std::string& directory, int operation) {
  const int descriptor = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor >= 0 && flock(descriptor, operation | LOCK_NB) == 0) return descriptor;
  if (descriptor >= 0) close(descriptor);
  return -1;
}

// The temporary models that exist, removed at exit if their owners did not live to do it: a host
// may call exit() at any time. Leaked, so that it outlives every static destructor.
class TemporaryDirectories {
 public:
  static TemporaryDirectories& Get() {
    static auto* directories = new TemporaryDirectories();
    return *directories;
  }

  void Add(const std::string& directory) {
    MutexLock lock(mutex_);
    if (owner_ == 0) {
      owner_ = getpid();
      std::atexit([] { Get().RemoveAll(); });
      RemoveOrphans();
    }
    directories_.insert(directory);
  }

  static std::string Prefix() { return "trident-model-"; }

  void Remove(const std::string& directory) {
    std::error_code ignored;
    fs::remove_all(directory, ignored);
    MutexLock lock(mutex_);
    directories_.erase(directory);
  }

 private:
  void RemoveAll() {
    MutexLock lock(mutex_);
    if (owner_ != getpid()) return;  // a forked child that exits
    std::error_code ignored;
    for (const std::string& directory : directories_) fs::remove_all(directory, ignored);
  }

  // Those of processes that were killed: nobody holds their lock any more. (Process ids would not
  // tell: containers that share this directory number processes apart.) A young one may be about to
  // be locked.
  static void RemoveOrphans() {
    constexpr time_t kYoungSeconds = 60;
    std::error_code error;
    fs::directory_iterator it(fs::temp_directory_path(error), error);
    for (; !error && it != fs::directory_iterator(); it.increment(error)) {
      if (it->path().filename().string().rfind(Prefix(), 0) != 0) continue;
      const int descriptor = Lock(it->path().string(), LOCK_EX);
      if (descriptor < 0) continue;
      struct stat info;
      const bool old = fstat(descriptor, &info) == 0 && info.st_uid == geteuid() &&
                       time(nullptr) - info.st_mtime > kYoungSeconds;
      std::error_code ignored;
      if (old) fs::remove_all(it->path(), ignored);
      close(descriptor);
    }
  }

  Mutex mutex_;
  pid_t owner_ GUARDED_BY(mutex_) = 0;
  std::set<std::string> directories_ GUARDED_BY(mutex_);
};

}  // namespace

Fingerprint FingerprintOf(const std::string& directory) {
  Fingerprint out;
  uint64_t shared = 0;
  std::error_code error;
  // Links to directories are followed, as model stores are made of them; the depth ends cycles.
  constexpr int kMaxDepth = 16;
  fs::recursive_directory_iterator it(directory, fs::directory_options::follow_directory_symlink,
                                      error);
  for (; !error && it != fs::recursive_directory_iterator(); it.increment(error)) {
    if (it.depth() >= kMaxDepth) it.disable_recursion_pending();
    struct stat info;
    const std::string path = it->path().string();
    if (stat(path.c_str(), &info) != 0) continue;
    const uint64_t entry =
        std::hash<std::string>()(StrCat(path, '\n', info.st_ino, '\n', info.st_size, '\n',
                                        info.st_mtim.tv_sec, '.', info.st_mtim.tv_nsec));
    // Sums, so that the order in which a directory lists does not matter.
    out.all += entry;
    const std::string top = it->path().lexically_relative(directory).begin()->string();
    int64_t version = 0;
    if (S_ISDIR(info.st_mode) || it.depth() > 0) {
      if (ClassifyDirectory(top, &version) == DirectoryKind::kVersion) {
        out.versions[version] += entry;
        continue;
      }
    }
    if (top != "config.pbtxt" && top != "configs") shared += entry;
  }
  for (auto& [version, sum] : out.versions) sum += shared;
  return out;
}

Result<std::set<std::string>> SubdirectoriesOf(const std::string& path) {
  std::set<std::string> names;
  std::error_code error;
  fs::directory_iterator it(path, error);
  for (; !error && it != fs::directory_iterator(); it.increment(error)) {
    std::error_code ignored;
    if (it->is_directory(ignored)) names.insert(it->path().filename().string());
  }
  if (error) return Internal("failed to read directory ", path, ": ", error.message());
  return names;
}

Result<ModelFiles> ScanModel(const std::string& directory, const std::string& config_name,
                             const Logger& logger) {
  ModelFiles files;
  files.directory = directory;
  TRIDENT_ASSIGN_OR_RETURN(const std::set<std::string> names, SubdirectoriesOf(directory));
  for (const std::string& name : names) {
    int64_t version = 0;
    switch (ClassifyDirectory(name, &version)) {
      case DirectoryKind::kVersion:
        files.versions.insert(version);
        break;
      case DirectoryKind::kForeign:
        TRIDENT_LOG(logger, LogLevel::kWarn, "ignore version directory '", name, "' of ", directory,
                    ": its name is no positive number without leading zeros");
        break;
      case DirectoryKind::kReserved:
        break;
    }
  }
  if (!files.versions.empty()) {
    std::error_code error;
    fs::directory_iterator it(fs::path(directory) / std::to_string(*files.versions.begin()), error);
    for (; !error && it != fs::directory_iterator(); it.increment(error)) {
      files.first_version_files.push_back(it->path().filename().string());
    }
    std::sort(files.first_version_files.begin(), files.first_version_files.end());
  }
  TRIDENT_RETURN_IF_ERROR(ReadConfig(config_name, &files));
  files.fingerprint = FingerprintOf(directory);
  return files;
}

Result<std::unique_ptr<TemporaryModel>> TemporaryModel::Create(
    const std::vector<Parameter>& files) {
  std::error_code error;
  const std::string base = TemporaryDirectories::Prefix() + "XXXXXX";
  std::string pattern = (fs::temp_directory_path(error) / base).string();
  if (error) return Internal("there is no directory for temporary files: ", error.message());
  if (mkdtemp(pattern.data()) == nullptr) {
    return Internal("failed to create a temporary model directory: ", strerror(errno));
  }
  TemporaryDirectories::Get().Add(pattern);
  std::unique_ptr<TemporaryModel> model(new TemporaryModel(pattern, Lock(pattern, LOCK_SH)));
  for (const Parameter& file : files) {
    const std::string relative = file.name.substr(strlen("file:"));
    TRIDENT_RETURN_IF_ERROR(CheckRelativePath(relative));
    const fs::path path = fs::path(pattern) / relative;
    fs::create_directories(path.parent_path(), error);
    if (error || fs::is_directory(path, error)) {
      return InvalidArg("Invalid file parameter '", file.name,
                        "', directory has been created as a file, or the other way round");
    }
    std::ofstream out(path, std::ios::binary);
    out.write(static_cast<const char*>(file.bytes), static_cast<std::streamsize>(file.byte_size));
    out.close();
    if (!out) return Internal("failed to write ", path.string());
  }
  return model;
}

TemporaryModel::~TemporaryModel() {
  TemporaryDirectories::Get().Remove(directory_);
  if (lock_ >= 0) close(lock_);
}

}  // namespace trident
