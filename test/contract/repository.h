#pragma once

#include <string>
#include <vector>

namespace trident::contract {

std::string ReadFile(const std::string& path);

// A model repository in a temporary directory, removed at the end. Externally synchronised by its
// test.
class Repository {
 public:
  Repository();
  ~Repository();
  Repository(const Repository&) = delete;
  Repository& operator=(const Repository&) = delete;

  // A model without files, as identity's are.
  void Add(const std::string& model, const std::string& config,
           const std::vector<int>& versions = {1});
  // A model of one of the generated files, or of digits; an empty config writes none.
  void AddOnnx(const std::string& model, const std::string& file, const std::string& config = "");

  void Write(const std::string& path, const std::string& bytes);
  std::string Path(const std::string& path) const { return root_ + "/" + path; }
  const std::string& root() const { return root_; }

 private:
  std::string root_;
};

// The bytes of a generated file ("add_sub") or of "digits".
std::string OnnxFile(const std::string& name);

}  // namespace trident::contract
