#include "tools/flowctl/verbs.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <climits>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>

#include "common/rpc/resource_name.h"
#include "tools/flowctl/assign.h"
#include "tools/flowctl/fields.h"
#include "tools/flowctl/json.h"
#include "tools/flowctl/names.h"
#include "tools/flowctl/output.h"

namespace flowstack::flowctl {
namespace {

namespace pb = google::protobuf;
using Kind = VerbOption::Kind;

constexpr int kVerbPageMax = 200;
constexpr std::size_t kInputBytesMax = 4U << 20;

// What a command line said of one verb.
struct Typed {
    std::string name;
    std::string tenant;
    std::vector<std::string> values;  // beside Verb::options
    std::vector<std::string> fields;
    std::string file;
    bool dry_run = false;
    int limit = 50;
};

const pb::FieldDescriptor* field(const pb::Message& message, const std::string& name) {
    return message.GetDescriptor()->FindFieldByName(name);
}

// A file, or stdin for "-".
std::string content_of(const std::string& option, const std::string& path) {
    std::ifstream file;
    if (path != "-") {
        file.open(path);
        if (!file) throw UsageError(option + ": cannot read " + path);
    }
    std::istream& in = path == "-" ? std::cin : file;
    std::string text(kInputBytesMax + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.size() > kInputBytesMax)
        throw UsageError(option + ": " + path + " has more than " + std::to_string(kInputBytesMax) +
                         " bytes");
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    return text;
}

void read_request(pb::Message& request, const std::string& path) {
    const auto read = pb::util::JsonStringToMessage(content_of("--file", path), &request);
    if (!read.ok())
        throw UsageError("--file: " + path + " is no " + request.GetDescriptor()->name() + ": " +
                         std::string(read.message()));
}

std::string full_name(Context& context, const Verb& verb, const Typed& typed) {
    if (verb.collection == "tenants") return rpc::tenant_name(tenant_id(typed.name));
    return resource_name(typed.name, verb.collection,
                         [&] { return chosen_tenant(context, typed.tenant); });
}

// Whether the command belongs to a tenant that it does not name itself.
bool asks_tenant(const Verb& verb) {
    return verb.collection.empty() && field(*verb.call.request, "parent") != nullptr;
}

// A command line can be read by every process of the machine, and stays in the shell's history.
void refuse_secret(const std::string& typed) {
    const auto path = typed.substr(0, typed.find('='));
    const auto leaf = path.substr(path.rfind('.') + 1);
    for (const auto* secret : {"access_token", "passkey", "consumer_key", "consumer_secret"})
        if (leaf == secret)
            throw UsageError(path + " is a secret: give it with --file (- reads stdin)" +
                             (leaf == "access_token" ? " or --token-file" : ""));
}

std::unique_ptr<pb::Message> request_of(Context& context, const Verb& verb, const Typed& typed) {
    std::unique_ptr<pb::Message> request(verb.call.request->New());
    if (!typed.file.empty()) read_request(*request, typed.file);
    for (const auto& one : typed.fields) {
        refuse_secret(one);
        assign(*request, one);
    }
    for (std::size_t i = 0; i < verb.options.size(); ++i) {
        const auto& option = verb.options[i];
        auto value = typed.values[i];
        if (value.empty()) continue;
        if (option.kind == Kind::word)
            std::ranges::transform(value, value.begin(),
                                   [](unsigned char c) { return std::toupper(c); });
        assign(*request, option.path + "=" +
                             (option.kind == Kind::file ? content_of(option.flag, value) : value));
    }
    // What the line names counts, whatever a file says.
    if (!verb.collection.empty())
        assign(*request,
               (field(*request, "name") ? "name=" : "parent=") + full_name(context, verb, typed));
    else if (asks_tenant(verb))
        assign(*request, "parent=" + rpc::tenant_name(chosen_tenant(context, typed.tenant)));
    return request;
}

// The repeated field that a page is about.
const pb::FieldDescriptor& items_of(const pb::Message& page) {
    const auto& type = *page.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i)
        if (type.field(i)->is_repeated() &&
            type.field(i)->cpp_type() == pb::FieldDescriptor::CPPTYPE_MESSAGE)
            return *type.field(i);
    throw std::logic_error(type.full_name() + " holds no list");
}

void add_rows(Sheet& sheet, const Verb& verb, const pb::Message& page, int left) {
    const auto& items = items_of(page);
    const auto& reflection = *page.GetReflection();
    for (int i = 0; i < reflection.FieldSize(page, &items) && left-- > 0; ++i) {
        const auto& item = reflection.GetRepeatedMessage(page, &items, i);
        std::vector<std::string> cells;
        for (const auto& column : verb.columns) {
            auto cell = text_at(item, column.path);
            // Names are long, and those of one list differ in their end only.
            cells.push_back(column.path == "name" ? short_id(cell) : cell);
        }
        sheet.add(std::move(cells), json_of(item));
    }
}

int show_list(Context& context, const Verb& verb, const Method& call, pb::Message& request,
              int limit) {
    std::vector<Column> columns;
    for (const auto& column : verb.columns)
        columns.push_back({column.title, column.right, column.flexible});
    Sheet sheet(std::move(columns));
    const auto* size = field(request, "page_size");
    const auto* token = field(request, "page_token");
    if (!token) limit = 0;  // the answer is whole
    const std::unique_ptr<pb::Message> page(call.answer->New());
    std::string next;
    for (;;) {
        const int left = limit == 0 ? kVerbPageMax : limit - static_cast<int>(sheet.size());
        if (size) request.GetReflection()->SetInt32(&request, size, std::min(left, kVerbPageMax));
        page->Clear();
        context.api().call_into(*page, call.service, call.path, request);
        add_rows(sheet, verb, *page, limit == 0 ? INT_MAX : left);
        next = token ? text_at(*page, "next_page_token") : "";
        if (next.empty() || (limit != 0 && static_cast<int>(sheet.size()) >= limit)) break;
        request.GetReflection()->SetString(&request, token, next);
    }
    print(sheet, context.format, verb.group);
    if (!next.empty()) std::cerr << "there are more: --limit " << limit * 4 << ", or 0 for all\n";
    return kOk;
}

int show_one(Context& context, const Method& call, const pb::Message& request) {
    const std::unique_ptr<pb::Message> answer(call.answer->New());
    context.api().call_into(*answer, call.service, call.path, request);
    print_facts(facts_of(*answer), json_of(*answer), context.format);
    return kOk;
}

bool is_list(const Method& call) {
    return call.answer->GetDescriptor()->FindFieldByName("next_page_token") != nullptr;
}

// Shows what the command would have changed.
int look(Context& context, const Verb& verb, const pb::Message& request, int limit) {
    const auto& call = *verb.look;
    const std::unique_ptr<pb::Message> question(call.request->New());
    if (field(*question, "name")) assign(*question, "name=" + text_at(request, "name"));
    if (field(*question, "parent")) assign(*question, "parent=" + text_at(request, "parent"));
    for (const auto& typed : verb.look_fields) {
        const auto at = typed.find("=@");
        assign(*question, at == std::string::npos
                              ? typed
                              : typed.substr(0, at + 1) + text_at(request, typed.substr(at + 2)));
    }
    const int code = is_list(call) ? show_list(context, verb, call, *question, limit)
                                   : show_one(context, call, *question);
    if (code == kOk)
        std::cerr << verb.group << " " << verb.name << ": nothing was changed (dry run)\n";
    return code;
}

int run_verb(Context& context, const Verb& verb, const Typed& typed) {
    const auto request = request_of(context, verb, typed);
    if (typed.dry_run && verb.look) return look(context, verb, *request, typed.limit);
    if (typed.dry_run) assign(*request, "validate_only=true");
    const int code = verb.columns.empty() || verb.look
                         ? show_one(context, verb.call, *request)
                         : show_list(context, verb, verb.call, *request, typed.limit);
    if (typed.dry_run && code == kOk)
        std::cerr << verb.group << " " << verb.name
                  << ": it would be accepted; nothing was changed (dry run)\n";
    return code;
}

CLI::App* group_of(CLI::App& app, const std::string& name) {
    const auto named = [&name](const CLI::App* one) { return one->get_name() == name; };
    for (auto* there : app.get_subcommands(named)) return there;
    static const std::map<std::string, std::string> kHelp{
        {"provider-templates", "templates that a provider keeps and judges: APPROVED, PAUSED …"},
        {"webhook-endpoints", "a tenant's own systems that hear what happens"},
        {"webhook-deliveries", "webhooks to these systems, and what became of them"},
        {"templates", "the words of flows, and those that WhatsApp approved"},
        {"flows", "how dialogues go, as documents"},
        {"campaigns", "one message to many customers"},
        {"followups", "messages that wait for their time"},
        {"keys", "API keys of a tenant's machines"},
        {"customers", "people who wrote to the business"},
        {"contacts", "customers as the providers know them: addresses, consent, service window"},
        {"notices", "what providers told about accounts, numbers and templates"},
        {"products", "what is for sale, and its stock"},
        {"promotions", "what customers are told about"},
        {"topics", "questions that the SUPPORT pack answers"},
        {"refunds", "money of payments that goes back"},
        {"services", "what the BOOKING pack lets customers book, and when there is room"},
        {"bookings", "what customers have booked, opening hours and contact details"},
        {"invoices", "what customers owe"},
        {"ledger", "the books: balances and transactions"},
        {"accounts", "a tenant's accounts with payment providers"}};
    auto* group = app.add_subcommand(name, kHelp.at(name));
    group->require_subcommand(1);
    group->fallthrough();
    return group;
}

void add_verb(CLI::App& app, Context& context, const Verb& verb) {
    const auto typed = std::make_shared<Typed>();
    typed->values.resize(verb.options.size());
    auto* command = group_of(app, verb.group)->add_subcommand(verb.name, verb.help);
    if (verb.collection == "tenants")
        command->add_option("tenant", typed->name, "tenants/<tenant>, or its id")->required();
    else if (!verb.collection.empty())
        command
            ->add_option("name", typed->name,
                         "tenants/<tenant>/" + verb.collection + "/<id>, or <id>")
            ->required();
    if (verb.takes_fields) {
        command->add_option("field", typed->fields,
                            "<field>=<value> of the request, a list with commas; a wrong field "
                            "lists them all");
        command
            ->add_option("--file", typed->file,
                         "the request as JSON, as REST takes it; - reads stdin")
            ->option_text("FILE");
    }
    for (std::size_t i = 0; i < verb.options.size(); ++i) {
        const auto& option = verb.options[i];
        auto& value = typed->values[i];
        if (option.kind == Kind::flag) {
            command->add_flag_callback(
                option.flag, [&value] { value = "true"; }, option.help);
            continue;
        }
        auto* added = command->add_option(option.flag, value, option.help);
        added->option_text(option.kind == Kind::file ? "FILE" : "TEXT");
        if (option.required) added->required();
    }
    if (asks_tenant(verb) || (!verb.collection.empty() && verb.collection != "tenants"))
        command
            ->add_option("-t,--tenant", typed->tenant,
                         "whose (FLOWSTACK_TENANT, or the only one there is)")
            ->option_text("TENANT");
    if (is_list(verb.call) || (verb.look && is_list(*verb.look)))
        command->add_option("-n,--limit", typed->limit, "at most so many, 0 = all")
            ->check(CLI::NonNegativeNumber)
            ->option_text("N [50]");
    if (verb.look)
        command->add_flag("--dry-run", typed->dry_run, "show what it is about and change nothing");
    else if (field(*verb.call.request, "validate_only"))
        command->add_flag("--dry-run", typed->dry_run, "have it checked and change nothing");
    command->callback([&context, &verb, typed] {
        context.run = [&context, &verb, typed] { return run_verb(context, verb, *typed); };
    });
}

}  // namespace

void add_verb_commands(CLI::App& app, Context& context) {
    for (const auto& verb : verbs()) add_verb(app, context, verb);
}

}  // namespace flowstack::flowctl
