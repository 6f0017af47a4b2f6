#include "services/gateway/inbound/delivery.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/observability/log.h"
#include "services/gateway/inbound/notice_routes.h"
#include "services/gateway/inbound/webhook_event.h"

namespace flowstack::gateway {
namespace {

using Kind = WebhookElement::Kind;
using eventlog::Command;
using eventlog::Verdict;

constexpr int kTriesMax = 3;

}  // namespace

InboundCounters inbound_counters(metrics::Registry& metrics) {
    return {
        metrics.counter("flowstack_gateway_malformed_webhooks_total",
                        "signed webhooks of which nothing could be read"),
        metrics.counter("flowstack_gateway_damaged_elements_total",
                        "elements that were not well-formed: repaired, or kept in the raw event "
                        "only"),
        metrics.counter("flowstack_gateway_inbound_messages_total",
                        "messages of customers, duplicates included"),
        metrics.counter("flowstack_gateway_group_messages_total",
                        "messages in groups, kept and not answered"),
        metrics.counter("flowstack_gateway_echoes_total",
                        "messages that shops wrote on their own phones"),
        metrics.counter("flowstack_gateway_notices_total",
                        "news of accounts, numbers, templates, groups and calls"),
        metrics.counter("flowstack_gateway_statuses_total", "statuses of our messages"),
        metrics.counter("flowstack_gateway_unknown_elements_total",
                        "elements kept in the raw event only"),
        metrics.counter("flowstack_gateway_oversized_elements_total",
                        "elements above the limit, kept in the raw event only"),
        metrics.counter("flowstack_gateway_quarantined_elements_total",
                        "elements that no tenant may have"),
        metrics.counter("flowstack_gateway_webhooks_refused_total", "webhooks answered with 503")};
}

// The elements of one customer, in order, and how far they are.
class Delivery::Chain : public std::enable_shared_from_this<Chain> {
public:
    Chain(std::shared_ptr<Delivery> delivery, Destination to)
        : delivery_(std::move(delivery)), to_(std::move(to)) {}

    void add(const WebhookElement& element) {
        elements_.push_back(&element);
        delivery_->expect();
    }

    void run(std::size_t from = 0) {
        for (auto index = from; index < elements_.size(); ++index) {
            const auto& element = *elements_[index];
            const bool plain = element.kind == Kind::echo ||
                               (element.kind == Kind::message && !consent_of(element) &&
                                changed_identities_of(element).empty());
            const auto known =
                plain ? parts().customers.find(to_.tenant, identities_of(element)) : std::nullopt;
            if (!known) return look_up({index, 0, true});
            // The log keeps the order in which it was asked, so the next one need not wait.
            append({index, 0, false}, *known, {});
        }
    }

private:
    // Where one element stands.
    struct Step {
        std::size_t index = 0;
        int tries = 0;
        bool holds_up = false;  // those behind it wait until it is settled
    };

    const InboundParts& parts() const { return delivery_->parts_; }

    void look_up(Step step) {
        const bool taken = parts().lookups.post([self = shared_from_this(), step]() mutable {
            const auto& element = *self->elements_[step.index];
            ++step.tries;
            try {
                auto plan = self->parts().contacts.plan(
                    self->to_.tenant, self->to_.channel_id, identities_of(element),
                    element.profile_name, consent_of(element), changed_identities_of(element));
                const auto customer = plan.customer;
                self->append(step, customer, std::move(plan));
            } catch (const std::exception& error) {
                log::warn("a customer could not be looked up", {{"error", error.what()}});
                self->settle(step, false);
            }
        });
        if (!taken) settle(step, false);
    }

    void append(Step step, const KnownCustomer& customer, const ContactPlan& plan) {
        const auto& element = *elements_[step.index];
        std::optional<Command> command;
        if (element.kind == Kind::message) {
            parts().counters.messages.add();
            command = message_command(delivery_->frame_, to_, element, customer, plan);
        } else if (element.kind == Kind::echo) {
            parts().counters.echoes.add();
            command = echo_command(delivery_->frame_, to_, element, customer, plan);
        } else {
            command = preference_command(delivery_->frame_, to_, element, plan, parts().keys);
        }
        if (!command) return settle(step, true);
        delivery_->ask(std::move(*command), [self = shared_from_this(), step, customer](
                                                const Verdict& verdict, std::exception_ptr error) {
            self->judge(step, customer, verdict, error);
        });
    }

