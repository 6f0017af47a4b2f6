#pragma once

#include <google/protobuf/message.h>

#include <optional>
#include <string>
#include <vector>

#include "tools/flowctl/context.h"

// Commands that are one call of a service's API each: what they are called, what they take, and how
// the answer is shown. The table (verbs_table.cc) says all of it; verbs.cc is how such a command
// runs.
namespace flowstack::flowctl {

// A method with its request and answer.
struct Method {
    std::string service;  // "campaign"
    std::string path;     // "CampaignService/PauseCampaign"
    const google::protobuf::Message* request;
    const google::protobuf::Message* answer;
};

template <class Request, class Answer>
Method method(const std::string& path) {
    // "flowstack.campaign.v1.PauseCampaignRequest" → "campaign"
    auto service = Request::descriptor()->file()->package();
    service.erase(0, service.find('.') + 1);
    service.erase(service.find('.'));
    return {service, path, &Request::default_instance(), &Answer::default_instance()};
}

// An option of a command, which sets a field of the request.
struct VerbOption {
    enum class Kind {
        text,  // --flag VALUE, as `assign` reads it
        word,  // the same in capitals, as the APIs write states
        flag,  // --flag
        file,  // --flag FILE: the field is what the file holds; - is stdin. Keeps secrets off the
               // screen.
    };
    std::string flag;  // "--reason"
    std::string path;  // "reason"
    std::string help;
    Kind kind = Kind::text;
    bool required = false;
};

// A column of a list: the field at a path of each item.
struct VerbColumn {
    std::string title;
    std::string path;
    bool right = false;
    bool flexible = false;
};

struct Verb {
    std::string group;  // "campaigns"
    std::string name;   // "pause"
    std::string help;
    Method call;
    // Of the resource that the command names: "campaigns" for tenants/<tenant>/campaigns/<id>,
    // "tenants" for tenants/<tenant>. Empty: the command names none.
    std::string collection{};
    std::vector<VerbOption> options{};
    // A list's.
    std::vector<VerbColumn> columns{};
    // Takes <field>=<value>… and --file with the request as JSON.
    bool takes_fields = false;
    // A command that cannot be taken back: with --dry-run this is asked instead, and shown. Where
    // the request has validate_only, --dry-run sets that.
    std::optional<Method> look{};
    // What --dry-run asks of `look` besides the name: <field>=<value> of its request, a value that
    // begins with @ is the field of that path of the command's own request.
    std::vector<std::string> look_fields{};
};

// By group.
const std::vector<Verb>& verbs();

}  // namespace flowstack::flowctl
