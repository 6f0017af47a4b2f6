#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/secret.h"
#include "services/gateway/domain/message.h"
#include "services/gateway/domain/provider_template.h"
#include "services/gateway/domain/tenant.h"

// Templates at a messaging provider that keeps and judges them (MessagingProvider::templates).
namespace flowstack::gateway {

// An account of the business at the provider, and what opens it.
struct TemplateAccountCall {
    std::string business_account_id;
    Secret credentials;
    std::chrono::milliseconds timeout{10'000};
};

// A template as the provider is to take it.
struct TemplateSpec {
    std::string name;
    std::string language_code;
    std::string category;  // of an edit empty: as it is
    TemplateParts parts;
};

// Certain: NotSent and Refused. Nobody knows: Lost.
using TemplateOutcome = std::variant<TemplateTaken, Refused, NotSent, Lost>;

// A page of an account's list. Their keys have no account.
struct TemplatePage {
    std::vector<ListedTemplate> templates;
    std::string next;  // for list(); empty: this is the last page
};
using TemplatePageOutcome = std::variant<TemplatePage, Refused, NotSent, Lost>;

// Thread-safe. `done` runs exactly once, on any thread, possibly before the call returns; it must
// not block. Nothing is asked twice.
class ProviderTemplates {
public:
    virtual ~ProviderTemplates() = default;

    // What is wrong with a template, by field ("parts.body"); empty when the provider may be asked.
    virtual std::vector<FieldError> faults_of(const TemplateSpec& spec) const = 0;

    virtual void create(TemplateAccountCall call, const TemplateSpec& spec,
                        std::function<void(TemplateOutcome)> done) const = 0;
    virtual void edit(TemplateAccountCall call, const std::string& provider_template_id,
                      const TemplateSpec& spec,
                      std::function<void(TemplateOutcome)> done) const = 0;
    // Of its one language.
    virtual void remove(TemplateAccountCall call, const std::string& name,
                        const std::string& provider_template_id,
                        std::function<void(TemplateOutcome)> done) const = 0;
    // `after` is the `next` of the page before; empty for the first one.
    virtual void list(TemplateAccountCall call, const std::string& after,
                      std::function<void(TemplatePageOutcome)> done) const = 0;
};

}  // namespace flowstack::gateway
