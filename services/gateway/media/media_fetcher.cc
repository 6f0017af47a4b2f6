#include "services/gateway/media/media_fetcher.h"

#include <memory>
#include <utility>

#include "common/eventlog/payload.h"
#include "common/observability/log.h"
#include "flowstack/gateway/v1/media_events.pb.h"
#include "services/gateway/adapters/codec.h"
#include "services/gateway/adapters/derive.h"
#include "services/gateway/domain/media.h"

namespace flowstack::gateway {

struct MediaFetcher::Job {
    eventlog::WorkRow row;
    eventlog::WorkRunner::Done done;
    std::string tenant;
    v1::MediaExpected expected;
    std::int64_t version = 0;
    int attempt = 1;  // this one
};

MediaFetcher::MediaFetcher(eventlog::Store& store, Directory& directory, const Providers& providers,
                           MediaStore& files, const Clock& clock, metrics::Registry& metrics,
                           MediaFetchOptions options)
    : store_(store),
      directory_(directory),
      providers_(providers),
      files_(files),
      clock_(clock),
      options_(options),
      fetched_(metrics.counter("flowstack_gateway_media_fetched_total",
                               "files of received messages that were fetched")),
      failed_(metrics.counter("flowstack_gateway_media_failures_total",
                              "attempts to fetch such a file that failed")),
      missing_(metrics.counter("flowstack_gateway_media_missing_total",
                               "files of received messages that were given up")),
      door_(std::make_shared<Door>()) {
    door_->fetcher = this;
}

void MediaFetcher::stop() {
    {
        const std::lock_guard lock(door_->mutex);
        door_->fetcher = nullptr;
    }
    keepers_.stop(ThreadPool::Waiting::run);
}

void MediaFetcher::fetch(const eventlog::WorkRow& row, eventlog::WorkRunner::Done done) {
    const auto ref = read_ref(row.ref);
    if (!ref) return done();
    auto job = std::make_shared<Job>();
    job->row = row;
    job->done = std::move(done);
    job->tenant = ref->tenant;
    for (const auto& event : store_.read_stream(media_stream(ref->tenant, row.key))) {
        job->version = event.version;
        if (eventlog::is<v1::MediaExpected>(event))
            job->expected = eventlog::parsed<v1::MediaExpected>(event);
        if (eventlog::is<v1::MediaFetchFailed>(event)) ++job->attempt;
        if (eventlog::is<v1::MediaFetched>(event)) return job->done();
    }
    const auto channel = directory_.channel(ref->tenant, ref->channel_id);
    const auto* provider = channel ? providers_.find(channel->channel.kind) : nullptr;
    if (provider == nullptr)
        return fail(job, {.reason = "its channel, or the provider of it, is not here"});
    provider->fetch_media({.channel_external_id = channel->channel.external_id.text(),
                           .business_account_id = channel->channel.business_account_id,
                           .credentials = channel->access_token,
                           .provider_media_id = job->expected.media().provider_media_id(),
                           .bytes_max = options_.bytes_max,
                           .timeout = options_.timeout},
                          [door = door_, job](MediaOutcome outcome) {
                              const std::lock_guard lock(door->mutex);
                              auto* fetcher = door->fetcher;
                              if (fetcher == nullptr) return;
                              // Writing takes time, which the provider's thread has not.
                              auto held = std::make_shared<MediaOutcome>(std::move(outcome));
                              if (!fetcher->keepers_.post([fetcher, job, held] {
                                      fetcher->settle(job, std::move(*held));
                                  }))
                                  job->done();
                          });
}

void MediaFetcher::settle(const std::shared_ptr<Job>& job, MediaOutcome outcome) {
    if (auto* media = std::get_if<FetchedMedia>(&outcome)) return keep(job, std::move(*media));
    fail(job, std::get<MediaNotFetched>(outcome));
}

void MediaFetcher::keep(const std::shared_ptr<Job>& job, FetchedMedia media) {
    const auto& promised = job->expected.media();
    const auto sha256 = media_id_of(media.bytes);
    if (!promised.sha256().empty() && promised.sha256() != sha256)
        return fail(job, {.reason = "its bytes are not those that the webhook spoke of"});
    // The webhook says it with what belongs to it: audio/ogg; codecs=opus.
    const auto& mime_type = promised.mime_type().empty() ? media.mime_type : promised.mime_type();
    const auto size = static_cast<std::int64_t>(media.bytes.size());
    try {
        files_.keep(job->tenant, {.bytes = std::move(media.bytes), .mime_type = mime_type});
    } catch (const std::exception& error) {
        return fail(job, {.reason = std::string("it could not be kept: ") + error.what()});
    }
    fetched_.add();
    v1::MediaFetched fetched;
    fetched.set_sha256(sha256);
    fetched.set_mime_type(mime_type);
    fetched.set_size_bytes(size);
    fetched.set_channel_id(job->expected.channel_id());
    fetched.set_customer_id(job->expected.customer_id());
    fetched.set_attempt(job->attempt);
    fetched.set_provider_media_id(promised.provider_media_id());
    append(job, eventlog::stored(fetched, clock_.now()));
}

void MediaFetcher::fail(const std::shared_ptr<Job>& job, const MediaNotFetched& why) {
    failed_.add();
    const auto now = clock_.now();
    const auto again = next_media_attempt(job->attempt, why.final, now);
    if (!again) missing_.add();
    log::warn(again ? "a customer's file did not come yet" : "a customer's file was given up",
              {{"tenant", job->tenant}, {"message", job->row.key}, {"reason", why.reason}});
    v1::MediaFetchFailed failed;
    failed.set_reason(why.reason);
    failed.set_attempt(job->attempt);
    failed.set_retry_at_us(again ? unix_micros(*again) : 0);
    failed.set_channel_id(job->expected.channel_id());
    failed.set_customer_id(job->expected.customer_id());
    failed.set_provider_media_id(job->expected.media().provider_media_id());
    failed.set_sha256(job->expected.media().sha256());
    append(job, eventlog::stored(failed, now));
}

void MediaFetcher::append(const std::shared_ptr<Job>& job, eventlog::NewEvent event) {
    eventlog::Command command;
    command.id = "media/" + job->row.key + "/" + std::to_string(job->version);
    command.tenant = job->tenant;
    command.meta.routing = by_customer(CustomerId(job->expected.customer_id()));
    command.meta.actor = "service:gateway";
    command.dedupe = eventlog::Dedupe::version;
    command.owner_guard = job->row.guard;
    command.parts.push_back(
        {media_stream(job->tenant, job->row.key), job->version, {std::move(event)}});
    // A row whose event was not written is handed out again.
    store_.append_async(std::move(command), [job](const eventlog::Verdict&,
                                                  const std::exception_ptr&) { job->done(); });
}

}  // namespace flowstack::gateway
