#include "server/cache_options.h"

#include <nlohmann/json.hpp>

#include "config/scalars.h"
#include "scheduler/local_cache.h"
#include "server/plugin_cache.h"

namespace trident {
namespace {

// {"size": bytes}; command lines make a string of the number.
Result<uint64_t> ParseSize(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) {
    return InvalidArg("the configuration of cache 'local' must be a JSON object, got ", text);
  }
  uint64_t size = 0;
  for (const auto& [key, value] : json.items()) {
    if (key != "size") {
      return InvalidArg("cache 'local' has no setting '", key, "'; it has 'size'");
    }
    if (value.is_number_unsigned()) size = value.get<uint64_t>();
    if (value.is_string()) size = ParseMagnitude(value.get<std::string>(), 10).value_or(0);
  }
  if (size == 0) {
    return InvalidArg("cache 'local' needs a 'size' in bytes that is a number above 0, got ", text);
  }
  return size;
}

// The host has said where caches are, and "local" is among them.
bool HasLocalPlugin(const ServerOptions& options) {
  return options.cache_directory.has_value() &&
         PluginCache::IsIn(*options.cache_directory, "local");
}

}  // namespace

Result<std::shared_ptr<ResponseCache>> MakeResponseCache(const ServerOptions& options,
                                                         std::shared_ptr<Logger> logger) {
  if (options.cache_configs.empty()) return std::shared_ptr<ResponseCache>();
  const auto& [name, config] = *options.cache_configs.begin();
  if (name != "local" || HasLocalPlugin(options)) {
    return PluginCache::Load(options.cache_directory.value_or(PluginDirectory("caches")), name,
                             config, std::move(logger));
  }
  TRIDENT_ASSIGN_OR_RETURN(const uint64_t size, ParseSize(config));
  return std::shared_ptr<ResponseCache>(std::make_shared<LocalCache>(size));
}

}  // namespace trident
