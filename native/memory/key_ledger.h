#pragma once

#include <string>

namespace trident {

// Names of shared-memory objects, without leading slash, that begin with this are ledgers.
inline constexpr char kLedgerPrefix[] = "trident_ledger_";

// The names of the shared-memory objects that this process created. They must not outlive it:
// a normal exit unlinks them, and for every other end each process keeps them in a ledger, a
// shared-memory object of its own that it holds locked. A process's first Begin looks for ledgers
// without a living holder and unlinks what those name. All of this is best effort: a ledger that
// can't be written costs the clean-up after a crash, nothing else. Thread-safe.
class KeyLedger {
 public:
  // Before an object is created.
  static void Begin();
  // `name` was created on `descriptor`.
  static void Add(const std::string& name, int descriptor);
  // Unlinks an added name, unless it has come to mean another object.
  static void Unlink(const std::string& name);
  static bool Contains(const std::string& name);
};

}  // namespace trident
