#include "model/model_file.h"

#include <filesystem>
#include <fstream>

namespace trident {

namespace fs = std::filesystem;

Result<std::string> PathInside(const std::string& directory, const std::string& name) {
  const fs::path relative(name);
  bool inside = !name.empty() && relative.is_relative() && name.find('\0') == std::string::npos;
  for (const fs::path& part : relative) inside = inside && part != "..";
  if (!inside) return InvalidArg("path '", name, "' does not stay inside ", directory);
  return (fs::path(directory) / relative).string();
}

Result<std::string> ReadWholeFile(const std::string& path, uint64_t limit) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    return NotFound("failed to read ", path, ": ", error ? error.message() : "no regular file");
  }
  const uintmax_t size = fs::file_size(path, error);
  if (error) return Internal("failed to read ", path, ": ", error.message());
  if (size > limit) {
    return InvalidArg(path, " has ", size, " bytes; at most ", limit, " are allowed");
  }
  std::string bytes(size, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(bytes.data(), static_cast<std::streamsize>(size));
  if (!in) return Internal("failed to read ", path);
  return bytes;
}

}  // namespace trident
