#include "common/observability/otlp_settings.h"

#include <charconv>

#include "common/http/url.h"

namespace flowstack::trace {
namespace {

constexpr std::string_view kTracesPath = "/v1/traces";

std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

bool is_header_name(std::string_view name) {
    return !name.empty() && name.find_first_not_of(
                                "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-_.") == std::string_view::npos;
}

std::optional<double> ratio_of(const std::string& text) {
    double ratio = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ratio);
    // A number that is none is neither above 0 nor below.
    if (error != std::errc{} || end != text.data() + text.size() || !(ratio >= 0 && ratio <= 1))
        return std::nullopt;
    return ratio;
}

}  // namespace

std::optional<http::Headers> otlp_headers(std::string_view text) {
    http::Headers headers;
    while (!text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        const auto entry = trimmed(text.substr(0, comma));
        text.remove_prefix(std::min(comma + 1, text.size()));
        if (entry.empty()) continue;
        const auto equals = entry.find('=');
        if (equals == std::string_view::npos) return std::nullopt;
        const auto name = trimmed(entry.substr(0, equals));
        auto value = http::percent_decode(trimmed(entry.substr(equals + 1)));
        if (!is_header_name(name) || !value ||
            value->find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
            return std::nullopt;
        headers.add(std::string(name), std::move(*value));
    }
    return headers;
}

std::optional<OtlpOptions> otlp_options(config::Reader& reader, Resource resource) {
    OtlpOptions options{.resource = std::move(resource)};
    auto endpoint = reader.text("OTEL_EXPORTER_OTLP_ENDPOINT", "",
                                "URL of a collector of traces that takes OTLP/HTTP, without its "
                                "/v1/traces; nothing is recorded without one");
    const auto headers =
        reader.secret("OTEL_EXPORTER_OTLP_HEADERS", "",
                      "headers for the collector, such as its key: name=value, several between "
                      "commas, values percent-encoded");
    options.ca_file = reader.text("OTEL_EXPORTER_OTLP_CERTIFICATE", "",
                                  "PEM file of the CA that signed the collector's certificate; "
                                  "without it the system's CAs are believed");
    const auto ratio = ratio_of(reader.text(
        "OTEL_TRACES_SAMPLER_ARG", "1",
        "share of the traces that begin here and are recorded, 0 to 1; of the others only what "
        "failed is told"));
    options.spans_per_second_max = static_cast<int>(
        reader.integer("TRACE_SPANS_PER_SECOND", 500, 1, 1'000'000,
                       "spans that each replica sends on average; what is above is dropped and "
                       "counted"));
    if (!ratio)
        reader.mistake("OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1");
    else
        options.sample_ratio = *ratio;
    if (auto read = otlp_headers(headers.reveal()))
        options.headers = std::move(*read);
    else
        reader.mistake("OTEL_EXPORTER_OTLP_HEADERS: must be name=value, several between commas");
    if (endpoint.empty()) return std::nullopt;
    if (!endpoint.starts_with("http://") && !endpoint.starts_with("https://"))
        reader.mistake("OTEL_EXPORTER_OTLP_ENDPOINT: must begin with http:// or https://");
    while (endpoint.ends_with('/')) endpoint.pop_back();
    options.url = endpoint + std::string(kTracesPath);
    return options;
}

}  // namespace flowstack::trace
