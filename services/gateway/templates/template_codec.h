#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/eventlog/types.h"
#include "services/gateway/domain/provider_template.h"

namespace flowstack::gateway::v1 {
class ProviderTemplate;
class TemplateAccount;
class TemplateKey;
class TemplateParts;
}  // namespace flowstack::gateway::v1

// Templates at providers: between stored events (proto/flowstack/gateway/v1) and the rules'
// structs, their streams, and the API's resources of them.
namespace flowstack::gateway {

eventlog::NewEvent encode(const TemplateEvent& event, Time occurred_at);
eventlog::NewEvent encode(const TemplateAccountEvent& event, Time occurred_at);
// Throw CorruptStream for a type or payload that does not belong to the aggregate.
TemplateEvent decode_template(std::string_view type, std::string_view payload);
TemplateAccountEvent decode_template_account(std::string_view type, std::string_view payload);

// For eventlog::Folds.
struct ProviderTemplateCodec {
    using State = ProviderTemplate;
    static State evolve(State state, const std::string& type, const std::string& payload,
                        Time occurred_at) {
        return gateway::evolve(std::move(state), decode_template(type, payload), occurred_at);
    }
};
struct TemplateAccountCodec {
    using State = TemplateAccount;
    static State evolve(State state, const std::string& type, const std::string& payload, Time) {
        return gateway::evolve(std::move(state), decode_template_account(type, payload));
    }
};

TemplateKey from_proto(const v1::TemplateKey& proto);
TemplateParts from_proto(const v1::TemplateParts& proto);
void to_proto(const TemplateParts& parts, v1::TemplateParts& proto);

std::vector<std::string> template_event_types();

// A template's id follows from what it is, so that whoever hears of it first names it the same. A
// name alone is longer than an id may be.
ProviderTemplateId template_id(std::string_view tenant, const TemplateKey& key);

inline constexpr std::string_view kTemplateCategory = "provider_template";
inline constexpr std::string_view kTemplateAccountCategory = "template_account";
eventlog::StreamName template_stream(std::string_view tenant, const ProviderTemplateId& id);
eventlog::StreamName template_account_stream(std::string_view tenant,
                                             const std::string& business_account_id);
// All of an account's templates are in one lane, with the account itself and its news.
eventlog::Routing by_account(const std::string& business_account_id);

// Moves the API's resource along by one event of its stream.
void move_along(v1::ProviderTemplate& resource, const std::string& tenant,
                const TemplateEvent& event, Time at, std::int64_t version);
void move_along(v1::TemplateAccount& resource, const TemplateAccountEvent& event);

// As the API shows the status of a template that the provider does not have any more.
inline constexpr const char* kGoneStatus = "GONE";

}  // namespace flowstack::gateway
