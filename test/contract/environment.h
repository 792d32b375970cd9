#pragma once

#include <string>

namespace trident::contract {

// How a test's requests that are waited for at once are executed: on a thread of the server, which
// sleeps or spins until the next one, or on the test's own.
enum class Lane { kOffloaded, kSpin, kInline };

// What the test program was started with. Set by main before any test runs.
struct Environment {
  std::string backends;     // holds <name>/libtriton_<name>.so
  std::string onnxruntime;  // absolute path of libonnxruntime
  std::string models;       // the files that make-models.mjs writes
  std::string sources;      // test/models
  std::string digits;       // examples/digits
  Lane lane = Lane::kOffloaded;
  bool isolated = false;  // every model that has a backend runs in processes of its own
};

extern Environment environment;

}  // namespace trident::contract
