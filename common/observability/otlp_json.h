#pragma once

#include <span>
#include <string>

#include "common/observability/span.h"

namespace flowstack::trace {

// Whose spans they are.
struct Resource {
    std::string service;  // service.name
    std::string replica;  // service.instance.id
    std::string version;  // service.version
};

// The body of a request to <endpoint>/v1/traces: ExportTraceServiceRequest in OTLP's JSON encoding
// (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding), which is Protobuf's but for
// ids, which are hexadecimal, and enums, which are numbers.
std::string otlp_json(const Resource& resource, std::span<const SpanData> spans);

}  // namespace flowstack::trace
