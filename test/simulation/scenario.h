#pragma once

#include "world.h"

namespace trident::simulation {

// What happens in a world of its seed, from the first request until everything is at rest. A
// violation ends the program.
void Play(World& world);

// The parts of Play: one for each kind of scheduler.
void PlayQueue(World& world);
void PlaySequence(World& world);
void PlayEnsemble(World& world);

}  // namespace trident::simulation
