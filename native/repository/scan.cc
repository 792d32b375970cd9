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
#include <map>
#include <sstream>
#include <utility>

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
  using Identity = std::pair<dev_t, ino_t>;
  struct Directory {
    std::string path;
    std::string top;  // the entry of `directory` that leads here; empty: `directory` itself
  };
  Fingerprint out;
  uint64_t shared = 0;
  // Links to directories are followed, as model stores are made of them. Versions may share a
  // store, so each entry at the top goes everywhere once, which ends cycles.
  std::map<std::string, std::set<Identity>> visited;
  // Sums, so that the order in which they are found does not matter.
  const auto add = [&](const std::string& top, bool in_version, const std::string& what) {
    const uint64_t entry = std::hash<std::string>()(what);
    out.all += entry;
    int64_t version = 0;
    if (in_version && ClassifyDirectory(top, &version) == DirectoryKind::kVersion) {
      out.versions[version] += entry;
    } else if (top != "config.pbtxt" && top != "configs") {
      shared += entry;
    }
  };
  struct stat root = {};
  if (stat(directory.c_str(), &root) != 0) return out;
  std::vector<Directory> pending = {{directory, ""}};
  while (!pending.empty()) {
    const Directory current = std::move(pending.back());
    pending.pop_back();
    // Which path leads to a shared directory first must not depend on how the disk lists.
    std::set<std::string> names;
    std::error_code error;
    fs::directory_iterator it(current.path, error);
    for (; !error && it != fs::directory_iterator(); it.increment(error)) {
      names.insert(it->path().filename().string());
    }
    // One that can't be read hides what is in it, not what is beside it.
    if (error) add(current.top, true, StrCat(current.path, '\n', error.value()));
    for (const std::string& name : names) {
      const std::string path = current.path + "/" + name;
      struct stat info;
      if (stat(path.c_str(), &info) != 0) continue;
      const std::string& top = current.top.empty() ? name : current.top;
      const bool is_directory = S_ISDIR(info.st_mode);
      add(top, is_directory || !current.top.empty(),
          StrCat(path, '\n', info.st_ino, '\n', info.st_size, '\n', info.st_mtim.tv_sec, '.',
                 info.st_mtim.tv_nsec));
      const Identity identity(info.st_dev, info.st_ino);
      if (!is_directory || identity == Identity(root.st_dev, root.st_ino)) continue;
      if (visited[top].insert(identity).second) pending.push_back({path, top});
    }
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

Result<std::optional<ConfigFile>> ReadConfigFile(const std::string& directory,
                                                 const std::string& config_name) {
  std::vector<fs::path> candidates;
  const fs::path root(directory);
  if (!config_name.empty()) candidates.push_back(root / "configs" / (config_name + ".pbtxt"));
  candidates.push_back(root / "config.pbtxt");
  for (const fs::path& path : candidates) {
    std::error_code error;
    if (!fs::is_regular_file(path, error)) continue;
    ConfigFile file{.path = path.string()};
    TRIDENT_RETURN_IF_ERROR(ReadText(path, &file.text));
    return std::optional<ConfigFile>(std::move(file));
  }
  return std::optional<ConfigFile>();
}

Result<ModelFiles> ScanModel(const std::string& directory, const std::string& config_name,
                             const Logger& logger) {
  ModelFiles files;
  files.directory = directory;
  // First: what is rewritten while it is read below is then found changed, not taken for read.
  files.fingerprint = FingerprintOf(directory);
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
  TRIDENT_ASSIGN_OR_RETURN(files.config, ReadConfigFile(directory, config_name));
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
