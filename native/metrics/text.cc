#include "metrics/text.h"

#include <charconv>
#include <cmath>

namespace trident {
namespace {

// Long enough for any number.
constexpr size_t kNumberSize = 32;

char* WriteNumber(char* at, uint64_t value) {
  return std::to_chars(at, at + kNumberSize, value).ptr;
}

char* WriteNumber(char* at, double value) {
  if (std::isfinite(value)) return std::to_chars(at, at + kNumberSize, value).ptr;
  const std::string_view name = std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  return at + name.copy(at, name.size());
}

}  // namespace

std::string NumberText(double value) {
  char text[kNumberSize];
  return std::string(text, WriteNumber(text, value));
}

void MetricsText::Begin(const FamilyHead& head) {
  head_ = head;
  head_written_ = false;
  begun_.emplace(head.name);
}

void MetricsText::WriteHead() {
  head_written_ = true;
  text_.append("# HELP ").append(head_.name).append(" ");
  for (const char c : head_.help) {
    if (c == '\\') text_ += '\\';
    if (c == '\n') {
      text_ += "\\n";
    } else {
      text_ += c;
    }
  }
  text_.append("\n# TYPE ").append(head_.name).append(" ").append(head_.type).append("\n");
}

template <typename Number>
void MetricsText::WriteLine(Parts parts, Number value) {
  if (!head_written_) WriteHead();
  for (const std::string_view part : parts) text_ += part;
  char number[kNumberSize + 2];
  number[0] = ' ';
  char* const end = WriteNumber(number + 1, value);
  *end = '\n';
  text_.append(number, end + 1);
}

void MetricsText::Line(Parts parts, uint64_t value) { WriteLine(parts, value); }
void MetricsText::Line(Parts parts, double value) { WriteLine(parts, value); }

void MetricsText::Sample(std::string_view name, std::string_view labels, uint64_t value) {
  labels.empty() ? Line({name}, value) : Line({name, "{", labels, "}"}, value);
}

void MetricsText::Sample(std::string_view name, std::string_view labels, double value) {
  labels.empty() ? Line({name}, value) : Line({name, "{", labels, "}"}, value);
}

void MetricsText::Sample(const Histogram& histogram, std::string_view labels) {
  const Histogram::Reading reading = histogram.Read();
  const std::string family(head_.name);
  const std::string bucket = family + "_bucket{";
  const std::string_view comma = labels.empty() ? "" : ",";
  for (size_t i = 0; i < reading.up_to.size(); ++i) {
    const std::string bound = NumberText(histogram.bounds()[i]);
    Line({bucket, labels, comma, "le=\"", bound, "\"}"}, reading.up_to[i]);
  }
  Line({bucket, labels, comma, "le=\"+Inf\"}"}, reading.count);
  Sample(family + "_sum", labels, reading.sum);
  Sample(family + "_count", labels, reading.count);
}

}  // namespace trident
