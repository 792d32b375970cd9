#pragma once

#include <cstdint>
#include <string>

namespace trident::isolated {

// Counts, in trident_isolated_restarts_total, that a process of the model has ended and another is
// to be started. `reason`: as Child::EndKind. Thread-safe.
void CountRestart(const std::string& model, uint64_t version, const std::string& reason);

}  // namespace trident::isolated
