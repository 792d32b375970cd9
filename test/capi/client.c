// A client of the server API in plain C: the proof that the headers are C and that what they
// promise holds. Usage: trident_capi_client <backend directory>, which must have the echo backend.

#include <stdio.h>

#include "support.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s <backend directory>\n", argv[0]);
    return 2;
  }
  g_backends = argv[1];
  MakeRepository();
  WriteEchoModel("single", "1", "");
  WriteEchoModel("batched", "1", "dynamic_batching {}");
  WriteEchoModel("over", "1", "");
  TestObjects();
  TestOptions();
  TestRequests();
  TestRefusals();
  TestServers();
  TestModels();  // last, because it leaves behind a model that a strict server refuses
  DeleteAllocator();
  RemoveRepository();
  return Summary();
}
