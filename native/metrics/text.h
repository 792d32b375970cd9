#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

#include "metrics/histogram.h"

namespace trident {

// What a text says about a family before its samples.
struct FamilyHead {
  std::string_view name, type, help;
};

// Builds a text in Prometheus' exposition format, version 0.0.4. Fast: a server with many models
// has many lines. A value type.
class MetricsText {
 public:
  // The samples that follow are of this family; one without samples leaves no trace. What `head`
  // refers to outlives them.
  void Begin(const FamilyHead& head);
  bool HasBegun(std::string_view family) const { return begun_.contains(family); }

  // `name` is the family's, or that and a suffix; `labels` are what stands between the braces.
  void Sample(std::string_view name, std::string_view labels, uint64_t value);
  void Sample(std::string_view name, std::string_view labels, double value);
  // The same from parts of "name{labels}", for those who have many.
  using Parts = std::initializer_list<std::string_view>;
  void Line(Parts parts, uint64_t value);
  void Line(Parts parts, double value);
  // All lines of one histogram of the family.
  void Sample(const Histogram& histogram, std::string_view labels);

  void Reserve(size_t byte_size) { text_.reserve(byte_size); }
  std::string Take() && { return std::move(text_); }

 private:
  void WriteHead();
  template <typename Number>
  void WriteLine(Parts parts, Number value);

  FamilyHead head_;
  bool head_written_ = false;
  std::set<std::string, std::less<>> begun_;
  std::string text_;
};

// As the format wants it: shortest form that reads back as `value`; +Inf, -Inf, NaN.
std::string NumberText(double value);

}  // namespace trident
