#include "services/gateway/templates/template_codec.h"

#include <google/protobuf/timestamp.pb.h>

#include "common/core/overloaded.h"
#include "common/core/uuid.h"
#include "common/eventlog/fact.h"
#include "common/rpc/resource_name.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/provider_template_events.pb.h"
#include "flowstack/gateway/v1/provider_template_service.pb.h"
#include "services/gateway/adapters/codec.h"
#include "services/gateway/adapters/resources.h"

namespace flowstack::gateway {

constexpr auto wire_values(TemplateOperation) {
    return std::array{std::pair{TemplateOperation::create, v1::TEMPLATE_OPERATION_CREATE},
                      std::pair{TemplateOperation::edit, v1::TEMPLATE_OPERATION_EDIT},
                      std::pair{TemplateOperation::remove, v1::TEMPLATE_OPERATION_DELETE}};
}

constexpr auto wire_values(TemplateSource) {
    return std::array{std::pair{TemplateSource::answer, v1::TEMPLATE_SOURCE_ANSWER},
                      std::pair{TemplateSource::listing, v1::TEMPLATE_SOURCE_LISTING},
                      std::pair{TemplateSource::notice, v1::TEMPLATE_SOURCE_NOTICE}};
}

// ---- parts of facts

FLOWSTACK_FACT(TemplateKey, v1::TemplateKey) {
    FACT_FIELD(business_account_id);
    FACT_FIELD(name);
    FACT_FIELD(language_code);
}
FLOWSTACK_FACT(TemplateExample, v1::TemplateExample) {
    FACT_FIELD(name);
    FACT_FIELD(value);
}
FLOWSTACK_FACT(TemplateHeaderPart, v1::TemplateHeaderPart) {
    FACT_FIELD(format);
    FACT_FIELD(text);
    FACT_FIELD(examples);
    FACT_FIELD(sample_handle);
}
FLOWSTACK_FACT(TemplateButtonPart, v1::TemplateButtonPart) {
    FACT_FIELD(kind);
    FACT_FIELD(text);
    FACT_FIELD(url);
    FACT_FIELD(url_example);
    FACT_FIELD(phone_number);
    FACT_FIELD(code_example);
    FACT_FIELD(flow_id);
    FACT_FIELD(screen);
}
FLOWSTACK_FACT(TemplateParts, v1::TemplateParts) {
    FACT_SET(header);
    FACT_FIELD(body);
    FACT_FIELD(body_examples);
    FACT_FIELD(footer);
    FACT_FIELD(buttons);
    FACT_FIELD(cards);
    FACT_FIELD(other_parts);
}

// ---- templates

FLOWSTACK_FACT(RequestTemplate, v1::TemplateRequested) {
    FACT_FIELD(operation);
    FACT_FIELD(key);
    FACT_FIELD(channel_id);
    FACT_FIELD(category);
    FACT_SET(parts);
    FACT_TIME(answer_until);
}
FLOWSTACK_FACT(TemplateRequested, v1::TemplateRequested) { describe(fact.request, message); }
FLOWSTACK_FACT(TemplateRequestAccepted, v1::TemplateRequestAccepted) {
    FACT_FIELD(operation);
    FACT_FIELD(key);
    FACT_FIELD(by_listing);
}
FLOWSTACK_FACT(TemplateRequestRefused, v1::TemplateRequestRefused) {
    FACT_FIELD(operation);
    FACT_FIELD(key);
    FACT_FIELD(reason);
    if constexpr (!std::is_const_v<FactOrConst>)
        fact.error = from_proto(message.error());
    else if (fact.error != SendError{})
        to_proto(fact.error, *message.mutable_error());
}
FLOWSTACK_FACT(TemplateRequestUnknown, v1::TemplateRequestUnknown) {
    FACT_FIELD(operation);
    FACT_FIELD(key);
    FACT_FIELD(reason);
}
FLOWSTACK_FACT(TemplateReported, v1::TemplateReported) {
    FACT_FIELD(key);
    FACT_FIELD(source);
    FACT_FIELD(provider_template_id);
    FACT_FIELD(status);
    FACT_FIELD(reason);
    FACT_FIELD(category);
    FACT_FIELD(quality);
    FACT_TIME(status_as_of);
    FACT_TIME(category_as_of);
    FACT_TIME(quality_as_of);
    FACT_OPTIONAL(parts);
    FACT_FIELD(status_changed);
}
FLOWSTACK_FACT(TemplateGone, v1::TemplateGone) {
    FACT_FIELD(key);
    FACT_FIELD(reason);
}

// ---- accounts

FLOWSTACK_FACT(TemplateListingRequested, v1::TemplateListingRequested) {
    FACT_FIELD(business_account_id);
    FACT_FIELD(cause);
    FACT_TIME(due);
}
FLOWSTACK_FACT(TemplatesListed, v1::TemplatesListed) {
    FACT_FIELD(business_account_id);
    FACT_FIELD(templates);
    FACT_TIME(as_of);
    FACT_TIME(next);
}
FLOWSTACK_FACT(TemplateListingFailed, v1::TemplateListingFailed) {
    FACT_FIELD(business_account_id);
    FACT_FIELD(reason);
    FACT_TIME(retry);
    FACT_FIELD(failures);
}

eventlog::NewEvent encode(const TemplateEvent& event, Time occurred_at) {
    return eventlog::stored_fact(event, occurred_at);
}
eventlog::NewEvent encode(const TemplateAccountEvent& event, Time occurred_at) {
    return eventlog::stored_fact(event, occurred_at);
}
TemplateEvent decode_template(std::string_view type, std::string_view payload) {
    return eventlog::recorded_fact<TemplateEvent>("provider template", type, payload);
}
TemplateAccountEvent decode_template_account(std::string_view type, std::string_view payload) {
    return eventlog::recorded_fact<TemplateAccountEvent>("template account", type, payload);
}

TemplateKey from_proto(const v1::TemplateKey& proto) {
    TemplateKey key;
    describe(key, proto);
    return key;
}
TemplateParts from_proto(const v1::TemplateParts& proto) {
    TemplateParts parts;
    describe(parts, proto);
    return parts;
}
void to_proto(const TemplateParts& parts, v1::TemplateParts& proto) { describe(parts, proto); }

std::vector<std::string> template_event_types() {
    std::vector<std::string> names;
    const auto add = [&](auto... protos) {
        (names.push_back(decltype(protos)::descriptor()->full_name()), ...);
    };
    add(v1::TemplateRequested(), v1::TemplateRequestAccepted(), v1::TemplateRequestRefused(),
        v1::TemplateRequestUnknown(), v1::TemplateReported(), v1::TemplateGone(),
        v1::TemplateListingRequested(), v1::TemplatesListed(), v1::TemplateListingFailed());
    return names;
}

ProviderTemplateId template_id(std::string_view tenant, const TemplateKey& key) {
    const auto what = std::string(tenant) + "/" + key.business_account_id + "/" +
                      key.language_code + "/" + key.name;
    return ProviderTemplateId(eventlog::derive_id(what, Time{}, "provider_template", 0).text());
}

eventlog::StreamName template_stream(std::string_view tenant, const ProviderTemplateId& id) {
    return {std::string(tenant), std::string(kTemplateCategory), id.text()};
}
eventlog::StreamName template_account_stream(std::string_view tenant,
                                             const std::string& business_account_id) {
    return {std::string(tenant), std::string(kTemplateAccountCategory), business_account_id};
}
eventlog::Routing by_account(const std::string& business_account_id) {
    return {eventlog::RoutingKind::named, business_account_id};
}

// ---- the API's resources

namespace {

v1::TemplateOperation operation_on_wire(TemplateOperation operation) {
    return eventlog::wire_scalar<v1::TemplateOperation>(operation);
}

}  // namespace

void move_along(v1::ProviderTemplate& resource, const std::string& tenant,
                const TemplateEvent& event, Time at, std::int64_t version) {
    const auto named = [&](const TemplateKey& key) {
        resource.set_name(
            rpc::resource_name(tenant, "providerTemplates", template_id(tenant, key)));
        describe(key, *resource.mutable_key());
    };
    std::visit(Overloaded{[&](const TemplateRequested& e) {
                              named(e.request.key);
                              resource.clear_refused_request();
                              auto& open = *resource.mutable_open_request();
                              open.Clear();
                              open.set_operation(operation_on_wire(e.request.operation));
                              set_time(*open.mutable_request_time(), at);
                          },
                          [&](const TemplateRequestAccepted&) { resource.clear_open_request(); },
                          [&](const TemplateRequestRefused& e) {
                              auto& refused = *resource.mutable_refused_request();
                              refused.Swap(resource.mutable_open_request());
                              resource.clear_open_request();
                              refused.set_unknown(false);
                              refused.set_reason(e.reason);
                              if (e.error != SendError{})
                                  to_proto(e.error, *refused.mutable_error());
                          },
                          [&](const TemplateRequestUnknown& e) {
                              resource.mutable_open_request()->set_unknown(true);
                              resource.mutable_open_request()->set_reason(e.reason);
                          },
                          [&](const TemplateReported& e) {
                              named(e.key);
                              resource.set_provider_template_id(e.provider_template_id);
                              resource.set_status(e.status);
                              resource.set_reason(e.reason);
                              resource.set_category(e.category);
                              resource.set_quality(e.quality);
                              if (e.status_changed)
                                  set_time(*resource.mutable_status_time(), e.status_as_of);
                              if (e.parts) {
                                  resource.clear_parts();
                                  to_proto(*e.parts, *resource.mutable_parts());
                              }
                          },
                          [&](const TemplateGone& e) {
                              named(e.key);
                              resource.clear_provider_template_id();
                              resource.set_status(kGoneStatus);
                              resource.set_reason(e.reason);
                              resource.clear_quality();
                              set_time(*resource.mutable_status_time(), at);
                          }},
               event);
    if (!resource.has_create_time()) set_time(*resource.mutable_create_time(), at);
    set_time(*resource.mutable_update_time(), at);
    resource.set_etag(std::to_string(version));
}

void move_along(v1::TemplateAccount& resource, const TemplateAccountEvent& event) {
    const auto next = [&](Time at) {
        resource.clear_next_list_time();
        if (at != Time{}) set_time(*resource.mutable_next_list_time(), at);
    };
    std::visit(Overloaded{[&](const TemplateListingRequested& e) {
                              resource.set_business_account_id(e.business_account_id);
                              next(e.due);
                          },
                          [&](const TemplatesListed& e) {
                              resource.set_business_account_id(e.business_account_id);
                              resource.set_templates(e.templates);
                              resource.clear_reason();
                              set_time(*resource.mutable_list_time(), e.as_of);
                              next(e.next);
                          },
                          [&](const TemplateListingFailed& e) {
                              resource.set_business_account_id(e.business_account_id);
                              resource.set_reason(e.reason);
                              next(e.retry);
                          }},
               event);
}

}  // namespace flowstack::gateway
