#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/config/config.h"
#include "common/observability/otlp_exporter.h"

namespace flowstack::trace {

// OTEL_EXPORTER_OTLP_ENDPOINT and its company, by the names that OpenTelemetry gave them. Nothing
// when there is no endpoint. `resource` is whose spans they will be.
std::optional<OtlpOptions> otlp_options(config::Reader& reader, Resource resource);

// "api-key=abc,x-team=shop%20one" as headers; nothing when it is malformed.
std::optional<http::Headers> otlp_headers(std::string_view text);

}  // namespace flowstack::trace
