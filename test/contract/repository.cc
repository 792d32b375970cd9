#include "repository.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "environment.h"

namespace trident::contract {

namespace fs = std::filesystem;

namespace {

// An ensemble has no instances that could be isolated.
std::string AsTested(const std::string& config) {
  const bool ensemble = config.find("ensemble") != std::string::npos;
  return environment.isolated && !ensemble ? config + " isolation: \"process\"" : config;
}

}  // namespace

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::string OnnxFile(const std::string& name) {
  return ReadFile(name == "digits" ? environment.digits + "/models/digits/1/model.onnx"
                                   : environment.models + "/" + name + ".onnx");
}

Repository::Repository() {
  root_ = (fs::temp_directory_path() / "trident-contract-XXXXXX").string();
  if (mkdtemp(root_.data()) == nullptr) throw std::runtime_error("mkdtemp " + root_);
}

Repository::~Repository() {
  std::error_code ignored;
  fs::remove_all(root_, ignored);
}

void Repository::Add(const std::string& model, const std::string& config,
                     const std::vector<int>& versions) {
  for (const int version : versions) {
    fs::create_directories(Path(model + "/" + std::to_string(version)));
  }
  if (const std::string text = AsTested(config); !text.empty()) {
    Write(model + "/config.pbtxt", text);
  }
}

void Repository::AddOnnx(const std::string& model, const std::string& file,
                         const std::string& config) {
  Add(model, config);
  Write(model + "/1/model.onnx", OnnxFile(file));
}

void Repository::Write(const std::string& path, const std::string& bytes) {
  fs::create_directories(fs::path(Path(path)).parent_path());
  std::ofstream out(Path(path), std::ios::binary | std::ios::trunc);
  out << bytes;
  out.close();
  if (!out) throw std::runtime_error("cannot write " + Path(path));
}

}  // namespace trident::contract
