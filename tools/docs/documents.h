#pragma once

#include <filesystem>
#include <map>
#include <string>

// Documents that are made from the code: path below the root → text.
namespace flowstack::docs {

using Documents = std::map<std::string, std::string>;

// docs/access.md: which role may call which method, from the option `access` of each.
void add_access(const std::filesystem::path& root, Documents& out);

// docs/events.md from proto/flowstack/*/v1/*_events.proto and their comments. Throws
// std::runtime_error for an event that no stream category is known of: see kCategories.
void add_events(const std::filesystem::path& root, Documents& out);

// docs/api/openapi.json: OpenAPI 3.1 of gateway's REST door. Throws std::runtime_error when a field
// or parameter says nowhere what it is, and when an example is not what its method takes.
void add_openapi(const std::filesystem::path& root, Documents& out);

// docs/api/README.md of the OpenAPI document, which must be in `out`.
void add_reference(Documents& out);

// docs/api/postman.json of the OpenAPI document, which must be in `out`.
void add_postman(Documents& out);

// deploy/k8s/components/prometheus-operator/rules.yaml of deploy/observability/alerts.yaml. Throws
// std::runtime_error when that has no groups.
void add_rules(const std::filesystem::path& root, Documents& out);

}  // namespace flowstack::docs
