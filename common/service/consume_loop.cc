#include "common/service/consume_loop.h"

#include <algorithm>
#include <iterator>

#include "common/messaging/kafka.h"
#include "common/observability/log.h"

namespace flowstack::service {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kBusTimeoutMs{3000};
constexpr milliseconds kRetryMs{500};
constexpr milliseconds kTopicsCheckMs{3000};
constexpr std::size_t kPollRecordsMax = 500;
constexpr milliseconds kPollWaitMs{20};  // errands and lanes wait at most so long
constexpr std::string_view kTopicPrefix = "flowstack.";
constexpr std::string_view kTopicSuffix = ".events";

std::string service_of(const std::string& topic) {
    return topic.substr(kTopicPrefix.size(),
                        topic.size() - kTopicPrefix.size() - kTopicSuffix.size());
}

// What `all` has and `without` has not; both sorted.
std::vector<int> difference(const std::vector<int>& all, const std::vector<int>& without) {
    std::vector<int> rest;
    std::set_difference(all.begin(), all.end(), without.begin(), without.end(),
                        std::back_inserter(rest));
    return rest;
}

}  // namespace

std::string topic_of(const std::string& service) {
    return std::string(kTopicPrefix) + service + std::string(kTopicSuffix);
}

ConsumeLoop::ConsumeLoop(Options options, eventlog::Membership& membership,
                         eventlog::Owners& owners, eventlog::Consumption& consumption,
                         Listener listener)
    : options_(std::move(options)),
      membership_(membership),
      owners_(owners),
      consumption_(consumption),
      listener_(std::move(listener)) {
    read_topics_.push_back(topic_of(options_.service));
    for (const auto& source : options_.sources) read_topics_.push_back(topic_of(source));
}

ConsumeLoop::~ConsumeLoop() = default;

void ConsumeLoop::start() {
    loop_.start([this](Loop&) { run(); });
}

void ConsumeLoop::stop() { loop_.stop(); }

ConsumeLoop::Bus ConsumeLoop::bus() const {
    const std::lock_guard lock(mutex_);
    return bus_;
}

void ConsumeLoop::set_bus(bool ready, const std::string& detail) {
    const std::lock_guard lock(mutex_);
    bus_ = {ready, detail};
}

void ConsumeLoop::run() {
    while (!loop_.stopping()) {
        errands_.do_all();
        try {
            move_lanes();
            read_bus();
        } catch (const messaging::BusUnavailable& error) {
            set_bus(false, error.what());
            log::warn("the bus is away; events are fetched from their services meanwhile",
                      {{"error", error.what()}});
            consumption_.apply({});
            loop_.sleep(kRetryMs);
        } catch (const std::exception& error) {
            log::error("consuming failed and is tried again", {{"error", error.what()}});
            loop_.sleep(kRetryMs);
        }
    }
    consumer_.reset();
    errands_.close();
}

void ConsumeLoop::move_lanes() {
    follow_owners();
    const auto change = membership_.due();
    if (!change) return;
    if (!change->give_back.empty()) {
        // The cursors are written before the next owner reads them.
        consumption_.unassign(change->give_back);
        consumed_ = difference(consumed_, change->give_back);
        membership_.give_back(change->give_back);
    }
    if (!change->take.empty()) {
        membership_.take(change->take);
        follow_owners();
    }
    settled_ = true;
}

// Consumes what is owned and nothing else. Ownership also ends elsewhere: a newer owner showed, or
// another process runs under this replica's name.
void ConsumeLoop::follow_owners() {
    const auto owned = owners_.lanes();
    if (const auto gone = difference(consumed_, owned); !gone.empty()) {
        consumption_.unassign(gone);
        consumed_ = difference(consumed_, gone);
    }
    if (const auto fresh = difference(owned, consumed_); !fresh.empty()) {
        consumption_.assign(fresh);
        consumed_ = owned;
    }
}

void ConsumeLoop::read_bus() {
    if (!topics_made_) {
        messaging::ensure_topics(options_.brokers, options_.topics, options_.lanes, kBusTimeoutMs);
        topics_made_ = true;
        topics_checked_ = Steady::now();
        set_bus(true, "");
    }
    if (!consumer_) {
        consumer_ = std::make_unique<messaging::LaneConsumer>(
            messaging::LaneConsumer::Options{.brokers = options_.brokers,
                                             .group = "flowstack." + options_.service,
                                             .topics = read_topics_,
                                             .fetch_wait_max = options_.fetch_wait_ms,
                                             .fetch_bytes_min = options_.fetch_bytes_min});
        read_.clear();
    }
    if (read_ != consumed_) {
        consumer_->assign(consumed_);
        read_ = consumed_;
    }
    const auto records = consumer_->poll(kPollRecordsMax, kPollWaitMs);
    const bool up = consumer_->connected();
    set_bus(up, up ? "" : "no broker answers; what is stored is sent on when one does");
    std::vector<eventlog::BusRecord> batch;
    for (const auto& record : records) {
        const auto source = service_of(record.topic);
        if (source == options_.service) listener_.own_record(record.partition, record.value);
        batch.push_back({source, record.partition, record.key, record.value});
    }
    consumption_.apply(std::move(batch));
    consumer_->commit_async(records);
    if (!records.empty()) topics_checked_ = Steady::now();
    if (Steady::now() - topics_checked_ < kTopicsCheckMs) return;
    // A bus that was wiped has no topics any more. Nothing is read then and no error is reported.
    topics_checked_ = Steady::now();
    if (!consumer_->topics_missing(kBusTimeoutMs)) return;
    log::warn("the bus has lost its topics; they are made anew");
    topics_made_ = false;
    consumer_.reset();  // its offsets belong to the topics that are gone
}

}  // namespace flowstack::service
