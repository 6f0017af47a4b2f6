#include <cctype>
#include <string>

#include "tools/docs/documents.h"
#include "tools/docs/json_text.h"

// docs/api/README.md: the OpenAPI document for people, with a call of curl for every path.
namespace flowstack::docs {
namespace {

namespace json = boost::json;

constexpr std::size_t kOneLineMax = 100;

std::string member(const json::object& object, const char* name) {
    const auto* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->as_string()) : "";
}

// A parameter as it stands in the document, or the shared one that it refers to.
const json::object& parameter_of(const json::object& document, const json::value& value) {
    const auto& object = value.as_object();
    const auto* reference = object.if_contains("$ref");
    if (!reference) return object;
    return document.at("components")
        .at_pointer(std::string(reference->as_string()).substr(std::string("#/components").size()))
        .as_object();
}

// In single quotes of a shell.
std::string in_single_quotes(const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
    return out + "'";
}

std::string in_query(const std::string& text) {
    constexpr const char* kHex = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '~')
            out += c;
        else
            out += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
    }
    return out;
}

std::string curl_of(const json::object& document, const std::string& path, const std::string& verb,
                    const json::object& operation) {
    std::string url = path, query, headers;
    const auto* security = operation.if_contains("security");
    if (!security || !security->as_array().empty())
        headers += " \\\n    -H \"Authorization: Bearer $KEY\"";
    if (const auto* parameters = operation.if_contains("parameters"))
        for (const auto& each : parameters->as_array()) {
            const auto& parameter = parameter_of(document, each);
            const auto in = member(parameter, "in"), name = member(parameter, "name");
            const auto example = member(parameter, "example");
            const auto* required = parameter.if_contains("required");
            if (in == "path") {
                const auto at = url.find("{" + name + "}");
                if (at != std::string::npos) url.replace(at, name.size() + 2, example);
            } else if (in == "query" &&
                       (name == "businessId" || (required && required->as_bool()))) {
                query += (query.empty() ? "?" : "&") + name + "=" + in_query(example);
            } else if (in == "header" &&
                       (name == "Idempotency-Key" || (required && required->as_bool()))) {
                headers += " \\\n    -H " + in_single_quotes(name + ": " + example);
            }
        }
    std::string body;
    if (const auto* request = operation.if_contains("requestBody")) {
        const auto& content = request->at("content").as_object();
        const auto* media = content.if_contains("application/json");
        const auto* example = media ? media->as_object().if_contains("example") : nullptr;
        if (example) {
            auto text = json::serialize(*example);
            if (text.size() > kOneLineMax) {
                text = pretty_json(*example);
                while (text.ends_with('\n')) text.pop_back();
            }
            headers += " \\\n    -H 'Content-Type: application/json'";
            body = " \\\n    -d " + in_single_quotes(text);
        }
    }
    std::string method;
    if (verb != "get" && !(verb == "post" && !body.empty())) {
        method = " -X ";
        for (const char c : verb)
            method += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    return "curl -sS" + method + " \"$FLOWSTACK" + url + query + "\"" + headers + body;
}

std::string answers_of(const json::object& operation) {
    std::string text;
    for (const auto& [status, answer] : operation.at("responses").as_object())
        text += (text.empty() ? "" : ", ") + std::string(status);
    return text;
}

}  // namespace

void add_reference(Documents& out) {
    const auto parsed = json::parse(out.at("docs/api/openapi.json"));
    const auto& document = parsed.as_object();
    std::string text =
        "# REST\n\nMade by `flowstack-docs write .` from [openapi.json](openapi.json), which the "
        "gateway serves at `/openapi.json`. The same calls for Postman and newman are in "
        "[postman.json](postman.json); what refusals mean is in [errors](../errors.md).\n\n" +
        member(document.at("info").as_object(), "description") +
        "\nThe calls below need the address of the gateway and a key:\n\n"
        "    export FLOWSTACK=http://127.0.0.1:8080 KEY=…\n";
    for (const auto& tag : document.at("tags").as_array()) {
        const auto name = member(tag.as_object(), "name");
        text += "\n## " + name + "\n\n" + member(tag.as_object(), "description") + "\n";
        for (const auto& [path, item] : document.at("paths").as_object())
            for (const auto& [verb, each] : item.as_object()) {
                const auto& operation = each.as_object();
                if (operation.at("tags").as_array().front() != tag.at("name")) continue;
                std::string method(verb);
                for (char& c : method)
                    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
                text += "\n### " + method + " " + std::string(path) + "\n\n" +
                        member(operation, "description") + "\n\nStatus: " + answers_of(operation) +
                        ".\n\n```sh\n" +
                        curl_of(document, std::string(path), std::string(verb), operation) +
                        "\n```\n";
            }
    }
    out["docs/api/README.md"] = text;
}

}  // namespace flowstack::docs
