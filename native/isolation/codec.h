#pragma once

#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/datatype.h"
#include "base/status.h"
#include "isolation/channel.h"

namespace trident::isolation {

// A struct that says which of its members are encoded.
template <typename T>
concept Message = requires(T& message) {
  T::Fields(message);
};

inline bool IsKnown(DataType type) { return type == DataTypeFromName(DataTypeName(type)); }
inline bool IsKnown(StatusCode code) {
  return code >= StatusCode::kUnknown && code <= StatusCode::kCancelled;
}

// Numbers are as the machine has them: who reads runs on the same one.
class Writer {
 public:
  template <typename T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void Write(T value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void Write(const std::string& value) {
    WriteCount(value.size());
    bytes_ += value;
  }
  void Write(const Block& block) {
    Write(block.offset);
    Write(block.byte_size);
  }
  template <typename T>
  void Write(const std::vector<T>& values) {
    WriteCount(values.size());
    for (const T& value : values) Write(value);
  }
  template <typename T>
  void Write(const std::optional<T>& value) {
    Write(value.has_value());
    if (value) Write(*value);
  }
  template <typename... Choices>
  void Write(const std::variant<Choices...>& value) {
    Write(static_cast<uint8_t>(value.index()));
    std::visit([this](const auto& choice) { Write(choice); }, value);
  }
  template <Message T>
  void Write(const T& message) {
    std::apply([this](const auto&... fields) { (Write(fields), ...); }, T::Fields(message));
  }

  std::string Take() { return std::move(bytes_); }

 private:
  void WriteCount(uint64_t count) { Write(count); }

  std::string bytes_;
};

// Reads what a Writer has written, or anything: nothing is read beyond the end, nothing made that
// is larger by more than a small factor than what was there to read, and the first thing that is
// wrong ends it.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  requires std::is_arithmetic_v<T>
  void Read(T& value) {
    const std::string_view bytes = Take(sizeof value);
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof value);
  }
  void Read(bool& value) {
    uint8_t byte = 0;
    Read(byte);
    if (byte > 1) Fail("a flag that is neither set nor not");
    value = byte == 1;
  }
  template <typename T>
  requires std::is_enum_v<T>
  void Read(T& value) {
    std::underlying_type_t<T> number{};
    Read(number);
    if (ok_ && !IsKnown(static_cast<T>(number))) return Fail("an unknown value");
    value = static_cast<T>(number);
  }
  void Read(std::string& value) {
    uint64_t size = 0;
    Read(size);
    value = Take(size);
  }
  void Read(Block& block) {
    Read(block.offset);
    Read(block.byte_size);
  }
  template <typename T>
  void Read(std::vector<T>& values) {
    uint64_t count = 0;
    Read(count);
    // Every element has a byte at least.
    if (count > rest_.size()) return Fail("more elements than there are bytes");
    for (uint64_t i = 0; i < count && ok_; ++i) Read(values.emplace_back());
  }
  template <typename T>
  void Read(std::optional<T>& value) {
    bool has_value = false;
    Read(has_value);
    if (has_value) Read(value.emplace());
  }
  template <typename... Choices>
  void Read(std::variant<Choices...>& value) {
    uint8_t index = 0;
    Read(index);
    if (index >= sizeof...(Choices)) return Fail("an unknown kind");
    ReadChoice(value, index, std::index_sequence_for<Choices...>());
  }
  template <Message T>
  void Read(T& message) {
    std::apply([this](auto&... fields) { (Read(fields), ...); }, T::Fields(message));
  }

  // Whether all was read and nothing was left.
  Status End() {
    if (ok_ && !rest_.empty()) Fail("more bytes than it says");
    return ok_ ? Status::Ok() : Internal("a message of the other process has ", wrong_);
  }

 private:
  std::string_view Take(uint64_t size) {
    if (size > rest_.size()) {
      Fail("fewer bytes than it says");
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  void Fail(const char* wrong) {
    if (ok_) wrong_ = wrong;
    ok_ = false;
    rest_ = {};
  }
  template <typename Variant, size_t... kIndexes>
  void ReadChoice(Variant& value, size_t index, std::index_sequence<kIndexes...>) {
    ((index == kIndexes ? Read(value.template emplace<kIndexes>()) : void()), ...);
  }

  std::string_view rest_;
  bool ok_ = true;
  const char* wrong_ = "";
};

}  // namespace trident::isolation
