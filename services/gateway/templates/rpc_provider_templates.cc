#include "services/gateway/templates/rpc_provider_templates.h"

#include <google/protobuf/timestamp.pb.h>
#include <grpcpp/grpcpp.h>

#include <utility>

#include "common/eventlog/payload.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/server.h"
#include "common/service/one_stream.h"
#include "common/service/pages.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "flowstack/gateway/v1/provider_template_events.pb.h"
#include "flowstack/gateway/v1/provider_template_service.grpc.pb.h"
#include "services/gateway/adapters/projections.h"
#include "services/gateway/adapters/resources.h"

namespace flowstack::gateway {
namespace {

using eventlog::Command;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr int kAnswerTriesMax = 10;
constexpr int kAccountsMax = 500;  // of one tenant, in one answer
// Between the time at which an answer is given up and the moment at which somebody else says so.
constexpr std::chrono::milliseconds kAnswerMargin{5'000};

rpc::Failure provider_refused(const RefusedTemplateRequest& refused, const std::string& name) {
    const auto& error = refused.error;
    const bool asked = error != SendError{};
    std::string words = asked ? "The provider refused: " + error.title
                              : "The provider did not do it: " + refused.reason;
    if (!error.details.empty()) words += ": " + error.details;
    auto failure = rpc::wrong_state(name, words);
    if (!error.code.empty()) failure.metadata["code"] = error.code;
    return failure;
}

rpc::Failure failure_of(TemplateRejection rejection, const std::string& name,
                        const TemplateKey& key) {
    switch (rejection) {
        case TemplateRejection::exists:
            return rpc::already_exists("The account has a template " + text_of(key) + " already.");
        case TemplateRejection::request_open:
            return rpc::wrong_state(name,
                                    "Another request about this template has no answer yet. Wait "
                                    "until the provider's list tells what became of it.");
        case TemplateRejection::not_at_provider:
            return rpc::wrong_state(name, "The provider does not have this template.");
        case TemplateRejection::stale_answer:
            break;
    }
    return rpc::internal();
}

class ProviderTemplateRpc final : public v1::ProviderTemplateService::CallbackService {
public:
    explicit ProviderTemplateRpc(const Doors& doors) : doors_(doors), book_(*doors.templates) {}

    ServerUnaryReactor* CreateProviderTemplate(CallbackServerContext* context,
                                               const v1::CreateProviderTemplateRequest* request,
                                               v1::ProviderTemplate* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call& call) { create(call, *request, *response); });
    }
    ServerUnaryReactor* GetProviderTemplate(CallbackServerContext* context,
                                            const v1::GetProviderTemplateRequest* request,
                                            v1::ProviderTemplate* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            show(rpc::parse_name(request->name(), kCollection), *response);
        });
    }
    ServerUnaryReactor* ListProviderTemplates(
        CallbackServerContext* context, const v1::ListProviderTemplatesRequest* request,
        v1::ListProviderTemplatesResponse* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { list(*request, *response); });
    }
    ServerUnaryReactor* EditProviderTemplate(CallbackServerContext* context,
                                             const v1::EditProviderTemplateRequest* request,
                                             v1::ProviderTemplate* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call& call) { edit(call, *request, *response); });
    }
    ServerUnaryReactor* DeleteProviderTemplate(CallbackServerContext* context,
                                               const v1::DeleteProviderTemplateRequest* request,
                                               v1::ProviderTemplate* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call& call) { remove(call, *request, *response); });
    }
    ServerUnaryReactor* SyncProviderTemplates(CallbackServerContext* context,
                                              const v1::SyncProviderTemplatesRequest* request,
                                              v1::TemplateAccount* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call& call) { sync(call, *request, *response); });
    }

