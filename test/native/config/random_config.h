#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "config/model_config.h"
#include "config/scalars.h"
#include "config/schema.h"

namespace trident {

// Random configurations, and random spellings of them in text format, for property tests; the same
// seed gives the same ones. Drives the schema's accessors, so every row of the table is exercised.
class RandomConfig {
 public:
  explicit RandomConfig(uint64_t seed) : random_(seed) {}

  // A configuration with about `density` of its fields set.
  ModelConfig Make(double density) {
    density_ = density;
    ModelConfig config;
    Fill(ModelConfigSchema(), &config);
    return config;
  }

  std::string Text(const ModelConfig& config) { return Message(ModelConfigSchema(), &config); }

  uint64_t Below(uint64_t limit) { return random_() % limit; }
  bool Chance(double probability) { return std::bernoulli_distribution(probability)(random_); }

 private:
  void Fill(const MessageSchema& schema, void* message) {
    std::vector<std::string_view> chosen;  // oneofs that have a member
    for (const FieldSchema& field : schema.fields) {
      if (!Chance(density_)) continue;
      if (!field.oneof.empty()) {
        bool taken = Chance(0.4);
        for (std::string_view oneof : chosen) taken = taken || oneof == field.oneof;
        if (taken) continue;
        chosen.push_back(field.oneof);
      }
      FillField(field, message);
    }
  }

  void FillField(const FieldSchema& field, void* message) {
    const bool many = field.label == FieldLabel::kRepeated || field.label == FieldLabel::kMap;
    for (uint64_t count = many ? Below(4) : 1; count > 0; --count) {
      if (field.label == FieldLabel::kMap) {
        const auto entry = field.new_entry();
        for (const FieldSchema& part : field.message->fields) FillField(part, entry.get());
        field.put_entry(message, entry.get());
      } else if (field.kind == FieldKind::kMessage) {
        Fill(*field.message, field.add(message));
      } else {
        field.set(message, RandomValue(field));
      }
    }
  }

  Scalar RandomValue(const FieldSchema& field) {
    const int shift = static_cast<int>(Below(64));
    switch (field.kind) {
      case FieldKind::kBool:
        return Chance(0.5);
      case FieldKind::kInt32:
        return static_cast<int64_t>(static_cast<int32_t>(random_() >> shift));
      case FieldKind::kUint32:
        return static_cast<uint64_t>(static_cast<uint32_t>(random_() >> shift));
      case FieldKind::kInt64:
        return static_cast<int64_t>(random_() >> shift);
      case FieldKind::kUint64:
        return random_() >> shift;
      case FieldKind::kFloat:
        return static_cast<double>(static_cast<float>(RandomDouble(30)));
      case FieldKind::kDouble:
        return RandomDouble(300);
      case FieldKind::kEnum: {
        const auto& values = field.enumeration->values;
        return int64_t{values[Below(values.size())].number};
      }
      default:
        return RandomString();
    }
  }

  double RandomDouble(int exponents) {
    const double digits = std::uniform_real_distribution<double>(-10, 10)(random_);
    if (Chance(0.1)) return digits < 0 ? -HUGE_VAL : HUGE_VAL;
    const int exponent = static_cast<int>(Below(2 * exponents)) - exponents;
    return digits * std::pow(10.0, exponent);
  }

  std::string RandomString() {
    std::string text;
    for (uint64_t length = Below(12); length > 0; --length) {
      constexpr uint32_t kLimits[] = {0x80, 0x80, 0x80, 0x800, 0xd800, 0x110000};
      const auto code = static_cast<uint32_t>(Below(kLimits[Below(6)]));
      AppendUtf8(code >= 0xd800 && code < 0xe000 ? '?' : code, &text);
    }
    return text;
  }

  // The values of one field, spelled, in order.
  class Speller final : public FieldVisitor {
   public:
    Speller(RandomConfig* owner, const FieldSchema& field) : owner_(owner), field_(field) {}
    void OnScalar(const Scalar& value) override { values.push_back(owner_->Spell(field_, value)); }
    void OnMessage(const void* message) override {
      values.push_back(owner_->Enclosed(owner_->Message(*field_.message, message)));
    }
    void OnEntry(const Scalar& key, const Scalar& value) override {
      Entry(key, ":" + owner_->Spell(*field_.message->Find("value"), value));
    }
    void OnEntryMessage(const Scalar& key, const void* message) override {
      const MessageSchema& schema = *field_.message->Find("value")->message;
      Entry(key, owner_->Enclosed(owner_->Message(schema, message)));
    }
    std::vector<std::string> values;

