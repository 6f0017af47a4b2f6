#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/eventlog/folds.h"
#include "common/eventlog/turn.h"
#include "services/gateway/adapters/directory.h"
#include "services/gateway/domain/provider_template.h"
#include "services/gateway/providers/provider.h"
#include "services/gateway/templates/template_codec.h"

namespace flowstack::common::v1 {
class TemplateContent;
}

// What is known of templates at providers, as the log has it.
namespace flowstack::gateway {

struct KnownTemplate {
    eventlog::Folded<ProviderTemplate> found;
    eventlog::Folded<TemplateAccount> account;
};

class TemplateBook {
public:
    explicit TemplateBook(eventlog::Store& store) : store_(store) {}

    // One question to the store.
    KnownTemplate look(const std::string& tenant, const TemplateKey& key);

    eventlog::Folds<ProviderTemplateCodec>& templates() { return templates_; }
    eventlog::Folds<TemplateAccountCodec>& accounts() { return accounts_; }
    eventlog::Store& store() { return store_; }

private:
    eventlog::Store& store_;
    eventlog::Folds<ProviderTemplateCodec> templates_{store_};
    eventlog::Folds<TemplateAccountCodec> accounts_{store_, 1'000};
};

// Parts of a command of an account's lane.
eventlog::Part template_part(const std::string& tenant, const TemplateKey& key,
                             std::int64_t expected, const std::vector<TemplateEvent>& events,
                             Time at);
// The account's templates are to be listed now.
eventlog::Part listing_wanted(const std::string& tenant, const std::string& business_account_id,
                              std::string cause, Time at);

// A channel of the tenant that opens the account, of a provider that keeps templates.
struct TemplateDoor {
    std::shared_ptr<const ChannelEntry> channel;
    const ProviderTemplates* provider = nullptr;
};
// Nothing: the tenant has no such channel.
std::optional<TemplateDoor> door_of_account(const Directory& directory, const Providers& providers,
                                            const std::string& tenant,
                                            const std::string& business_account_id);

// Calls `ask` with the channel's credentials, and once more with those before the rotation when
// they are refused as not valid: a refusal proves that nothing was done. Waits for the answer, so
// not on a thread that must not block.
// `ask(call, done)` asks the provider.
template <class Answer, class Ask>
Answer ask_with_credentials(const ChannelEntry& channel, std::chrono::milliseconds timeout,
                            Ask ask) {
    const auto once = [&](const Secret& credentials) {
        auto promise = std::make_shared<std::promise<Answer>>();
        auto answer = promise->get_future();
        ask(TemplateAccountCall{.business_account_id = channel.channel.business_account_id,
                                .credentials = credentials,
                                .timeout = timeout},
            [promise](Answer given) { promise->set_value(std::move(given)); });
        return answer.get();
    };
    auto answer = once(channel.access_token);
    const auto* refused = std::get_if<Refused>(&answer);
    if (refused == nullptr || refused->error.error_class != ErrorClass::unauthorised ||
        channel.previous_access_token.empty())
        return answer;
    auto again = once(channel.previous_access_token);
    // The first answer says more than that the second call did not leave.
    return std::holds_alternative<NotSent>(again) ? answer : again;
}

// What is wrong with a message's template as to the parts that the template has, by field
// ("content.template.body_parameters"): values that are missing or too many, another header,
// buttons that it does not have.
std::vector<FieldError> template_misfits(const common::v1::TemplateContent& content,
                                         const TemplateParts& parts);

// News of an account's templates, and a channel that was connected: what follows from them.
class TemplateReactor {
public:
    // All of it must outlive this.
    TemplateReactor(TemplateBook& book, const Providers& providers)
        : book_(book), providers_(providers) {}

    void react(const eventlog::Recorded& event, eventlog::Turn& turn);

private:
    void list_after_connecting(const eventlog::Recorded& event, eventlog::Turn& turn);
    void take_news(const eventlog::Recorded& event, eventlog::Turn& turn);

    TemplateBook& book_;
    const Providers& providers_;
};

}  // namespace flowstack::gateway
