#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/model.h"
#include "repository/repository.h"

namespace trident {

// The JSON texts a server answers with, in the shapes Triton's clients parse.
std::string ServerMetadataJson(const std::string& server_id);
std::string ModelMetadataJson(const Model& model, const std::vector<int64_t>& versions);
// Triton's statistics, and "copy_stats" {count, byte_size}: copies of tensor contents in which
// memory of the host took part, as backends report them (trident/extension.h).
std::string StatisticsJson(const std::vector<std::shared_ptr<Model>>& models);
std::string IndexJson(const std::vector<IndexRow>& rows);

}  // namespace trident
