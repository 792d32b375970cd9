#include "config/schema.h"

#include <algorithm>

namespace trident {
namespace {

constexpr size_t kExcerptLength = 64;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Edits (insert, delete, replace, swap neighbours) from `a` to `b`, ignoring case; both are short.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> above(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before.swap(above);
    above.swap(row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const char x = Lower(a[i - 1]);
      const char y = Lower(b[j - 1]);
      row[j] = std::min({above[j - 1] + (x == y ? 0 : 1), above[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && x == Lower(b[j - 2]) && y == Lower(a[i - 2]);
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

// The common slip of leaving out an enum's prefix: FP32 for TYPE_FP32.
bool IsTailOf(std::string_view name, std::string_view candidate) {
  if (candidate.size() < name.size() + 2) return false;
  const std::string_view tail = candidate.substr(candidate.size() - name.size());
  return candidate[candidate.size() - name.size() - 1] == '_' && Distance(name, tail) == 0;
}

template <typename Rows>
std::vector<std::string_view> NamesOf(const Rows& rows) {
  std::vector<std::string_view> names;
  names.reserve(rows.size());
  for (const auto& row : rows) names.push_back(row.name);
  return names;
}

}  // namespace

const EnumSchema::Value* EnumSchema::Find(std::string_view name) const {
  for (const Value& value : values) {
    if (value.name == name) return &value;
  }
  return nullptr;
}

const EnumSchema::Value* EnumSchema::Find(int64_t number) const {
  for (const Value& value : values) {
    if (value.number == number) return &value;
  }
  return nullptr;
}

std::vector<std::string_view> EnumSchema::Names() const { return NamesOf(values); }

const FieldSchema* MessageSchema::Find(std::string_view name) const {
  for (const FieldSchema& field : fields) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

const FieldSchema* MessageSchema::FindJson(std::string_view name) const {
  for (const FieldSchema& field : fields) {
    if (field.name == name || field.json_name == name) return &field;
  }
  return nullptr;
}

std::vector<std::string_view> MessageSchema::Names() const { return NamesOf(fields); }

GivenFields::GivenFields(const MessageSchema& schema)
    : schema_(&schema), given_(schema.fields.size()) {}

Status GivenFields::Note(const FieldSchema& field) {
  const size_t index = schema_->IndexOf(field);
  if (given_[index]) return InvalidArg("field '", field.name, "' is given more than once");
  for (size_t i = 0; i < given_.size() && !field.oneof.empty(); ++i) {
    const FieldSchema& other = schema_->fields[i];
    if (given_[i] && other.oneof == field.oneof) {
      return InvalidArg("field '", field.name, "' cannot be given together with '", other.name,
                        "': only one ", field.oneof, " is allowed");
    }
  }
  given_[index] = true;
  return Status::Ok();
}

std::string DidYouMean(std::string_view name, const std::vector<std::string_view>& candidates) {
  if (name.size() > kExcerptLength) return "";
  // A third of the letters may be wrong: more, and the guess misleads.
  size_t best = std::max<size_t>(1, name.size() / 3) + 1;
  std::string_view nearest;
  for (std::string_view candidate : candidates) {
    const size_t distance = IsTailOf(name, candidate) ? 1 : Distance(name, candidate);
    if (distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest.empty() ? "" : "; did you mean '" + std::string(nearest) + "'?";
}

std::string Excerpt(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string result;
  for (char c : text.substr(0, kExcerptLength)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      result += c;
    } else {
      result += "\\x";
      result += kHex[byte >> 4];
      result += kHex[byte & 15];
    }
  }
  return text.size() > kExcerptLength ? result + "..." : result;
}

}  // namespace trident