private:
    static constexpr const char* kCollection = "providerTemplates";

    // What one request asks the provider for.
    struct Asked {
        std::string method;
        std::string tenant;
        ProviderTemplateId id;
        RequestTemplate request;
        TemplateDoor door;
        TemplateSpec spec;
        std::string etag;
    };

    std::string name_of(const Asked& asked) const {
        return rpc::resource_name(asked.tenant, kCollection, asked.id);
    }

    // The channel whose account is meant.
    TemplateDoor door_of_channel(const std::string& tenant, const std::string& wanted) {
        const auto channel_id = channel_for(doors_, tenant, ChannelId(wanted));
        auto channel = doors_.directory.channel(tenant, channel_id);
        if (!channel) {
            // Connected a moment ago by another replica.
            doors_.directory.apply({tenant, "channel", channel_id.text()});
            channel = doors_.directory.channel(tenant, channel_id);
        }
        const auto* provider = channel ? doors_.providers.find(channel->channel.kind) : nullptr;
        if (provider == nullptr || provider->templates() == nullptr)
            throw rpc::invalid_field("channel_id",
                                     "must be a channel whose provider keeps templates");
        if (channel->channel.business_account_id.empty())
            throw rpc::invalid_field("channel_id",
                                     "must be a channel with a business_account_id: the templates "
                                     "belong to that account");
        return {.channel = std::move(channel), .provider = provider->templates()};
    }

    TemplateDoor door_of_known(const std::string& tenant, const TemplateKey& key,
                               const std::string& name) {
        if (auto door = door_of_account(doors_.directory, doors_.providers, tenant,
                                        key.business_account_id))
            return std::move(*door);
        throw rpc::wrong_state(name, "The tenant has no channel of this template's account.");
    }

    void create(rpc::Call& call, const v1::CreateProviderTemplateRequest& request,
                v1::ProviderTemplate& response) {
        const auto tenant = rpc::parse_parent(request.parent());
        check_tenant(doors_, tenant);
        auto door = door_of_channel(tenant, request.channel_id());
        const auto& wanted = request.template_();
        Asked asked{
            .method = "CreateProviderTemplate",
            .tenant = tenant,
            .id = {},
            .request = {.operation = TemplateOperation::create,
                        .key = {.business_account_id = door.channel->channel.business_account_id,
                                .name = wanted.name(),
                                .language_code = wanted.language_code()},
                        .channel_id = door.channel->channel.channel_id,
                        .category = wanted.category(),
                        .parts = from_proto(wanted.parts()),
                        .answer_until = {}},
            .door = door,
            .spec = {.name = wanted.name(),
                     .language_code = wanted.language_code(),
                     .category = wanted.category(),
                     .parts = from_proto(wanted.parts())},
            .etag = ""};
        asked.id = template_id(tenant, asked.request.key);
        auto faults = door.provider->faults_of(asked.spec);
        if (wanted.category().empty())
            faults.push_back({"category", "must be MARKETING or UTILITY"});
        if (!faults.empty()) throw refused_fields(faults, "template");
        if (request.validate_only()) {
            const auto known = book_.templates().load(template_stream(tenant, asked.id));
            const auto decision = decide(known.state, asked.request);
            if (!decision.accepted())
                throw failure_of(decision.rejection(), name_of(asked), asked.request.key);
            response.set_category(wanted.category());
            *response.mutable_parts() = wanted.parts();
            return;
        }
        carry_out(call, request, asked, response);
    }

    void edit(rpc::Call& call, const v1::EditProviderTemplateRequest& request,
              v1::ProviderTemplate& response) {
        const auto name = rpc::parse_name(request.name(), kCollection);
        const auto known = known_template(name, request.name());
        Asked asked{.method = "EditProviderTemplate",
                    .tenant = name.tenant,
                    .id = ProviderTemplateId(name.id),
                    .request = {.operation = TemplateOperation::edit,
                                .key = known.state.key,
                                .channel_id = {},
                                .category = request.category(),
                                .parts = from_proto(request.parts()),
                                .answer_until = {}},
                    .door = door_of_known(name.tenant, known.state.key, request.name()),
                    .spec = {.name = known.state.key.name,
                             .language_code = known.state.key.language_code,
                             .category = request.category(),
                             .parts = from_proto(request.parts())},
                    .etag = request.etag()};
        asked.request.channel_id = asked.door.channel->channel.channel_id;
        if (const auto faults = asked.door.provider->faults_of(asked.spec); !faults.empty())
            throw refused_fields(faults, "");
        if (request.validate_only()) {
            service::check_etag(request.etag(), known.version, "the template");
            const auto decision = decide(known.state, asked.request);
            if (!decision.accepted())
                throw failure_of(decision.rejection(), request.name(), known.state.key);
            return show(name, response);
        }
        carry_out(call, request, asked, response);
    }

    void remove(rpc::Call& call, const v1::DeleteProviderTemplateRequest& request,
                v1::ProviderTemplate& response) {
        const auto name = rpc::parse_name(request.name(), kCollection);
        const auto known = known_template(name, request.name());
        Asked asked{.method = "DeleteProviderTemplate",
                    .tenant = name.tenant,
                    .id = ProviderTemplateId(name.id),
                    .request = {.operation = TemplateOperation::remove,
                                .key = known.state.key,
                                .channel_id = {},
                                .category = "",
                                .parts = {},
                                .answer_until = {}},
                    .door = door_of_known(name.tenant, known.state.key, request.name()),
                    .spec = {.name = known.state.key.name,
                             .language_code = known.state.key.language_code,
                             .category = "",
                             .parts = {}},
                    .etag = ""};
        asked.request.channel_id = asked.door.channel->channel.channel_id;
        carry_out(call, request, asked, response);
    }

    // The intent, the call, its outcome. A repeat of the request calls nobody.
    template <class Request>
    void carry_out(rpc::Call& call, const Request& request, Asked& asked,
                   v1::ProviderTemplate& response) {
        auto effect =
            one_effect(doors_, call, asked.method, asked.tenant, request.request_id(), request);
        const auto stream = template_stream(asked.tenant, asked.id);
        std::string provider_template_id;
        const auto events = effect.run([&]() -> std::optional<Command> {
            const auto known = book_.templates().load(stream);
            service::check_etag(asked.etag, known.version, "the template");
            const auto now = doors_.clock.now();
            asked.request.answer_until = now + doors_.template_timeout + kAnswerMargin;
            const auto decision = decide(known.state, asked.request);
            if (!decision.accepted())
                throw failure_of(decision.rejection(), name_of(asked), asked.request.key);
            provider_template_id = known.state.provider_template_id;
            Command command;
            command.meta.routing = by_account(asked.request.key.business_account_id);
            command.parts.push_back(template_part(asked.tenant, asked.request.key, known.expected(),
                                                  decision.events(), now));
            return command;
        });
        if (!effect.replayed()) record(asked, ask_provider(asked, provider_template_id));
        const auto known = book_.templates().load(stream).state;
        if (known.refused && !events.empty() &&
            known.refused->requested_at == events.front().occurred_at)
            throw provider_refused(*known.refused, name_of(asked));
        show({asked.tenant, asked.id.text()}, response);
    }

    TemplateOutcome ask_provider(const Asked& asked, const std::string& provider_template_id) {
        return ask_with_credentials<TemplateOutcome>(
            *asked.door.channel, doors_.template_timeout, [&](TemplateAccountCall call, auto done) {
                switch (asked.request.operation) {
                    case TemplateOperation::create:
                        return asked.door.provider->create(std::move(call), asked.spec,
                                                           std::move(done));
                    case TemplateOperation::edit:
                        return asked.door.provider->edit(std::move(call), provider_template_id,
                                                         asked.spec, std::move(done));
                    case TemplateOperation::remove:
                        return asked.door.provider->remove(std::move(call), asked.spec.name,
                                                           provider_template_id, std::move(done));
                }
            });
    }

    // Whatever others wrote meanwhile. When it cannot be written, the row of the open request turns
    // it into an unknown one later.
    void record(const Asked& asked, const TemplateOutcome& outcome) {
        RecordTemplateAnswer answer{
            .operation = asked.request.operation, .answer = TemplateTaken{}, .now = {}};
        if (const auto* taken = std::get_if<TemplateTaken>(&outcome))
            answer.answer = *taken;
        else if (const auto* refused = std::get_if<Refused>(&outcome))
            answer.answer =
                TemplateNotTaken{.error = refused->error, .reason = refused->error.title};
        else if (const auto* not_sent = std::get_if<NotSent>(&outcome))
            answer.answer = TemplateNotTaken{.error = {}, .reason = not_sent->reason};
        else
            answer.answer = TemplateAnswerLost{.reason = std::get<Lost>(outcome).reason};
        const auto& key = asked.request.key;
        for (int tries = 0; tries < kAnswerTriesMax; ++tries) {
            const auto known = book_.templates().load(template_stream(asked.tenant, asked.id));
            answer.now = doors_.clock.now();
            const auto decision = decide(known.state, answer);
            if (!decision.accepted() || decision.events().empty()) return;
            Command command;
            command.id = "template-answer/" + asked.id + "/" + std::to_string(known.version);
            command.tenant = asked.tenant;
            command.dedupe = eventlog::Dedupe::version;
            command.meta.routing = by_account(key.business_account_id);
            service::name_caller(command.meta, rpc::caller());
            command.parts.push_back(
                template_part(asked.tenant, key, known.expected(), decision.events(), answer.now));
            // Which status an edited template has, and what became of an answer that was lost, the
            // provider's list tells.
            const bool lost = std::holds_alternative<TemplateAnswerLost>(answer.answer);
            const bool edited = asked.request.operation == TemplateOperation::edit &&
                                std::holds_alternative<TemplateTaken>(answer.answer);
            if (lost || edited)
                command.parts.push_back(listing_wanted(
                    asked.tenant, key.business_account_id,
                    (lost ? "the answer was lost about " : "edited ") + text_of(key), answer.now));
            if (doors_.store.append(std::move(command)).accepted()) return;
        }
        throw rpc::contention();
    }

    void list(const v1::ListProviderTemplatesRequest& request,
              v1::ListProviderTemplatesResponse& response) {
        const auto tenant = rpc::parse_parent(request.parent());
        response.set_next_page_token(service::list<v1::ProviderTemplate>(
            doors_.read_model, request,
            {.tenant = tenant,
             .kind = kProviderTemplateDocument,
             .parent = request.business_account_id(),
             .state = request.status()},
            [&](v1::ProviderTemplate known) {
                *response.add_provider_templates() = std::move(known);
            }));
        const auto accounts = doors_.read_model.list(
            {.tenant = tenant, .kind = kTemplateAccountDocument, .page_size = kAccountsMax});
        for (const auto& body : accounts.bodies)
            if (!response.add_accounts()->ParseFromString(body)) throw rpc::internal();
    }

    void sync(rpc::Call& call, const v1::SyncProviderTemplatesRequest& request,
              v1::TemplateAccount& response) {
        const auto tenant = rpc::parse_parent(request.parent());
        check_tenant(doors_, tenant);
        const auto door = door_of_channel(tenant, request.channel_id());
        const auto account_id = door.channel->channel.business_account_id;
        auto effect = one_effect(doors_, call, "SyncProviderTemplates", tenant,
                                 request.request_id(), request);
        effect.run([&]() -> std::optional<Command> {
            Command command;
            command.meta.routing = by_account(account_id);
            command.parts.push_back(listing_wanted(tenant, account_id, "asked by " + actor_of(call),
                                                   doors_.clock.now()));
            return command;
        });
        for (const auto& event :
             doors_.store.read_stream(template_account_stream(tenant, account_id)))
            move_along(response, decode_template_account(event.type, event.payload));
    }

    eventlog::Folded<ProviderTemplate> known_template(const rpc::ResourceName& name,
                                                      const std::string& full_name) {
        auto known =
            book_.templates().load(template_stream(name.tenant, ProviderTemplateId(name.id)));
        if (known.version == 0) throw rpc::not_found(full_name);
        return known;
    }

    void show(const rpc::ResourceName& name, v1::ProviderTemplate& out) {
        const auto events =
            doors_.store.read_stream(template_stream(name.tenant, ProviderTemplateId(name.id)));
        if (events.empty())
            throw rpc::not_found(rpc::resource_name(name.tenant, kCollection, name.id));
        out.Clear();
        for (const auto& event : events)
            move_along(out, name.tenant, decode_template(event.type, event.payload),
                       event.recorded_at, event.version);
    }

    Doors doors_;
    TemplateBook& book_;
};

}  // namespace

