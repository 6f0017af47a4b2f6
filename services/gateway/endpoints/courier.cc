#include "services/gateway/endpoints/courier.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <thread>
#include <utility>

#include "common/eventlog/payload.h"
#include "common/observability/log.h"
#include "common/text/utf8.h"
#include "flowstack/gateway/v1/webhook_endpoint_events.pb.h"
#include "services/gateway/adapters/derive.h"
#include "services/gateway/endpoints/webhook_signature.h"

namespace flowstack::gateway {
namespace {

constexpr std::size_t kWaitingJobsMax = 10'000;
constexpr std::size_t kHeldLinesMax = 10'000;
constexpr std::size_t kAnswerTextMax = 200;  // bytes of what was answered, for people
constexpr std::chrono::seconds kRetryOurs{1};
constexpr std::chrono::minutes kRetrySecret{1};
constexpr std::chrono::milliseconds kLookGap{5};
constexpr int kConnectTimeoutMs = 5'000;
constexpr int kWriteTries = 5;
constexpr int kGone = 410;

std::string kind_prefix() { return std::string(kWebhookKindPrefix); }

// What an endpoint asks for: whole seconds. Dates are not read.
std::chrono::milliseconds retry_after(const http::Response& response) {
    if (response.status != 429 && response.status != 503) return {};
    const auto text = response.headers.get("Retry-After");
    int seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc{} || end != text.data() + text.size() || seconds < 0) return {};
    return std::chrono::seconds(seconds);
}

}  // namespace

Courier::Courier(eventlog::Store& store, eventlog::Owners& owners, WebhookBook& book,
                 const Clock& clock, metrics::Registry& metrics, Post post, CourierOptions options)
    : store_(store),
      owners_(owners),
      book_(book),
      clock_(clock),
      post_(std::move(post)),
      options_(options),
      lines_(store, 5'000),
      delivered_(metrics.counter("flowstack_gateway_webhooks_delivered_total",
                                 "webhooks that tenants' endpoints took")),
      failed_(metrics.counter("flowstack_gateway_webhook_failures_total",
                              "attempts to post a webhook that an endpoint did not take")),
      dead_(metrics.counter("flowstack_gateway_webhook_dead_letters_total",
                            "webhooks that were given up")),
      switched_off_(metrics.counter("flowstack_gateway_webhook_endpoints_switched_off_total",
                                    "endpoints that failed for days or said that they are gone")),
      seconds_(metrics.histogram("flowstack_gateway_webhook_post_seconds",
                                 "how long endpoints took to answer")),
      session_({.url = store.options().database_url, .application_name = "gateway-webhooks"}),
      door_(std::make_shared<Door>()),
      workers_({.name = "courier", .threads = options.threads, .waiting_max = kWaitingJobsMax}) {
    door_->courier = this;
}

void Courier::start() {
    loop_.start([this](service::Loop& loop) {
        while (!loop.stopping()) {
            try {
                look();
            } catch (const std::exception& error) {
                log::warn("due webhooks could not be read", {{"error", error.what()}});
            }
            loop.sleep(options_.poll_interval);
            // What comes close together is read together.
            std::this_thread::sleep_for(kLookGap);
        }
    });
}

void Courier::stop() {
    loop_.stop();
    {
        const std::lock_guard lock(door_->mutex);
        door_->courier = nullptr;
    }
    workers_.stop(ThreadPool::Waiting::run);
}

void Courier::wake(const eventlog::WorkNews& news) {
    if (news.kind.starts_with(kWebhookKindPrefix)) loop_.wake();
}

bool Courier::is_busy() const {
    const std::lock_guard lock(mutex_);
    return !under_way_.empty();
}

double Courier::random() {
    const std::lock_guard lock(mutex_);
    return std::uniform_real_distribution<double>(0, 1)(random_);
}

void Courier::look() {
    if (book_.empty()) return;
    const auto now = clock_.now();
    {
        const std::lock_guard lock(mutex_);
        std::erase_if(held_, [&](const auto& line) { return line.second <= now; });
        if (held_.size() > kHeldLinesMax) held_.clear();
    }
    for (const auto& row : due_rows(now)) begin(row);
}

std::vector<Courier::DueRow> Courier::due_rows(Time now) {
    const auto owned = owners_.lanes();
    if (owned.empty()) return {};
    const std::vector<std::int32_t> lanes(owned.begin(), owned.end());
    // The kinds of endpoints that get nothing now. A kind that nobody knows is that of an endpoint
    // that was deleted.
    std::vector<std::string> closed;
    std::vector<std::string> known;  // lines
    const auto endpoints = book_.all();
    {
        const std::lock_guard lock(mutex_);
        for (const auto& entry : endpoints) {
            const auto& endpoint = entry->endpoint;
            const auto pace = paces_.find(endpoint.endpoint_id);
            if (endpoint.status != WebhookEndpointStatus::active ||
                (pace != paces_.end() && pace->second.room(now) == 0))
                closed.push_back(webhook_kind(endpoint.endpoint_id));
        }
        known.assign(under_way_.begin(), under_way_.end());
        for (const auto& [key, until] : held_) known.push_back(key);
    }
    // From one kind to the next by the index, as the dispatcher finds its queues: the cost grows
    // with the kinds that are there, not with rows.
    const auto rows = session_.query(
        R"sql(
        with recursive first(lane, kind) as (
            select w.* from unnest($1::int[]) l(lane)
                cross join lateral (select lane, kind from work
                                    where lane = l.lane order by kind, due_at limit 1) w
            union all
            select w.* from first f
                cross join lateral (select lane, kind from work
                                    where lane = f.lane and kind > f.kind
                                    order by kind, due_at limit 1) w)
        select w.lane, w.key, w.ref
        from first f
            cross join lateral (select lane, key, ref, due_at from work
                                where lane = f.lane and kind = f.kind and due_at <= $2
                                    and key not in (select unnest($3::text[]))
                                order by due_at, key limit $4) w
        where starts_with(f.kind, $5) and f.kind not in (select unnest($6::text[]))
        order by w.due_at, w.key)sql",
        postgres::Params()
            .add_array(std::span<const std::int32_t>(lanes))
            .add(now)
            .add_array(std::span<const std::string>(known))
            .add(static_cast<std::int64_t>(options_.at_once_max))
            .add(kind_prefix())
            .add_array(std::span<const std::string>(closed)));
    std::vector<DueRow> due;
    for (int row = 0; row < rows.rows(); ++row)
        if (auto ref = read_ref(rows.text(row, 2)))
            due.push_back({.key = rows.text(row, 1),
                           .tenant = std::move(ref->tenant),
                           .lane = rows.int4(row, 0)});
    return due;
}