   private:
    void Entry(const Scalar& key, const std::string& value) {
      const std::string first = "key:" + owner_->Spell(*field_.message->Find("key"), key) + " ";
      const std::string second = "value" + value + " ";
      values.push_back(owner_->Enclosed(owner_->Chance(0.8) ? first + second : second + first));
    }
    RandomConfig* const owner_;
    const FieldSchema& field_;
  };

  std::string Message(const MessageSchema& schema, const void* message) {
    std::string text = Blank();
    for (const FieldSchema& field : schema.fields) {
      Speller speller(this, field);
      field.visit(message, &speller);
      const bool compound = field.kind == FieldKind::kMessage || field.label == FieldLabel::kMap;
      const std::string name =
          std::string(field.name) + Blank() + (compound && Chance(0.7) ? "" : ":") + Blank();
      const bool many = field.label == FieldLabel::kRepeated || field.label == FieldLabel::kMap;
      if (many && Chance(0.5)) {
        text += name + "[" + Blank();
        for (size_t i = 0; i < speller.values.size(); ++i) {
          text += (i > 0 ? "," + Blank() : "") + speller.values[i];
        }
        text += "]" + End();
      } else {
        for (const std::string& value : speller.values) text += name + value + End();
      }
    }
    return text;
  }

  std::string Enclosed(const std::string& fields) {
    return Chance(0.7) ? "{" + fields + "}" : "<" + fields + ">";
  }

  std::string End() {
    constexpr const char* kEnds[] = {" ", "\n", ";", ",", "\t# ; } comment\n", " , ", "\r\n"};
    return kEnds[Below(7)];
  }

  std::string Blank() { return Chance(0.8) ? "" : End().find_first_of(";,") == 0 ? " " : "\n"; }

  std::string Spell(const FieldSchema& field, const Scalar& value) {
    switch (field.kind) {
      case FieldKind::kBool: {
        constexpr const char* kTrue[] = {"true", "True", "t", "1", "0x1", "01"};
        constexpr const char* kFalse[] = {"false", "False", "f", "0", "0x0", "00"};
        return std::get<bool>(value) ? kTrue[Below(6)] : kFalse[Below(6)];
      }
      case FieldKind::kUint32:
      case FieldKind::kUint64:
        return SpellInteger(false, std::get<uint64_t>(value));
      case FieldKind::kFloat:
      case FieldKind::kDouble:
        return FloatingText(field.kind, std::get<double>(value));
      case FieldKind::kString:
        return SpellString(std::get<std::string>(value));
      case FieldKind::kEnum:
        if (Chance(0.7)) {
          return std::string(field.enumeration->Find(std::get<int64_t>(value))->name);
        }
        [[fallthrough]];
      default: {
        const int64_t number = std::get<int64_t>(value);
        const auto bits = static_cast<uint64_t>(number);
        return SpellInteger(number < 0, number < 0 ? 0 - bits : bits);
      }
    }
  }

  std::string SpellInteger(bool negative, uint64_t magnitude) {
    constexpr const char* kFormats[] = {"%llu", "%llu", "0%llo", "0x%llx", "0X%llX"};
    char buffer[40];
    std::snprintf(buffer, sizeof(buffer), kFormats[Below(5)],
                  static_cast<unsigned long long>(magnitude));  // NOLINT: printf's type
    return (negative ? Chance(0.9) ? "-" : "- " : "") + std::string(buffer);
  }

  std::string SpellString(const std::string& text) {
    char quote = Chance(0.5) ? '"' : '\'';
    std::string spelled(1, quote);
    for (char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      const bool must_escape = byte < 0x20 || c == quote || c == '\\';
      if (must_escape || Chance(0.1)) {
        char buffer[8];
        std::snprintf(buffer, sizeof(buffer), Chance(0.5) ? "\\%03o" : "\\x%02x", byte);
        spelled += buffer;
      } else {
        spelled += c;
      }
      if (byte < 0x80 && Chance(0.1)) {  // adjacent strings join
        spelled += quote;
        spelled += Blank();
        quote = Chance(0.5) ? '"' : '\'';
        spelled += quote;
      }
    }
    return spelled + quote;
  }

  std::mt19937_64 random_;
  double density_ = 1;
};

}  // namespace trident
