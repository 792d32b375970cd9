#pragma once

#include <cstdio>
#include <string>

#include "cuda/driver_api.h"

namespace trident::cuda {

inline std::string ToHex(const IpcHandle& handle) {
  std::string text;
  for (const unsigned char byte : handle.bytes) {
    char digits[3];
    snprintf(digits, sizeof(digits), "%02x", byte);
    text += digits;
  }
  return text;
}

inline IpcHandle FromHex(const std::string& text) {
  IpcHandle handle{};
  for (size_t i = 0; i < sizeof(handle.bytes) && 2 * i + 1 < text.size(); ++i) {
    handle.bytes[i] = static_cast<unsigned char>(std::stoi(text.substr(2 * i, 2), nullptr, 16));
  }
  return handle;
}

}  // namespace trident::cuda