NamedService make_provider_template_service(const Doors& doors) {
    return {std::make_unique<ProviderTemplateRpc>(doors),
            v1::ProviderTemplateService::service_full_name()};
}

std::vector<FieldError> TemplateCheck::operator()(const common::v1::MessageContent& content) {
    if (!content.has_template_() || doors_.templates == nullptr) return {};
    const auto channel = doors_.directory.channel(tenant_, channel_id_);
    if (!channel || channel->channel.business_account_id.empty()) return {};
    const auto* provider = doors_.providers.find(channel->channel.kind);
    if (provider == nullptr || provider->templates() == nullptr) return {};
    const TemplateKey key{.business_account_id = channel->channel.business_account_id,
                          .name = content.template_().name(),
                          .language_code = content.template_().language_code()};
    auto looked_up = known_.find(key);
    if (looked_up == known_.end())
        looked_up = known_.emplace(key, doors_.templates->look(tenant_, key)).first;
    const auto& known = looked_up->second;
    const auto& found = known.found.state;
    if (const auto why = reason_not_to_send(found, key, known.account.state.listed)) {
        auto failure = rpc::wrong_state(
            rpc::resource_name(tenant_, "providerTemplates", template_id(tenant_, key)), *why);
        failure.metadata["template"] = key.name;
        failure.metadata["languageCode"] = key.language_code;
        failure.metadata["status"] = found.at_provider ? found.status : "";
        throw failure;
    }
    if (!found.at_provider || !found.parts) return {};
    return template_misfits(content.template_(), *found.parts);
}

}  // namespace flowstack::gateway
