#pragma once

#include <string>
#include <vector>

#include "client.h"

// Models of the backend "witness", which writes down what it sees.
namespace trident::contract {

// Writes and loads one with FP32 tensors "input" and "output" of 2 numbers, in batches of up to 4;
// unless `more` says otherwise with one instance.
Outcome LoadWitness(Server* server, const std::string& model, const std::string& more = "");
std::string WitnessConfig(Server* server, const std::string& model, const std::string& more);

Request WitnessRequest(const Server& server, const std::string& model, float number = 1);

// What it has written about `model` so far; only the lines that begin with `word`.
std::vector<std::string> Witnessed(Server* server, const std::string& model,
                                   const std::string& word);
// The value of "key=value" in such a line, up to the next space.
std::string ValueOf(const std::string& line, const std::string& key);

}  // namespace trident::contract
