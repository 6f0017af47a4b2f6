#include "services/gateway/domain/provider_template.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"

namespace flowstack::gateway {
namespace {

using Answer = Decision<TemplateEvent, TemplateRejection>;
using Events = std::vector<TemplateEvent>;

const Events kNothingNew;

TemplateReported known_now(const ProviderTemplate& state) {
    return {.key = state.key,
            .source = state.status_source,
            .provider_template_id = state.provider_template_id,
            .status = state.status,
            .reason = state.reason,
            .category = state.category,
            .quality = state.quality,
            .status_as_of = state.status_as_of,
            .category_as_of = state.category_as_of,
            .quality_as_of = state.quality_as_of,
            .parts = std::nullopt,
            .status_changed = false};
}

// News has whole seconds: what happened within the second counts as after it began.
bool not_older(Time news, Time known) { return news + std::chrono::seconds(1) > known; }

bool is_open_and_unknown(const ProviderTemplate& state, TemplateOperation operation) {
    return state.open && state.open->unknown && state.open->request.operation == operation;
}

TemplateRequestAccepted accepted_by_listing(const ProviderTemplate& state) {
    return {.operation = state.open->request.operation,
            .key = state.open->request.key,
            .by_listing = true};
}
TemplateRequestRefused refused_by_listing(const ProviderTemplate& state, std::string why) {
    return {.operation = state.open->request.operation,
            .key = state.open->request.key,
            .error = {},
            .reason = std::move(why)};
}

// ---- The rulebook, one overload per command.

Answer on(const ProviderTemplate& state, const RequestTemplate& c) {
    if (state.open) return TemplateRejection::request_open;
    if (c.operation == TemplateOperation::create) {
        if (state.at_provider) return TemplateRejection::exists;
    } else if (!state.at_provider) {
        return TemplateRejection::not_at_provider;
    }
    return TemplateRequested{.request = c};
}

Answer on(const ProviderTemplate& state, const RecordTemplateAnswer& c) {
    if (!state.open || state.open->request.operation != c.operation)
        return TemplateRejection::stale_answer;
    const auto& request = state.open->request;
    return std::visit(
        Overloaded{
            [&](const TemplateTaken& taken) -> Answer {
                Events events{TemplateRequestAccepted{
                    .operation = c.operation, .key = request.key, .by_listing = false}};
                if (c.operation == TemplateOperation::create)
                    events.emplace_back(TemplateReported{
                        .key = request.key,
                        .source = TemplateSource::answer,
                        .provider_template_id = taken.provider_template_id,
                        .status = taken.status,
                        .reason = "",
                        .category = taken.category.empty() ? request.category : taken.category,
                        .quality = "",
                        .status_as_of = c.now,
                        .category_as_of = c.now,
                        .quality_as_of = {},
                        .parts = request.parts,
                        .status_changed = true});
                if (c.operation == TemplateOperation::edit) {
                    auto now = known_now(state);
                    now.parts = request.parts;
                    if (!request.category.empty()) now.category = request.category;
                    events.emplace_back(std::move(now));
                }
                if (c.operation == TemplateOperation::remove)
                    events.emplace_back(TemplateGone{.key = request.key, .reason = "deleted"});
                return events;
            },
            [&](const TemplateNotTaken& refused) -> Answer {
                return TemplateRequestRefused{.operation = c.operation,
                                              .key = request.key,
                                              .error = refused.error,
                                              .reason = refused.reason};
            },
            [&](const TemplateAnswerLost& lost) -> Answer {
                if (state.open->unknown) return kNothingNew;
                return TemplateRequestUnknown{
                    .operation = c.operation, .key = request.key, .reason = lost.reason};
            }},
        c.answer);
}

// What became of a request whose answer was lost.
void settle_by_listing(const ProviderTemplate& state, const ListedTemplate& listed,
                       Events& events) {
    if (is_open_and_unknown(state, TemplateOperation::create)) {
        events.emplace_back(accepted_by_listing(state));
    } else if (is_open_and_unknown(state, TemplateOperation::edit)) {
        const auto& wanted = state.open->request;
        const bool done = shows_the_same(wanted.parts, listed.parts) &&
                          (wanted.category.empty() || wanted.category == listed.category);
        if (done)
            events.emplace_back(accepted_by_listing(state));
        else
            events.emplace_back(
                refused_by_listing(state, "the provider's list shows the template as it was"));
    } else if (is_open_and_unknown(state, TemplateOperation::remove)) {
        if (is_on_its_way_out(listed.status))
            events.emplace_back(accepted_by_listing(state));
        else
            events.emplace_back(refused_by_listing(state, "the provider's list still has it"));
    }
}

Answer on(const ProviderTemplate& state, const RecordListed& c) {
    Events events;
    // A list that is older than the request tells nothing about it.
    if (state.open && c.as_of >= state.open->requested_at)
        settle_by_listing(state, c.listed, events);

    // The list was asked for before it left.
    if (!state.at_provider && c.as_of < state.status_as_of) return events;
    auto now = known_now(state);
    now.key = c.listed.key;
    now.provider_template_id = c.listed.provider_template_id;
    // News that came after the list was asked for knows better.
    if (c.as_of >= state.status_as_of) {
        now.source = TemplateSource::listing;
        now.status_as_of = c.as_of;
        now.status = c.listed.status;
        now.reason = c.listed.reason;
    }
    if (c.as_of >= state.category_as_of) {
        now.category_as_of = c.as_of;
        now.category = c.listed.category;
    }
    if (!c.listed.quality.empty() && c.as_of >= state.quality_as_of) {
        now.quality_as_of = c.as_of;
        now.quality = c.listed.quality;
    }
    // An edit that is under way may not be in the list yet.
    const bool parts_known = state.parts && *state.parts == c.listed.parts;
    if (!parts_known && !(state.open && c.as_of < state.open->requested_at))
        now.parts = c.listed.parts;
    now.status_changed = !state.at_provider || now.status != state.status;
    // That nothing has changed is not written down for each template: TemplatesListed says when
    // all of them were seen.
    const bool news = now.status_changed || now.parts || now.reason != state.reason ||
                      now.category != state.category || now.quality != state.quality ||
                      now.provider_template_id != state.provider_template_id;
    if (news) events.emplace_back(std::move(now));
    return events;
}

Answer on(const ProviderTemplate& state, const RecordNotListed& c) {
    Events events;
    const bool fresh_request = state.open && c.as_of < state.open->requested_at + c.lag;
    if (fresh_request) return events;
    if (is_open_and_unknown(state, TemplateOperation::create)) {
        events.emplace_back(refused_by_listing(state, "the provider's list does not have it"));
    } else if (is_open_and_unknown(state, TemplateOperation::edit)) {
        events.emplace_back(
            refused_by_listing(state, "the provider does not have the template any more"));
    } else if (is_open_and_unknown(state, TemplateOperation::remove)) {
        events.emplace_back(accepted_by_listing(state));
    }
    if (state.at_provider && c.as_of >= state.seen_at + c.lag)
        events.emplace_back(
            TemplateGone{.key = state.key, .reason = "the provider's list does not have it"});
    return events;
}

Answer on(const ProviderTemplate& state, const RecordTemplateNews& c) {
    // The list said the same about all that is there, even where it changed nothing.
    const auto known = [&](Time as_of) {
        return state.at_provider ? std::max(as_of, c.listed_at) : as_of;
    };
    const bool tells_status = !c.status.empty() && not_older(c.as_of, known(state.status_as_of));
    // Quality and category alone do not bring back what is gone.
    if (!state.at_provider && !tells_status) return kNothingNew;
    if (tells_status && c.status == "DELETED")
        return state.at_provider
                   ? Answer(TemplateGone{.key = c.key, .reason = "the provider deleted it"})
                   : Answer(kNothingNew);
    auto now = known_now(state);
    now.key = c.key;
    if (!c.provider_template_id.empty()) now.provider_template_id = c.provider_template_id;
    if (tells_status) {
        now.source = TemplateSource::notice;
        now.status_changed = !state.at_provider || c.status != state.status;
        now.status = c.status;
        now.reason = c.reason;
        now.status_as_of = std::max(state.status_as_of, c.as_of);
    }
    if (!c.category.empty() && not_older(c.as_of, known(state.category_as_of))) {
        now.category = c.category;
        now.category_as_of = std::max(state.category_as_of, c.as_of);
    }
    if (!c.quality.empty() && not_older(c.as_of, known(state.quality_as_of))) {
        now.quality = c.quality;
        now.quality_as_of = std::max(state.quality_as_of, c.as_of);
    }
    // Also where only a time is new: what is older than it must change nothing later.
    auto before = known_now(state);
    before.source = now.source;
    if (state.at_provider && now == before) return kNothingNew;
    return now;
}

// ---- How a fact moves a template along.

void require(bool legal) {
    if (!legal) throw CorruptStream("provider template: event out of order");
}

void apply(ProviderTemplate& t, const TemplateRequested& e, Time at) {
    require(!t.open);
    t.key = e.request.key;
    t.open = OpenTemplateRequest{
        .request = e.request, .unknown = false, .reason = "", .requested_at = at};
    t.refused.reset();
}
void apply(ProviderTemplate& t, const TemplateRequestAccepted& e, Time) {
    require(t.open && t.open->request.operation == e.operation);
    t.open.reset();
}
void apply(ProviderTemplate& t, const TemplateRequestRefused& e, Time) {
    require(t.open && t.open->request.operation == e.operation);
    t.refused = RefusedTemplateRequest{.operation = e.operation,
                                       .error = e.error,
                                       .reason = e.reason,
                                       .requested_at = t.open->requested_at};
    t.open.reset();
}
void apply(ProviderTemplate& t, const TemplateRequestUnknown& e, Time) {
    require(t.open && t.open->request.operation == e.operation);
    t.open->unknown = true;
    t.open->reason = e.reason;
}
void apply(ProviderTemplate& t, const TemplateReported& e, Time at) {
    t.key = e.key;
    t.at_provider = true;
    t.provider_template_id = e.provider_template_id;
    t.status = e.status;
    t.reason = e.reason;
    t.category = e.category;
    t.quality = e.quality;
    t.status_as_of = e.status_as_of;
    t.category_as_of = e.category_as_of;
    t.quality_as_of = e.quality_as_of;
    t.status_source = e.source;
    if (e.status_changed) t.status_time = e.status_as_of;
    if (e.parts) t.parts = e.parts;
    t.seen_at = std::max(t.seen_at, at);
}
void apply(ProviderTemplate& t, const TemplateGone& e, Time at) {
    t.key = e.key;
    t.at_provider = false;
    t.provider_template_id.clear();
    t.status.clear();
    t.reason = e.reason;
    t.quality.clear();
    // News from before it left must not bring it back.
    t.status_as_of = std::max(t.status_as_of, at);
    t.status_source = TemplateSource::answer;
    t.status_time = at;
}

}  // namespace

std::string text_of(const TemplateKey& key) { return key.name + " (" + key.language_code + ")"; }

bool is_numbered(std::string_view variable) {
    return !variable.empty() &&
           std::ranges::all_of(variable, [](char c) { return c >= '0' && c <= '9'; });
}

std::vector<std::string> variables_of(std::string_view text) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    };
    std::vector<std::string> found;
    while (true) {
        const auto open = text.find("{{");
        if (open == std::string_view::npos) return found;
        text.remove_prefix(open + 2);
        const auto close = text.find("}}");
        if (close == std::string_view::npos) return found;
        const auto inside = text.substr(0, close);
        if (!inside.empty() && std::ranges::all_of(inside, fits)) found.emplace_back(inside);
    }
}

