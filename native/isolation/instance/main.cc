// trident-instance: the process of an isolated instance, started by the plug-in beside it.

#include "isolation/host.h"

int main() { return trident::isolation::RunIsolatedInstance(); }
