#pragma once

#include <string>

namespace trident::contract {

// What the test program was started with. Set by main before any test runs.
struct Environment {
  std::string backends;     // holds <name>/libtriton_<name>.so
  std::string onnxruntime;  // absolute path of libonnxruntime
  std::string models;       // the files that make-models.mjs writes
  std::string sources;      // test/models
  std::string digits;       // examples/digits
};

extern Environment environment;

}  // namespace trident::contract
