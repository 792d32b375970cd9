#pragma once

// The version of the package; package.json says the same, which a test checks.
#define TRIDENT_VERSION "0.6.0"