void Courier::begin(const DueRow& row) {
    const auto name = webhook_line_of(row.tenant, row.key);
    const auto guard = owners_.guard(row.lane);
    if (!name || !guard) return;
    auto job = std::make_shared<Job>();
    job->name = *name;
    job->guard = *guard;
    for (auto& entry : book_.of_tenant(row.tenant))
        if (entry->endpoint.endpoint_id == name->endpoint_id) job->entry = std::move(entry);
    {
        const std::lock_guard lock(mutex_);
        if (under_way_.contains(row.key)) return;
        if (job->entry) {
            auto& pace =
                paces_.try_emplace(name->endpoint_id, options_.policy, options_.at_once_max)
                    .first->second;
            if (pace.room(clock_.now()) == 0) return;
            pace.begun();
        }
        under_way_.insert(row.key);
    }
    if (!workers_.post([this, job] { run(job); })) end(job, std::nullopt);
}

void Courier::run(const JobPtr& job) {
    try {
        if (!job->entry) return drop(job);
        const auto stream = webhook_line_stream(job->name);
        const auto line = lines_.load(stream).state;
        if (line.waiting.empty()) return end(job, std::nullopt);
        const auto& first = line.waiting.front();
        const auto now = clock_.now();
        if (first.retry_at > now) return end(job, first.retry_at);
        if (job->entry->secrets(now).empty()) return end(job, now + kRetrySecret);
        const auto events = store_.read_stream(stream, first.version);
        const auto queued = eventlog::parsed<v1::WebhooksQueued>(events.at(0));
        post(job, first, queued.personal().bodies().at(static_cast<int>(first.place)));
    } catch (const std::exception& error) {
        put_off(job, error);
    }
}

