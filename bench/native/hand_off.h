#pragma once

#include "samples.h"

namespace trident::bench {

// The floor of the offloaded lane: one thread hands a word to another, which waits for it on a
// condition variable, and waits for the word to come back. Nothing else happens.
Summary MeasureHandOff(double seconds);

}  // namespace trident::bench
