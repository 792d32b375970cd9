#pragma once

#include "backend.h"
#include "client.h"
#include "random.h"
#include "service.h"

namespace trident::simulation {

// Every seed has some of the kinds of trouble, and in its own measure: what goes wrong together in
// one world never meets in another.
BackendHabits RandomHabits(Random& random);
// For models that execute in `mean_ns`.
ClientHabits RandomClient(Random& random, double mean_ns);
Disturbances RandomDisturbances(Random& random, const ClientHabits& client);

}  // namespace trident::simulation
