#include <algorithm>
#include <cctype>
#include <map>
#include <regex>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "tools/docs/documents.h"
#include "tools/docs/json_text.h"

// docs/api/postman.json: the OpenAPI document as a collection of Postman (format 2.1), which newman
// runs too. Ids of paths and bodies are variables of the collection; a script takes them from the
// answers, so that requests that are run one after the other find what the ones before have made.
namespace flowstack::docs {
namespace {

namespace json = boost::json;

// "campaigns" → "campaign", of every path that names one of a collection.
using Singulars = std::map<std::string, std::string>;

Singulars singulars_of(const json::object& paths) {
    static const std::regex kPart("/([A-Za-z]+)/\\{([A-Za-z]+)\\}");
    Singulars singulars;
    for (const auto& [path, item] : paths) {
        if (!path.starts_with("/v1/")) continue;
        const std::string text(path);
        for (std::sregex_iterator at(text.begin(), text.end(), kPart), end; at != end; ++at)
            singulars[(*at)[1]] = (*at)[2];
    }
    return singulars;
}

// "{id}" of "/whatsapp/orders/{id}" is the order of /v1.
std::string variable_of(const Singulars& singulars, const std::string& before,
                        const std::string& name) {
    const auto known = singulars.find(before);
    return known == singulars.end() ? name : known->second;
}

// "/v1/tenants/{tenant}/campaigns/{campaign}:start" →
// "/v1/tenants/{{tenant}}/campaigns/{{campaign}}:start"
std::string with_variables(const Singulars& singulars, const std::string& path,
                           std::set<std::string>& variables) {
    std::string out, collection;
    for (std::size_t at = 0; at < path.size();) {
        if (path[at] == '{') {
            const auto end = path.find('}', at);
            const auto name = variable_of(singulars, collection, path.substr(at + 1, end - at - 1));
            variables.insert(name);
            out += "{{" + name + "}}";
            at = end + 1;
            continue;
        }
        // The words between two slashes name the collection of a variable that follows.
        const auto end = std::min(path.find_first_of("/{", at + 1), path.size());
        if (path[at] == '/' && end > at + 1) collection = path.substr(at + 1, end - at - 1);
        out += path.substr(at, end - at);
        at = end;
    }
    return out;
}

const json::value& resolved(const json::object& document, const json::value& value) {
    const auto* reference = value.as_object().if_contains("$ref");
    if (!reference) return value;
    // "#/components/parameters/IfMatch" is a JSON pointer.
    return document.at("components")
        .at_pointer(std::string(reference->as_string()).substr(std::string("#/components").size()));
}

// Times become tomorrow, members such as "customerId" what an earlier answer named.
json::value with_ids(const json::value& value, const Singulars& singulars,
                     std::set<std::string>& variables) {
    if (value.is_array()) {
        json::array out;
        for (const auto& item : value.as_array())
            out.push_back(with_ids(item, singulars, variables));
        return out;
    }
    // A time in an example has passed when somebody sends it.
    static const std::regex kTimeInExample("\\d{4}-\\d\\d-\\d\\dT.*");
    if (value.is_string() && std::regex_match(std::string(value.as_string()), kTimeInExample))
        return "{{tomorrow}}";
    if (!value.is_object()) return value;
    json::object out;
    for (const auto& [name, member] : value.as_object()) {
        const std::string key(name);
        const auto stem = key.ends_with("Id") ? key.substr(0, key.size() - 2) : "";
        bool known = false;
        for (const auto& [collection, variable] : singulars)
            known = known || (variable == stem && stem != "tenant");
        if (known && member.is_string()) {
            variables.insert(stem);
            out[name] = "{{" + stem + "}}";
        } else {
            out[name] = with_ids(member, singulars, variables);
        }
    }
    return out;
}

std::string text(const json::object& object, const char* name) {
    const auto* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->as_string()) : "";
}

json::object script(const char* listen, json::array lines) {
    return {{"listen", listen},
            {"script", json::object{{"type", "text/javascript"}, {"exec", std::move(lines)}}}};
}

// Answers that the document names, but for 500, which is a bug. What is not built yet says so with
// 501.
json::object test_of(const json::object& operation) {
    std::string statuses;
    for (const auto& [status, answer] : operation.at("responses").as_object())
        if (status != "500") statuses += (statuses.empty() ? "" : ", ") + std::string(status);
    return script(
        "test",
        json::array{
            json::string("pm.test(\"the status is one that the document names\", () =>"),
            json::string("    pm.expect(pm.response.code).to.be.oneOf([" + statuses + "]));")});
}

class Collection {
public:
    explicit Collection(const json::object& document)
        : document_(document), singulars_(singulars_of(document.at("paths").as_object())) {}

