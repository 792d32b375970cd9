#include "backends/common/json.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace trident::backend {

using Parsed = nlohmann::ordered_json;

struct JsonConversion {
  static Json From(const Parsed& parsed) {
    Json value;
    if (parsed.is_object()) {
      value.kind_ = Json::Kind::kObject;
      for (const auto& [name, member] : parsed.items()) {
        value.members_.emplace_back(name, From(member));
      }
    } else if (parsed.is_array()) {
      value.kind_ = Json::Kind::kArray;
      for (const Parsed& item : parsed) value.items_.push_back(From(item));
    } else if (parsed.is_string()) {
      value = Json::String(parsed.get<std::string>());
    } else if (!parsed.is_null()) {
      value.kind_ = parsed.is_boolean() ? Json::Kind::kBool : Json::Kind::kNumber;
      value.text_ = parsed.dump();
    }
    return value;
  }

  static void Write(const Json& value, std::string* out) {
    switch (value.kind_) {
      case Json::Kind::kNull:
        *out += "null";
        break;
      case Json::Kind::kBool:
      case Json::Kind::kNumber:
        *out += value.text_;
        break;
      case Json::Kind::kString:
        *out += Parsed(value.text_).dump();
        break;
      case Json::Kind::kArray:
        WriteAll(value.items_, "[]", out, [out](const Json& item) { Write(item, out); });
        break;
      case Json::Kind::kObject:
        WriteAll(value.members_, "{}", out, [out](const Json::Member& member) {
          *out += Parsed(member.first).dump() + ":";
          Write(member.second, out);
        });
        break;
    }
  }

  template <typename Items, typename WriteOne>
  static void WriteAll(const Items& items, const char* brackets, std::string* out, WriteOne write) {
    *out += brackets[0];
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) *out += ',';
      write(items[i]);
    }
    *out += brackets[1];
  }
};

Status Json::Parse(std::string_view text, Json* value) {
  const Parsed parsed = Parsed::parse(text, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return InvalidArg("malformed JSON: ", text.substr(0, 200));
  *value = JsonConversion::From(parsed);
  return Status();
}

Status Json::Parse(TRITONSERVER_Message* message, Json* value) {
  const char* base = nullptr;
  size_t byte_size = 0;
  BACKEND_RETURN_IF_ERROR(TRITONSERVER_MessageSerializeToJson(message, &base, &byte_size));
  return Parse(std::string_view(base, byte_size), value);
}

std::string Json::Dump() const {
  std::string out;
  JsonConversion::Write(*this, &out);
  return out;
}

Json Json::Number(int64_t value) {
  Json number;
  number.kind_ = Kind::kNumber;
  number.text_ = std::to_string(value);
  return number;
}

Json Json::String(std::string value) {
  Json string;
  string.kind_ = Kind::kString;
  string.text_ = std::move(value);
  return string;
}

Json Json::Array() {
  Json array;
  array.kind_ = Kind::kArray;
  return array;
}

Json Json::Object() {
  Json object;
  object.kind_ = Kind::kObject;
  return object;
}

const Json* Json::Find(std::string_view name) const {
  const auto found = std::find_if(members_.begin(), members_.end(),
                                  [name](const Member& member) { return member.first == name; });
  return found == members_.end() ? nullptr : &found->second;
}

Json* Json::Find(std::string_view name) {
  return const_cast<Json*>(static_cast<const Json*>(this)->Find(name));
}

std::string_view Json::FindString(std::string_view name) const {
  const Json* member = Find(name);
  return member != nullptr && member->kind_ == Kind::kString ? std::string_view(member->text_)
                                                             : std::string_view();
}

const std::vector<Json>& Json::FindItems(std::string_view name) const {
  static const std::vector<Json>* const kNone = new std::vector<Json>();
  const Json* member = Find(name);
  return member == nullptr ? *kNone : member->items_;
}

void Json::Set(std::string_view name, Json value) {
  if (Json* member = Find(name)) {
    *member = std::move(value);
  } else {
    members_.emplace_back(std::string(name), std::move(value));
  }
}

void Json::Remove(std::string_view name) {
  std::erase_if(members_, [name](const Member& member) { return member.first == name; });
}

bool Json::AsInt(int64_t* value) const {
  if (kind_ != Kind::kNumber && kind_ != Kind::kString) return false;
  const char* end = text_.data() + text_.size();
  const auto [stop, error] = std::from_chars(text_.data(), end, *value);
  return error == std::errc() && stop == end;
}

bool Json::AsBool(bool* value) const {
  if (kind_ != Kind::kBool) return false;
  *value = text_ == "true";
  return true;
}

}  // namespace trident::backend
