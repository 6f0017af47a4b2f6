#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/http/client.h"
#include "services/gateway/providers/meta/limits.h"
#include "services/gateway/providers/templates.h"

// The message templates of a WhatsApp business account, by the Graph API:
//
//   create   POST   /{account}/message_templates           {name, language, category, components}
//   edit     POST   /{template}                            {category?, components}
//   delete   DELETE /{account}/message_templates?hsm_id=…&name=…
//   list     GET    /{account}/message_templates?fields=…&limit=…&after=…
namespace flowstack::gateway::meta {

// What is wrong with a template that is to be made or edited, by field ("name", "parts.body").
std::vector<FieldError> template_faults(const TemplateSpec& spec, const RecalledLimits& limits);

// The body of the calls.
std::string render_template(const TemplateSpec& spec);
std::string render_template_edit(const TemplateSpec& spec);

// Their answers. An answer that cannot be read proves nothing: Lost.
TemplateOutcome read_template_answer(int http_status, std::string_view body);
TemplateOutcome read_template_success(int http_status, std::string_view body);
TemplatePageOutcome read_template_page(int http_status, std::string_view body);
// The parts of a template in the list: "components", as JSON. Nothing when it is no array. Words
// that we do not know are kept in lower case.
std::optional<TemplateParts> read_template_parts(std::string_view components);

class Templates final : public ProviderTemplates {
public:
    // `client` outlives it. `base_url` has the version.
    Templates(http::Client& client, std::string base_url, const RecalledLimits& limits)
        : client_(client), base_url_(std::move(base_url)), limits_(limits) {}

    std::vector<FieldError> faults_of(const TemplateSpec& spec) const override {
        return template_faults(spec, limits_);
    }
    void create(TemplateAccountCall call, const TemplateSpec& spec,
                std::function<void(TemplateOutcome)> done) const override;
    void edit(TemplateAccountCall call, const std::string& provider_template_id,
              const TemplateSpec& spec, std::function<void(TemplateOutcome)> done) const override;
    void remove(TemplateAccountCall call, const std::string& name,
                const std::string& provider_template_id,
                std::function<void(TemplateOutcome)> done) const override;
    void list(TemplateAccountCall call, const std::string& after,
              std::function<void(TemplatePageOutcome)> done) const override;

private:
    http::Client& client_;
    std::string base_url_;
    RecalledLimits limits_;
};

}  // namespace flowstack::gateway::meta