    json::object made() {
        json::array folders;
        for (const auto& tag : document_.at("tags").as_array()) {
            struct Asked {
                std::string path;
                std::string verb;
                const json::object* operation;
            };
            std::vector<Asked> all;
            for (const auto& [path, item] : document_.at("paths").as_object())
                for (const auto& [verb, operation] : item.as_object())
                    if (operation.at("tags").as_array().front() == tag.at("name"))
                        all.push_back(
                            {std::string(path), std::string(verb), &operation.as_object()});
            // What makes and lists things stands before what asks for one of them.
            std::ranges::stable_sort(
                all, {}, [](const Asked& asked) { return std::ranges::count(asked.path, '{'); });
            json::array requests;
            for (const auto& [path, verb, operation] : all)
                requests.push_back(request_of(path, verb, *operation));
            folders.push_back(json::object{{"name", tag.at("name")},
                                           {"description", tag.at("description")},
                                           {"item", std::move(requests)}});
        }
        const auto& info = document_.at("info").as_object();
        return {{"info", json::object{{"name", info.at("title")},
                                      {"description", info.at("description")},
                                      {"version", info.at("version")},
                                      {"schema",
                                       "https://schema.getpostman.com/json/collection/v2.1.0/"
                                       "collection.json"}}},
                {"auth", json::object{{"type", "bearer"},
                                      {"bearer", json::array{json::object{{"key", "token"},
                                                                          {"value", "{{api_key}}"},
                                                                          {"type", "string"}}}}}},
                {"event", json::array{tomorrow(), remember()}},
                {"variable", variables()},
                {"item", std::move(folders)}};
    }

private:
    json::object request_of(const std::string& path, const std::string& verb,
                            const json::object& operation) {
        std::string method = verb;
        for (char& c : method) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
        json::array headers, query;
        if (const auto* parameters = operation.if_contains("parameters"))
            for (const auto& each : parameters->as_array())
                add_parameter(resolved(document_, each).as_object(), headers, query);
        const auto raw = with_variables(singulars_, path, variables_);
        json::array segments;
        for (std::size_t begin = 1; begin <= raw.size();) {
            const auto end = std::min(raw.find('/', begin), raw.size());
            segments.emplace_back(raw.substr(begin, end - begin));
            begin = end + 1;
        }
        std::string asked;
        for (const auto& each : query)
            if (!each.as_object().contains("disabled"))
                asked += (asked.empty() ? "?" : "&") + std::string(each.at("key").as_string()) +
                         "=" + std::string(each.at("value").as_string());
        json::object request{{"method", method},
                             {"description", text(operation, "description")},
                             {"header", std::move(headers)}};
        if (const auto* security = operation.if_contains("security");
            security && security->as_array().empty())
            request["auth"] = json::object{{"type", "noauth"}};
        if (const auto* body = operation.if_contains("requestBody")) add_body(*body, request);
        json::object url{{"raw", "{{base_url}}" + raw + asked},
                         {"host", json::array{"{{base_url}}"}},
                         {"path", std::move(segments)}};
        if (!query.empty()) url["query"] = std::move(query);
        request["url"] = std::move(url);
        return {{"name", text(operation, "summary")},
                {"event", json::array{test_of(operation)}},
                {"request", std::move(request)}};
    }