bool shows_the_same(const TemplateParts& one, const TemplateParts& other) {
    const auto seen = [](TemplateParts parts) {
        parts.header.examples.clear();
        parts.header.sample_handle.clear();
        parts.body_examples.clear();
        for (auto& button : parts.buttons) {
            button.url_example.clear();
            button.code_example.clear();
        }
        return parts;
    };
    return seen(one) == seen(other);
}

bool is_on_its_way_out(std::string_view status) {
    return status == "PENDING_DELETION" || status == "DELETED";
}

Decision<TemplateEvent, TemplateRejection> decide(const ProviderTemplate& state,
                                                  const TemplateCommand& command) {
    return std::visit([&](const auto& c) { return on(state, c); }, command);
}

ProviderTemplate evolve(ProviderTemplate state, const TemplateEvent& event, Time at) {
    if (state.created_at == Time{}) state.created_at = at;
    state.updated_at = at;
    std::visit([&](const auto& e) { apply(state, e, at); }, event);
    return state;
}

bool needs_listing(const ProviderTemplate& before, const RecordTemplateNews& news,
                   std::chrono::milliseconds clock_margin) {
    // A word that is no status; or a template of which we know the status only.
    if (news.status.empty() && news.category.empty() && news.quality.empty()) return true;
    if (!before.at_provider || !before.parts) return true;
    // Older than what we know by our own clock: the two clocks may deceive us.
    const bool by_our_clock =
        before.status_source != TemplateSource::notice || news.listed_at > before.status_as_of;
    const auto known = std::max(before.status_as_of, news.listed_at);
    return !news.status.empty() && news.status != before.status && by_our_clock &&
           !not_older(news.as_of, known) && known - news.as_of < clock_margin;
}

