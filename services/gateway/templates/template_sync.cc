#include "services/gateway/templates/template_sync.h"

#include <algorithm>
#include <map>
#include <utility>

#include "common/observability/log.h"
#include "services/gateway/adapters/derive.h"
#include "services/gateway/adapters/projections.h"

namespace flowstack::gateway {
namespace {

constexpr std::size_t kTemplatePagesMax = 200;
constexpr int kRecordTriesMax = 5;
constexpr std::chrono::seconds kListingRetryMin{30};
constexpr int kListingDoublingsMax = 10;

std::string why_not_listed(const TemplatePageOutcome& outcome) {
    if (const auto* refused = std::get_if<Refused>(&outcome)) {
        const auto& error = refused->error;
        return "the provider refused it: " + error.title +
               (error.details.empty() ? "" : ": " + error.details);
    }
    if (const auto* not_sent = std::get_if<NotSent>(&outcome)) return not_sent->reason;
    if (const auto* lost = std::get_if<Lost>(&outcome)) return "no answer: " + lost->reason;
    return "";
}

}  // namespace

struct TemplateSync::Listing {
    const eventlog::WorkRow& row;
    std::string tenant;
    std::string account_id;
    eventlog::Folded<TemplateAccount> account;
    Time as_of{};
    std::map<TemplateKey, ListedTemplate> listed{};
    std::string failure{};
    bool requests_open = false;  // a request's answer is lost, and this list is too old to tell
};

TemplateSync::TemplateSync(TemplateBook& book, const Directory& directory,
                           const Providers& providers, const Clock& clock,
                           metrics::Registry& metrics, TemplateSyncOptions options)
    : book_(book),
      directory_(directory),
      providers_(providers),
      clock_(clock),
      options_(options),
      listed_(metrics.counter("flowstack_gateway_template_lists_total",
                              "lists of an account's templates that were read")),
      failed_(metrics.counter("flowstack_gateway_template_list_failures_total",
                              "such lists that could not be read")) {}

void TemplateSync::stop() {
    stopping_ = true;
    readers_.stop(ThreadPool::Waiting::dropped);
}

void TemplateSync::list(const eventlog::WorkRow& row, eventlog::WorkRunner::Done done) {
    const bool taken = readers_.post([this, row, done] {
        try {
            run(row);
        } catch (const std::exception& error) {
            log::warn("an account's templates were not listed: the store did not answer",
                      {{"account", row.key}, {"error", error.what()}});
        }
        done();
    });
    if (!taken) done();
}

void TemplateSync::run(const eventlog::WorkRow& row) {
    const auto ref = read_ref(row.ref);
    if (!ref) return;
    Listing listing{.row = row,
                    .tenant = ref->tenant,
                    .account_id = account_of_listing(row.key),
                    .account = book_.accounts().load(
                        template_account_stream(ref->tenant, account_of_listing(row.key))),
                    .as_of = clock_.now()};
    const auto door = door_of_account(directory_, providers_, listing.tenant, listing.account_id);
    if (!door) return fail(listing, "the tenant has no channel of this account", true);
    if (!read_pages(listing, *door)) {
        if (!stopping_) fail(listing, listing.failure, false);
        return;
    }
    // Those that were known and are not in the list.
    const auto ids = book_.store().pool().with([&](postgres::Session& session) {
        return session.query(
            "select id from read_model where tenant = $1 and kind = $2 and parent = $3",
            postgres::Params()
                .add(listing.tenant)
                .add(std::string(kProviderTemplateDocument))
                .add(listing.account_id));
    });
    std::vector<eventlog::StreamName> streams;
    for (int n = 0; n < ids.rows(); ++n)
        streams.push_back(template_stream(listing.tenant, ProviderTemplateId(ids.text(n, 0))));
    for (const auto& [key, listed] : listing.listed)
        if (!record(listing, key, &listed)) return;
    if (streams.empty()) return finish(listing);
    for (const auto& known : book_.templates().load_all(streams)) {
        const auto& key = known.state.key;
        if (key.name.empty()) continue;
        if (!listing.listed.contains(key) && !record(listing, key, nullptr)) return;
        if (const auto& open = known.state.open)
            listing.requests_open =
                listing.requests_open ||
                (open->unknown && listing.as_of < open->requested_at + options_.list_lag);
    }
    finish(listing);
}

bool TemplateSync::read_pages(Listing& listing, const TemplateDoor& door) {
    std::string after;
    for (std::size_t page = 0; page < kTemplatePagesMax; ++page) {
        if (stopping_) return false;
        auto outcome = ask_with_credentials<TemplatePageOutcome>(
            *door.channel, options_.timeout, [&](TemplateAccountCall call, auto done) {
                door.provider->list(std::move(call), after, std::move(done));
            });
        auto* read = std::get_if<TemplatePage>(&outcome);
        if (read == nullptr) {
            listing.failure = why_not_listed(outcome);
            return false;
        }
        for (auto& listed : read->templates) {
            listed.key.business_account_id = listing.account_id;
            auto key = listed.key;
            listing.listed.insert_or_assign(std::move(key), std::move(listed));
        }
        if (read->next.empty()) return true;
        if (read->next == after) {
            listing.failure = "the provider's list does not end";
            return false;
        }
        after = std::move(read->next);
    }
    listing.failure = "the list has more than " + std::to_string(kTemplatePagesMax) + " pages";
    return false;
}

eventlog::Command TemplateSync::command(const Listing& listing) const {
    eventlog::Command command;
    command.tenant = listing.tenant;
    command.meta.routing = by_account(listing.account_id);
    command.meta.actor = "service:gateway";
    command.dedupe = eventlog::Dedupe::version;
    command.owner_guard = listing.row.guard;
    return command;
}

bool TemplateSync::record(const Listing& listing, const TemplateKey& key,
                          const ListedTemplate* listed) {
    const auto id = template_id(listing.tenant, key);
    for (int tries = 0; tries < kRecordTriesMax; ++tries) {
        const auto known = book_.templates().load(template_stream(listing.tenant, id));
        const auto decision =
            listed != nullptr
                ? decide(known.state, RecordListed{.listed = *listed, .as_of = listing.as_of})
                : decide(known.state,
                         RecordNotListed{.as_of = listing.as_of, .lag = options_.list_lag});
        if (!decision.accepted() || decision.events().empty()) return true;
        auto append = command(listing);
        append.id = "template-list/" + id + "/" + std::to_string(known.version);
        append.parts.push_back(
            template_part(listing.tenant, key, known.expected(), decision.events(), clock_.now()));
        const auto verdict = book_.store().append(std::move(append));
        if (verdict.accepted()) return true;
        if (verdict.outcome != eventlog::Outcome::wrong_version) return false;
    }
    return false;
}

// When somebody asked for another list meanwhile, the account's version is another one: the row
// stays, and this is done again.
void TemplateSync::finish(const Listing& listing) {
    const auto now = clock_.now();
    const TemplateAccountEvent done = TemplatesListed{
        .business_account_id = listing.account_id,
        .templates = static_cast<int>(listing.listed.size()),
        .as_of = listing.as_of,
        .next = now + (listing.requests_open ? std::min(options_.every, options_.list_lag)
                                             : options_.every)};
    auto append = command(listing);
    append.id =
        "templates-listed/" + listing.row.key + "/" + std::to_string(listing.account.version);
    append.parts.push_back({template_account_stream(listing.tenant, listing.account_id),
                            listing.account.expected(),
                            {encode(done, now)}});
    if (book_.store().append(std::move(append)).accepted()) listed_.add();
}

void TemplateSync::fail(const Listing& listing, const std::string& reason, bool for_good) {
    failed_.add();
    const auto now = clock_.now();
    const int failures = listing.account.state.failures + 1;
    const auto wait = std::min<std::chrono::milliseconds>(
        options_.every, kListingRetryMin * (1 << std::min(failures - 1, kListingDoublingsMax)));
    const TemplateAccountEvent failed =
        TemplateListingFailed{.business_account_id = listing.account_id,
                              .reason = reason,
                              .retry = for_good ? Time{} : now + wait,
                              .failures = failures};
    log::warn("an account's templates could not be listed",
              {{"tenant", listing.tenant}, {"account", listing.account_id}, {"reason", reason}});
    auto append = command(listing);
    append.id =
        "templates-not-listed/" + listing.row.key + "/" + std::to_string(listing.account.version);
    append.parts.push_back({template_account_stream(listing.tenant, listing.account_id),
                            listing.account.expected(),
                            {encode(failed, now)}});
    book_.store().append(std::move(append));
}

void TemplateSync::overdue(const eventlog::WorkRow& row, const eventlog::WorkRunner::Done& done) {
    const auto ref = read_ref(row.ref);
    if (!ref) return done();
    const auto known =
        book_.templates().load(template_stream(ref->tenant, ProviderTemplateId(row.key)));
    if (!known.state.open || known.state.open->unknown) return done();
    const auto now = clock_.now();
    const auto& request = known.state.open->request;
    const auto decision = decide(
        known.state,
        RecordTemplateAnswer{.operation = request.operation,
                             .answer = TemplateAnswerLost{.reason = "whoever asked has ended "
                                                                    "before the answer came"},
                             .now = now});
    if (!decision.accepted() || decision.events().empty()) return done();
    eventlog::Command append;
    append.id = "template-overdue/" + row.key + "/" + std::to_string(known.version);
    append.tenant = ref->tenant;
    append.meta.routing = by_account(request.key.business_account_id);
    append.meta.actor = "service:gateway";
    append.dedupe = eventlog::Dedupe::version;
    append.owner_guard = row.guard;
    append.parts.push_back(
        template_part(ref->tenant, request.key, known.expected(), decision.events(), now));
    append.parts.push_back(listing_wanted(ref->tenant, request.key.business_account_id,
                                          "the answer about " + text_of(request.key) + " was lost",
                                          now));
    book_.store().append_async(
        std::move(append), [done](const eventlog::Verdict&, const std::exception_ptr&) { done(); });
}

}  // namespace flowstack::gateway
