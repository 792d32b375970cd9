#include "model/labels.h"

#include "model/model_file.h"

namespace trident {
namespace {

// A label is a few words; a file beyond this is a mistake.
constexpr uint64_t kMaxLabelBytes = uint64_t{64} << 20;

std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    if (!lines.back().empty() && lines.back().back() == '\r') lines.back().pop_back();
    begin = end + 1;
  }
  return lines;
}

}  // namespace

Status ReadLabels(const ModelConfig& config, const std::string& directory,
                  ModelSignature* signature) {
  for (size_t i = 0; i < config.output.size(); ++i) {
    const ModelOutput& output = config.output[i];
    if (output.label_filename.empty()) continue;
    const auto path = PathInside(directory, output.label_filename);
    if (!path.ok()) {
      return Unsupported("label file path '", output.label_filename, "' for output '", output.name,
                         "' in model '", config.name, "' is outside model directory");
    }
    const auto text = ReadWholeFile(*path, kMaxLabelBytes);
    if (!text.ok()) {
      return text.status().WithPrefix(
          StrCat("model '", config.name, "': labels of output '", output.name, "': "));
    }
    signature->outputs[i].labels = LinesOf(*text);
  }
  return Status::Ok();
}

}  // namespace trident
