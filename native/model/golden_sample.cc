#include "model/golden_sample.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "config/schema.h"

namespace trident {
namespace {

using Json = nlohmann::json;

Status CheckMembers(const std::string& what, const Json& json,
                    const std::vector<std::string_view>& known) {
  if (!json.is_object()) return InvalidArg(what, " must be an object");
  for (const auto& [name, value] : json.items()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return InvalidArg("unknown member '", Excerpt(name), "' of ", what, DidYouMean(name, known));
  }
  return Status::Ok();
}

Result<GoldenTensors> ParseTensors(const std::string& what, const Json& json) {
  if (!json.is_object()) return InvalidArg("'", what, "s' must be an object of tensors by name");
  GoldenTensors tensors;
  for (const auto& [name, value] : json.items()) {
    Result<GoldenTensor> tensor = ParseGoldenTensor(value);
    if (!tensor.ok()) return tensor.status().WithPrefix(StrCat(what, " '", name, "': "));
    tensors.emplace(name, std::move(tensor).value());
  }
  return tensors;
}

Result<GoldenTolerance> ParseTolerance(const Json& json) {
  TRIDENT_RETURN_IF_ERROR(CheckMembers("'tolerance'", json, {"absolute", "relative"}));
  GoldenTolerance tolerance;
  for (const auto& [name, value] : json.items()) {
    if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < 0) {
      return InvalidArg("'tolerance' must have numbers that are not negative, found ",
                        Excerpt(value.dump()), " as '", name, "'");
    }
    (name == "absolute" ? tolerance.absolute : tolerance.relative) = value.get<double>();
  }
  return tolerance;
}

Result<Json> ParseJson(std::string_view text) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    return InvalidArg("not JSON at byte ", error.byte);
  } catch (const Json::exception& error) {  // a number beyond a double's range
    return InvalidArg("not JSON: ", error.what());
  }
}

}  // namespace

Result<GoldenSample> ParseGoldenSample(std::string_view text) {
  TRIDENT_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  TRIDENT_RETURN_IF_ERROR(CheckMembers("the sample", json, {"inputs", "outputs", "tolerance"}));
  if (!json.contains("inputs") || !json.contains("outputs")) {
    return InvalidArg("the sample must have 'inputs' and 'outputs'");
  }
  GoldenSample sample;
  TRIDENT_ASSIGN_OR_RETURN(sample.inputs, ParseTensors("input", json["inputs"]));
  const Json& outputs = json["outputs"];
  const std::vector<Json> responses =
      outputs.is_array() ? outputs.get<std::vector<Json>>() : std::vector<Json>{outputs};
  for (const Json& response : responses) {
    TRIDENT_ASSIGN_OR_RETURN(GoldenTensors tensors, ParseTensors("output", response));
    sample.responses.push_back(std::move(tensors));
  }
  if (json.contains("tolerance")) {
    TRIDENT_ASSIGN_OR_RETURN(sample.tolerance, ParseTolerance(json["tolerance"]));
  }
  return sample;
}

Status CompareGoldenResponses(const GoldenSample& sample, const std::vector<GoldenTensors>& found) {
  const size_t expected = sample.responses.size();
  if (found.size() != expected) {
    return Internal("expected ", expected, " response(s), found ", found.size());
  }
  for (size_t i = 0; i < expected; ++i) {
    for (const auto& [name, tensor] : sample.responses[i]) {
      const std::string place =
          StrCat(expected > 1 ? StrCat("response ", i, ", ") : "", "output '", name, "'");
      const auto given = found[i].find(name);
      if (given == found[i].end()) return Internal(place, " is missing");
      TRIDENT_RETURN_IF_ERROR(CompareGoldenTensor(tensor, given->second, sample.tolerance)
                                  .WithPrefix(StrCat(place, ": ")));
    }
  }
  return Status::Ok();
}

}  // namespace trident
