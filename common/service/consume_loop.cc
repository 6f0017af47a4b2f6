#include "common/service/consume_loop.h"

#include <algorithm>
#include <iterator>

#include "common/messaging/kafka.h"
#include "common/observability/log.h"

namespace flowstack::service {
namespace {

using Steady = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kBusTimeout{3000};
constexpr milliseconds kConsumeRetryDelay{500};
constexpr milliseconds kTopicsCheckEvery{3000};
constexpr std::size_t kPollRecordsMax = 500;
// How often it is looked at which sources gather, and how long all hints of a source have come
// before it does.
constexpr milliseconds kDivideEvery{200};
constexpr milliseconds kHeardFor{2000};
// Of what nobody waits for the broker sends so much at once, or what there is after gather.
constexpr int kGatherBytes = 64 << 10;
// The thread looks at least so often, should a call that wakes it be lost.
constexpr milliseconds kLookEvery{1000};
// How soon it tries again what is due and could not be done.
constexpr milliseconds kDueRetry{20};
// Hints that wait until the thread is free.
constexpr eventlog::QueueLimits kHintsMax{10'000, 16 << 20};
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
      listener_(std::move(listener)),
      errands_([this] { loop_.wake(); }),
      hints_(kHintsMax),
      topics_(options_.topics, [this] { loop_.wake(); }) {
    readers_.push_back({.gathers = false});
    readers_.push_back({.gathers = true});
    membership_.on_beat([this] { loop_.wake(); });
}

ConsumeLoop::~ConsumeLoop() { stop(); }

void ConsumeLoop::start() {
    topics_.start();
    loop_.start([this](Loop&) { run(); });
}

void ConsumeLoop::stop() {
    loop_.stop();
    topics_.stop();
}

ConsumeLoop::Bus ConsumeLoop::bus() const {
    const std::lock_guard lock(mutex_);
    return bus_;
}

void ConsumeLoop::set_bus(bool ready, const std::string& detail, bool refused) {
    was_let_in_ |= ready;
    const std::lock_guard lock(mutex_);
    bus_ = {ready, refused && !was_let_in_, detail};
}

void ConsumeLoop::run() {
    while (!loop_.stopping()) {
        errands_.do_all();
        try {
            move_lanes();
            const bool heard = take_hints();
            if (!read_bus() && !heard) wait_for_something();
        } catch (const messaging::BusRefused& error) {
            set_bus(false, std::string("refused, see the settings KAFKA_*: ") + error.what(), true);
            log::error(
                "the bus refuses this process; events are fetched from their services meanwhile",
                {{"error", error.what()}});
            consumption_.apply({});
            loop_.sleep(kConsumeRetryDelay);
        } catch (const messaging::BusUnavailable& error) {
            set_bus(false, error.what());
            log::warn("the bus is away; events are fetched from their services meanwhile",
                      {{"error", error.what()}});
            consumption_.apply({});
            loop_.sleep(kConsumeRetryDelay);
        } catch (const std::exception& error) {
            log::error("consuming failed and is tried again", {{"error", error.what()}});
            loop_.sleep(kConsumeRetryDelay);
        }
    }
    for (auto& reader : readers_) reader.consumer.reset();
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

void ConsumeLoop::hear(std::vector<eventlog::BusRecord> hints) {
    {
        const std::lock_guard lock(hints_mutex_);
        for (auto& hint : hints) {
            const auto bytes = hint.value.size();
            if (!hints_.push(std::move(hint), bytes)) ++hints_lost_;
        }
    }
    loop_.wake();
}

bool ConsumeLoop::take_hints() {
    std::vector<eventlog::BusRecord> hints;
    {
        const std::lock_guard lock(hints_mutex_);
        hints = hints_.take_all();
    }
    if (hints.empty()) return false;
    consumption_.apply(std::move(hints));
    return true;
}

void ConsumeLoop::wait_for_something() {
    const auto now = Steady::now();
    const auto due = consumption_.due();
    const auto wait = due > now ? due - now : Steady::duration(kDueRetry);
    loop_.sleep(std::min<Steady::duration>(wait, kLookEvery));
}

bool ConsumeLoop::read_bus() {
    if (!topics_made_) {
        messaging::ensure_topics(options_.brokers, options_.topics, options_.lanes, kBusTimeout);
        topics_made_ = true;
        set_bus(true, "");
    }
    if (topics_.gone()) {
        log::warn("the bus has lost its topics; they are made anew");
        topics_made_ = false;
        // Their offsets belong to the topics that are gone.
        for (auto& reader : readers_) reader.consumer.reset();
        return true;
    }
    divide_sources();
    bool came = false, up = true;
    std::string complaint;
    for (auto& reader : readers_) {
        if (reader.topics.empty()) continue;
        came |= read(reader);
        up = up && reader.consumer->connected();
        if (complaint.empty()) complaint = reader.consumer->complaint();
    }
    ask_for_topics();
    set_bus(up, up ? ""
                   : "no broker answers; what is stored is sent on when one does" +
                         (complaint.empty() ? "" : ": " + complaint));
    if (!came) consumption_.apply({});
    return came;
}

// A consumer reads the same topics for as long as it lives, so one whose topics change is replaced.
// The new one begins at the offsets that were noted last, and what it repeats is passed over.
void ConsumeLoop::divide_sources() {
    const auto now = Steady::now();
    if (now - divided_at_ < kDivideEvery) return;
    divided_at_ = now;
    std::vector<std::string> at_once, together;
    auto sources = options_.sources;
    sources.insert(sources.begin(), options_.service);
    for (const auto& source : sources)
        (gathers(source) ? together : at_once).push_back(topic_of(source));
    for (auto& reader : readers_) {
        auto& topics = reader.gathers ? together : at_once;
        if (topics == reader.topics) continue;
        reader.topics = std::move(topics);
        reader.consumer.reset();
    }
}

bool ConsumeLoop::gathers(const std::string& source) {
    if (options_.gathering.contains(source)) return true;
    if (!options_.heard || !options_.heard(source)) {
        heard_since_.erase(source);
        return false;
    }
    return divided_at_ - heard_since_.try_emplace(source, divided_at_).first->second >= kHeardFor;
}

void ConsumeLoop::open(Reader& reader) {
    reader.consumer = std::make_shared<messaging::LaneConsumer>(messaging::LaneConsumer::Options{
        .brokers = options_.brokers,
        .group = "flowstack." + options_.service,
        .topics = reader.topics,
        .fetch_wait_max = reader.gathers ? options_.gather : options_.fetch_wait,
        .fetch_bytes_min = reader.gathers ? kGatherBytes : 1});
    reader.consumer->on_arrival([this] { loop_.wake(); });
    reader.lanes.clear();
    reader.topics_checked = Steady::now();
}

bool ConsumeLoop::read(Reader& reader) {
    if (!reader.consumer) open(reader);
    if (reader.lanes != consumed_) {
        reader.consumer->assign(consumed_);
        reader.lanes = consumed_;
    }
    auto records = reader.consumer->poll(kPollRecordsMax, milliseconds(0));
    if (records.empty()) {
        reader.consumer->commit_async({});
        return false;
    }
    reader.topics_checked = Steady::now();
    std::vector<eventlog::BusRecord> batch;
    std::vector<messaging::LaneConsumer::Place> places;
    for (auto& record : records) {
        auto source = service_of(record.topic);
        if (source == options_.service) listener_.own_record(record.partition, record.value);
        places.push_back({std::move(record.topic), record.partition, record.offset});
        batch.push_back(
            {std::move(source), record.partition, std::move(record.key), std::move(record.value)});
    }
    consumption_.apply(std::move(batch));
    reader.consumer->commit_async(places);
    return true;
}

// A bus that was wiped has no topics any more. Nothing is read then and no error is reported. So it
// is asked when one of the consumers has read nothing for a while, whatever the others read. One
// answer names all topics.
void ConsumeLoop::ask_for_topics() {
    const auto now = Steady::now();
    const auto is_quiet = [&](const Reader& reader) {
        return reader.consumer && now - reader.topics_checked >= kTopicsCheckEvery;
    };
    const auto quiet = std::ranges::find_if(readers_, is_quiet);
    if (quiet == readers_.end()) return;
    for (auto& reader : readers_) reader.topics_checked = now;
    topics_.ask(quiet->consumer);
}

}  // namespace flowstack::service