    void judge(Step step, const KnownCustomer& customer, const Verdict& verdict,
               const std::exception_ptr& error) {
        if (!error && verdict.accepted()) {
            parts().customers.remember(to_.tenant, identities_of(*elements_[step.index]), customer);
            return settle(step, true);
        }
        // Another append was first (the same webhook somewhere else, another identity of the same
        // person), or what we remembered is out of date: look again.
        bool look_again = !error;
        std::string why = "verdict " + std::to_string(static_cast<int>(verdict.outcome)) + " " +
                          verdict.claim_kind;
        if (error) {
            try {
                std::rethrow_exception(error);
            } catch (const eventlog::CommandRefused& refused) {
                look_again = true;
                why = refused.what();
            } catch (const std::exception& e) {
                log::warn("a webhook was not stored", {{"error", e.what()}});
            }
        }
        if (look_again && step.tries < kTriesMax) {
            parts().customers.forget(to_.tenant, customer.customer_id);
            return look_up(step);
        }
        if (look_again) log::warn("a webhook was refused again and again", {{"why", why}});
        settle(step, false);
    }

    void settle(const Step& step, bool stored) {
        if (!stored) parts().counters.refused.add();
        delivery_->done(stored);
        if (!step.holds_up) return;
        if (stored) return run(step.index + 1);
        // Those behind it are not stored either: the whole webhook comes again.
        for (auto i = step.index + 1; i < elements_.size(); ++i) delivery_->done(false);
    }