    void add_parameter(const json::object& parameter, json::array& headers, json::array& query) {
        const auto in = text(parameter, "in");
        if (in == "path") return;
        const auto name = text(parameter, "name");
        const auto* required = parameter.if_contains("required");
        json::object each{{"key", name},
                          {"value", text(parameter, "example")},
                          {"description", text(parameter, "description")}};
        if (name == "Idempotency-Key")
            each["value"] = "{{$guid}}";  // another one for each run
        else if (name == "businessId")
            each["value"] = "{{tenant}}";
        else if (!required || !required->as_bool())
            each["disabled"] = true;
        if (name == "businessId") variables_.insert("tenant");
        (in == "header" ? headers : query).push_back(std::move(each));
    }

    void add_body(const json::value& body, json::object& request) {
        const auto& content = body.at("content").as_object();
        const auto* media = content.if_contains("application/json");
        if (!media) return;
        const auto* example = media->as_object().if_contains("example");
        request["body"] =
            json::object{{"mode", "raw"},
                         {"raw", pretty_json(example ? with_ids(*example, singulars_, variables_)
                                                     : json::value(json::object()))},
                         {"options", json::object{{"raw", json::object{{"language", "json"}}}}}};
    }

    static json::object tomorrow() {
        return script("prerequest",
                      json::array{"pm.collectionVariables.set(\"tomorrow\",",
                                  "    new Date(Date.now() + 24 * 3600 * 1000).toISOString());"});
    }

    // A name or a list of names in an answer becomes the variables of later requests.
    json::object remember() const {
        json::object known;
        for (const auto& [collection, variable] : singulars_) known[collection] = variable;
        json::array lines{
            "// What an answer names is what later requests are about.",
            json::string("const variables = " + json::serialize(known) + ";"),
            "const remember = (name) => {",
            "    const parts = String(name || \"\").split(\"/\");",
            "    const variable = variables[parts[parts.length - 2]];",
            "    // The tenant is the one that was chosen.",
            "    if (variable && variable !== \"tenant\")",
            "        pm.collectionVariables.set(variable, parts[parts.length - 1]);",
            "};",
            "let answer = {};",
            "try { answer = pm.response.json(); } catch (error) { /* no JSON */ }",
            "if (pm.response.code < 300 && answer) {",
            "    remember(answer.name);",
            "    Object.values(answer).forEach((member) =>",
            "        Array.isArray(member) && member.length > 0 && remember(member[0].name));",
            "}"};
        return script("test", std::move(lines));
    }

    json::array variables() const {
        json::array all;
        const auto add = [&all](const std::string& key, const std::string& value) {
            all.push_back(json::object{{"key", key}, {"value", value}, {"type", "string"}});
        };
        add("base_url", "http://127.0.0.1:8080");
        add("api_key", "");
        for (const auto& name : variables_) add(name, example_of_path(name));
        return all;
    }

    // As the paths of /v1 show it.
    std::string example_of_path(const std::string& variable) const {
        for (const auto& [path, item] : document_.at("paths").as_object())
            for (const auto& [verb, operation] : item.as_object())
                if (const auto* parameters = operation.as_object().if_contains("parameters"))
                    for (const auto& each : parameters->as_array()) {
                        const auto& parameter = resolved(document_, each).as_object();
                        if (text(parameter, "in") == "path" && text(parameter, "name") == variable)
                            return text(parameter, "example");
                    }
        throw std::runtime_error("the collection has a variable that no path has: " + variable);
    }

    const json::object& document_;
    const Singulars singulars_;
    std::set<std::string> variables_;
};

}  // namespace

void add_postman(Documents& out) {
    const auto document = json::parse(out.at("docs/api/openapi.json"));
    out["docs/api/postman.json"] = pretty_json(Collection(document.as_object()).made());
}

}  // namespace flowstack::docs
