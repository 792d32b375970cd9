#include "metrics/names.h"

#include <algorithm>

namespace trident {
namespace {

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

template <typename First>
bool IsName(std::string_view name, const First& may_be_first) {
  // Prometheus keeps names with two underscores in front for itself.
  if (name.empty() || name.starts_with("__") || !may_be_first(name[0])) return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char c) { return may_be_first(c) || IsDigit(c); });
}

}  // namespace

const char* MetricKindName(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return "TRITONSERVER_METRIC_KIND_COUNTER";
    case MetricKind::kGauge:
      return "TRITONSERVER_METRIC_KIND_GAUGE";
    case MetricKind::kHistogram:
      return "TRITONSERVER_METRIC_KIND_HISTOGRAM";
  }
  return "<invalid>";
}

bool IsFamilyName(std::string_view name) {
  return IsName(name, [](char c) { return IsLetter(c) || c == ':'; });
}

bool IsLabelName(std::string_view name) { return IsName(name, IsLetter); }

Status CheckFamilyName(const std::string& name) {
  if (IsFamilyName(name)) return Status::Ok();
  return InvalidArg("'", name,
                    "' can't name a metric family: a name is of letters, digits, _ and "
                    ":, does not begin with a digit and not with __");
}

Status CheckLabels(MetricKind kind, const MetricLabels& labels) {
  for (const auto& [name, value] : labels) {
    if (!IsLabelName(name)) {
      return InvalidArg("'", name,
                        "' can't name a label: a name is of letters, digits and _, does "
                        "not begin with a digit and not with __");
    }
    if (kind == MetricKind::kHistogram && name == "le") {
      return InvalidArg("label 'le' of a histogram is that of its buckets");
    }
  }
  return Status::Ok();
}

std::string LabelText(const MetricLabels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    if (!text.empty()) text += ',';
    text += name;
    text += "=\"";
    for (const char c : value) {
      if (c == '\\' || c == '"') text += '\\';
      if (c == '\n') {
        text += "\\n";
      } else {
        text += c;
      }
    }
    text += '"';
  }
  return text;
}

}  // namespace trident