    std::shared_ptr<Delivery> delivery_;
    Destination to_;
    std::vector<const WebhookElement*> elements_;
};

void Delivery::begin() {
    report_damage();
    find_strangers();
}

void Delivery::report_damage() const {
    const auto webhook = frame_.webhook_id.text();
    if (parsed_.shape == ParsedWebhook::Shape::malformed_json) {
        parts_.counters.malformed.add();
        log::warn("a webhook cannot be read and is kept as it came",
                  {{"webhook", webhook}, {"app", frame_.app_id}, {"bytes", request_.body.size()}});
    }
    for (const auto& element : parsed_.elements) {
        if (!element.repaired && !element.broken) continue;
        parts_.counters.damaged.add();
        log::warn(element.broken ? "an element of a webhook cannot be read and is kept as it came"
                                 : "an element of a webhook was repaired",
                  {{"webhook", webhook},
                   {"element", element.path},
                   {"channel", element.channel_external_id},
                   {"message", element.provider_message_id}});
    }
}

void Delivery::find_strangers() {
    std::set<ExternalChannelId> strangers;
    for (const auto& element : parsed_.elements)
        if (belongs_to_a_channel(element) &&
            !parts_.directory.by_external_id(channel_kind_, channel_of(element)))
            strangers.insert(channel_of(element));
    if (strangers.empty()) return route();
    // Another replica may have connected it a moment ago: the log knows, and reading it takes time.
    const bool taken =
        parts_.lookups.post([self = shared_from_this(), strangers = std::move(strangers)] {
            try {
                for (const auto& id : strangers)
                    self->parts_.directory.find_external_id(self->channel_kind_, id);
            } catch (const std::exception& error) {
                log::warn("a channel could not be looked up", {{"error", error.what()}});
                return self->refuse();
            }
            self->route();
        });
    if (!taken) refuse();
}

void Delivery::refuse() {
    parts_.counters.refused.add();
    raw_asked_ = true;
    done(false);
    done(false);
}

void Delivery::route() {
    router_ = std::this_thread::get_id();
    std::map<std::pair<const ChannelEntry*, std::string>, std::shared_ptr<Chain>> chains;
    std::vector<std::shared_ptr<Chain>> in_order;
    std::vector<Command> alone;
    for (const auto& element : parsed_.elements) {
        if (element.kind == Kind::oversized) parts_.counters.oversized.add();
        if (element.kind == Kind::unknown) parts_.counters.unknown.add();
        if (element.kind == Kind::notice) parts_.counters.notices.add();
        if (belongs_to_an_account(element)) tell_account(element, alone);
        if (!belongs_to_a_channel(element)) continue;
        const auto channel = parts_.directory.by_external_id(channel_kind_, channel_of(element));
        if (!channel) {
            quarantine(element, QuarantineReason::unknown_channel);
            continue;
        }
        if (!channel->channel.app_id.empty() && channel->channel.app_id != frame_.app_id) {
            quarantine(element, QuarantineReason::foreign_app);
            continue;
        }
        const auto tenant = parts_.directory.tenant(channel->tenant);
        const Destination to{.tenant = channel->tenant,
                             .channel_id = channel->channel.channel_id,
                             .settings_version = tenant ? tenant->version : 0};
        if (element.kind == Kind::status) {
            parts_.counters.statuses.add();
            alone.push_back(status_command(frame_, to, element, parts_.keys));
        } else if (element.kind == Kind::notice) {
            alone.push_back(notice_command(frame_, to, element));
        } else if (!element.group_id.empty()) {
            parts_.counters.group_messages.add();
            alone.push_back(group_message_command(frame_, to, element));
        } else {
            auto& chain = chains[{channel.get(), identities_of(element).front().value}];
            if (!chain) {
                chain = std::make_shared<Chain>(shared_from_this(), to);
                in_order.push_back(chain);
            }
            chain->add(element);
        }
    }
    for (auto& command : alone) append_alone(std::move(command));
    for (auto& chain : in_order) chain->run();
    gathering_ = false;
    if (!gathered_.empty()) append(std::move(gathered_));
    done(true);
}

void Delivery::tell_account(const WebhookElement& element, std::vector<Command>& alone) {
    const auto routes = routes_of_notice(parts_.directory, channel_kind_, element, frame_.app_id);
    if (routes.nobody) return quarantine(element, *routes.nobody);
    for (const auto& to : routes.to) alone.push_back(notice_command(frame_, to, element));
}

void Delivery::append_alone(Command command) {
    expect();
    ask(std::move(command),
        [self = shared_from_this()](const Verdict& verdict, std::exception_ptr error) {
            // Told before, even with other details: the first one counts.
            const bool stored =
                !error && (verdict.accepted() || verdict.outcome == eventlog::Outcome::other_body ||
                           verdict.outcome == eventlog::Outcome::wrong_version);
            if (!stored) self->parts_.counters.refused.add();
            self->done(stored);
        });
}

void Delivery::quarantine(const WebhookElement& element, QuarantineReason reason) {
    parts_.counters.quarantined.add();
    log::warn("an element was quarantined", {{"reason", text_of(reason)},
                                             {"app", frame_.app_id},
                                             {"webhook", frame_.webhook_id.text()},
                                             {"element", element.path}});
    append_alone(quarantine_command(frame_, element, reason));
}

bool Delivery::holds_only_statuses() const {
    return std::ranges::all_of(parsed_.elements, [](const WebhookElement& element) {
        return element.kind == Kind::status;
    });
}

void Delivery::ask(Command command, eventlog::Store::Answer answer) {
    const bool gathers = std::this_thread::get_id() == router_ && gathering_;
    std::vector<eventlog::Store::Asked> alone;
    (gathers ? gathered_ : alone).push_back({std::move(command), std::move(answer)});
    if (!gathers) append(std::move(alone));
}

void Delivery::append(std::vector<eventlog::Store::Asked> asked) {
    if (!raw_asked_.exchange(true)) {
        // Any lane will do: that of the first element, so that both are one commit, else by the id.
        const int lane = asked.empty() ? frame_.webhook_id.bytes[15] % parts_.store.options().lanes
                                       : parts_.store.lane_of(asked.front().command.meta.routing,
                                                              asked.front().command.tenant);
        asked.insert(asked.begin(),
                     {raw_webhook_command(frame_, request_, parsed_.shape, lane),
                      [self = shared_from_this()](const Verdict&, std::exception_ptr error) {
                          if (error) self->parts_.counters.refused.add();
                          self->done(!error);
                      },
                      true});
    }
    const bool may_wait = holds_only_statuses();
    for (auto& one : asked) one.may_wait = may_wait;
    parts_.store.append_async(std::move(asked));
}

void Delivery::done(bool stored) {
    if (!stored) failed_ = true;
    const int left = --pending_;
    if (left == 0) return finished_(!failed_);
    // Only the raw webhook is left, and no element took it along.
    if (left == 1 && !raw_asked_) append({});
}

}  // namespace flowstack::gateway