void Courier::post(const JobPtr& job, const WaitingWebhook& webhook, std::string body) {
    const auto now = clock_.now();
    const auto timestamp = unix_seconds(now);
    job->delivery_id = webhook.delivery_id;
    job->begun = std::chrono::steady_clock::now();
    http::ClientRequest request;
    request.method = "POST";
    request.url = job->entry->endpoint.target.url;
    request.headers.add("Content-Type", "application/json");
    request.headers.add("webhook-id", webhook.webhook_id);
    request.headers.add("webhook-timestamp", std::to_string(timestamp));
    request.headers.add(
        "webhook-signature",
        webhook_signatures(job->entry->secrets(now), webhook.webhook_id, timestamp, body));
    request.body = std::move(body);
    request.timeout_ms = static_cast<int>(options_.timeout.count());
    request.connect_timeout_ms = std::min(request.timeout_ms, kConnectTimeoutMs);
    post_(std::move(request), [door = door_, job](http::ClientResult result) {
        const std::lock_guard lock(door->mutex);
        auto* courier = door->courier;
        if (courier == nullptr) return;
        // Writing takes time, which the client's thread has not.
        auto held = std::make_shared<http::ClientResult>(std::move(result));
        if (!courier->workers_.post([courier, job, held] { courier->settle(job, *held); }))
            courier->end(job, std::nullopt);
    });
}

WebhookAnswer Courier::answer_of(const JobPtr& job, const http::ClientResult& result) {
    const auto took = std::chrono::steady_clock::now() - job->begun;
    seconds_.observe(std::chrono::duration<double>(took).count());
    WebhookAnswer answer{
        .delivery_id = job->delivery_id,
        .took_ms = std::chrono::duration_cast<std::chrono::milliseconds>(took).count(),
        .reason = result.error,
        .now = clock_.now(),
        .random = random()};
    if (result.outcome != http::ClientResult::Outcome::answered) {
        if (answer.reason.empty()) answer.reason = "it gave no answer";
        return answer;
    }
    const auto& response = result.response;
    answer.status = response.status;
    answer.wait = retry_after(response);
    if (answer.taken()) return answer;
    answer.reason = "it answered " + std::to_string(response.status);
    if (response.status >= 300 && response.status < 400)
        answer.reason += ", and redirects are not followed";
    const auto words = text::repaired(text::front_of_bytes(response.body, kAnswerTextMax));
    if (!words.empty()) answer.reason += ": " + words;
    return answer;
}

void Courier::settle(const JobPtr& job, const http::ClientResult& result) {
    try {
        const auto answer = answer_of(job, result);
        const auto written = write(
            job, [&](const WebhookLine& line) { return decide(line, answer, options_.policy); });
        if (written && std::holds_alternative<WebhookDelivered>(*written)) delivered_.add();
        if (const auto* failure =
                written ? std::get_if<WebhookAttemptFailed>(&*written) : nullptr) {
            failed_.add();
            const bool is_dead = failure->retry_at == Time{};
            if (is_dead) dead_.add();
            log::warn(is_dead ? "a webhook was given up" : "a webhook was not taken",
                      {{"tenant", job->name.tenant},
                       {"endpoint", job->name.endpoint_id.text()},
                       {"delivery", job->delivery_id.text()},
                       {"attempt", failure->attempt},
                       {"reason", failure->reason}});
        }
        tell_health(job, answer);
        end(job, std::nullopt);
    } catch (const std::exception& error) {
        put_off(job, error);
    }
}

void Courier::drop(const JobPtr& job) {
    // The endpoint may have been made by another replica a moment ago: the log knows.
    const auto endpoints = book_.load(job->name.tenant);
    if (endpoints.state.find(job->name.endpoint_id) == nullptr)
        write(job, [](const WebhookLine& line) -> std::optional<WebhookLineEvent> {
            if (line.waiting.empty()) return std::nullopt;
            WebhooksDropped dropped{.delivery_ids = {}, .reason = "the endpoint was deleted"};
            for (const auto& webhook : line.waiting)
                dropped.delivery_ids.push_back(webhook.delivery_id);
            return dropped;
        });
    end(job, clock_.now() + kRetryOurs);
}