std::optional<std::string> reason_not_to_send(const ProviderTemplate& state, const TemplateKey& key,
                                              bool account_listed) {
    if (state.at_provider) {
        if (state.status == kTemplateApproved) return std::nullopt;
        return "The template " + text_of(key) + " is " +
               (state.status.empty() ? "without a status" : state.status) +
               (state.reason.empty() ? "" : ": " + state.reason) +
               ". Only an APPROVED one may be sent.";
    }
    if (!account_listed) return std::nullopt;
    return "The provider's account has no template " + text_of(key) +
           ". Check its name and language, or have the templates listed again.";
}

TemplateAccount evolve(TemplateAccount state, const TemplateAccountEvent& event) {
    std::visit(Overloaded{[&](const TemplateListingRequested& e) {
                              state.business_account_id = e.business_account_id;
                              state.next = e.due;
                          },
                          [&](const TemplatesListed& e) {
                              state.business_account_id = e.business_account_id;
                              state.listed = true;
                              state.templates = e.templates;
                              state.listed_at = e.as_of;
                              state.next = e.next;
                              state.failure.clear();
                              state.failures = 0;
                          },
                          [&](const TemplateListingFailed& e) {
                              state.business_account_id = e.business_account_id;
                              state.failure = e.reason;
                              state.failures = e.failures;
                              state.next = e.retry;
                          }},
               event);
    return state;
}

}  // namespace flowstack::gateway