std::optional<WebhookLineEvent> Courier::write(
    const JobPtr& job,
    const std::function<std::optional<WebhookLineEvent>(const WebhookLine&)>& make) {
    const auto stream = webhook_line_stream(job->name);
    for (int tries = 0; tries < kWriteTries; ++tries) {
        const auto line = lines_.load(stream);
        auto event = make(line.state);
        if (!event) return std::nullopt;
        eventlog::Command command;
        command.id = "webhook/" + stream.key + "/" + std::to_string(line.version);
        command.tenant = job->name.tenant;
        command.meta.routing = webhook_line_routing(job->name);
        command.meta.actor = "service:gateway";
        command.dedupe = eventlog::Dedupe::version;
        command.owner_guard = job->guard;
        command.parts.push_back({stream, line.expected(), {encode(*event, clock_.now())}});
        const auto verdict = store_.append(std::move(command));
        if (verdict.accepted()) return event;
        if (verdict.outcome == eventlog::Outcome::not_owner) return std::nullopt;
        // Something was queued meanwhile.
    }
    throw std::runtime_error("others kept writing to the line");
}

void Courier::tell_health(const JobPtr& job, const WebhookAnswer& answer) {
    const auto& tenant = job->name.tenant;
    WebhookHealth health{.endpoint_id = job->name.endpoint_id,
                         .works = answer.taken(),
                         .gone = answer.status == kGone,
                         .reason = answer.reason,
                         .now = answer.now};
    {
        const auto jitter = random();
        const std::lock_guard lock(mutex_);
        const auto found = paces_.find(job->name.endpoint_id);
        if (found == paces_.end()) return;
        auto& pace = found->second;
        if (health.works)
            pace.took_it();
        else
            pace.failed(answer.now, jitter);
        health.failures_in_a_row = pace.failures();
    }
    // Nearly always it is as it was, and the log is not asked.
    WebhookEndpoints known;
    for (const auto& entry : book_.of_tenant(tenant)) known.all.push_back(entry->endpoint);
    if (!judge(known, health, options_.health)) return;
    const auto folded = book_.load(tenant);
    const auto event = judge(folded.state, health, options_.health);
    if (!event) return;
    eventlog::Command command;
    command.id = "webhook_health/" + tenant + "/" + std::to_string(folded.version);
    command.tenant = tenant;
    command.meta.routing = by_tenant(tenant);
    command.meta.actor = "service:gateway";
    command.dedupe = eventlog::Dedupe::version;
    command.parts.push_back(
        {webhook_endpoints_stream(tenant), folded.expected(), {encode(*event, answer.now)}});
    // Who loses against another writer says it with the next attempt.
    if (!store_.append(std::move(command)).accepted()) return;
    book_.apply({tenant, std::string(kWebhookSettings), tenant});
    const bool is_off = std::holds_alternative<WebhookEndpointSwitchedOff>(*event);
    if (is_off) switched_off_.add();
    log::warn(is_off         ? "a webhook endpoint was switched off"
              : health.works ? "a webhook endpoint works again"
                             : "a webhook endpoint fails",
              {{"tenant", tenant},
               {"endpoint", job->name.endpoint_id.text()},
               {"reason", answer.reason}});
}

void Courier::put_off(const JobPtr& job, const std::exception& error) {
    log::warn("a webhook waits: the log or a key is away",
              {{"endpoint", job->name.endpoint_id.text()}, {"error", error.what()}});
    end(job, clock_.now() + kRetryOurs);
}

void Courier::end(const JobPtr& job, std::optional<Time> not_before) {
    const auto key = webhook_line_stream(job->name).key;
    {
        const std::lock_guard lock(mutex_);
        under_way_.erase(key);
        if (not_before) held_[key] = *not_before;
        if (job->entry)
            if (const auto pace = paces_.find(job->name.endpoint_id); pace != paces_.end())
                pace->second.ended();
    }
    loop_.wake();
}

}  // namespace flowstack::gateway
