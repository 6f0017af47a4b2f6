#include "common/messaging/kafka.h"

#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace flowstack::messaging {
namespace {

constexpr std::chrono::milliseconds kOffsetsEvery{1'000};
// Earlier versions of the library send a wrong nonce, which Kafka 4 does not take any more.
constexpr int kRightScram = 0x020601ff;
constexpr std::chrono::milliseconds kAssignAgainAfter{1'000};

using Config = std::vector<std::pair<std::string, std::string>>;

rd_kafka_conf_t* conf_of(const Config& config) {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    char error[512];
    for (const auto& [name, value] : config)
        if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error, sizeof error) !=
            RD_KAFKA_CONF_OK) {
            rd_kafka_conf_destroy(conf);
            throw std::logic_error("kafka: " + std::string(error));
        }
    // Metrics and readiness already say what the library would log.
    rd_kafka_conf_set_log_cb(conf, [](const rd_kafka_t*, int, const char*, const char*) {});
    return conf;
}

struct Client {
    Client(rd_kafka_type_t type, rd_kafka_conf_t* conf) {
        char error[512];
        handle = rd_kafka_new(type, conf, error, sizeof error);
        if (!handle) {
            rd_kafka_conf_destroy(conf);
            throw BusUnavailable("kafka: " + std::string(error));
        }
    }
    ~Client() {
        if (handle) rd_kafka_destroy(handle);
    }
    Client(const Client&) = delete;
    rd_kafka_t* handle = nullptr;
};

Config base(const Brokers& brokers) {
    static constexpr std::array kProtocols{"plaintext", "ssl", "sasl_plaintext", "sasl_ssl"};
    Config config{{"bootstrap.servers", brokers.addresses},
                  {"client.id", "flowstack"},
                  {"socket.keepalive.enable", "true"},
                  {"reconnect.backoff.ms", "50"},
                  {"reconnect.backoff.max.ms", "1000"},
                  // A topic that is made late, or a bus that was wiped, is noticed soon.
                  {"topic.metadata.refresh.interval.ms", "5000"},
                  {"metadata.max.age.ms", "15000"},
                  {"security.protocol", kProtocols.at(static_cast<std::size_t>(brokers.protocol))}};
    const auto add = [&](const char* name, const std::string& value) {
        if (!value.empty()) config.emplace_back(name, value);
    };
    if (brokers.tls()) {
        add("ssl.ca.location", brokers.ca_file);
        add("ssl.certificate.location", brokers.certificate_file);
        add("ssl.key.location", brokers.key_file);
        // Otherwise whoever has any certificate of this CA could stand in for a broker.
        add("ssl.endpoint.identification.algorithm", "https");
    }
    if (brokers.sasl()) {
        add("sasl.mechanisms", brokers.mechanism);
        add("sasl.username", brokers.username);
        add("sasl.password", brokers.password.reveal());
    }
    return config;
}

// What the library complained of last, and whether a broker refused us rather than being away. The
// library reports on the thread that polls; any thread may ask.
class Complaints {
public:
    void hear(int error, std::string_view reason) {
        // It follows the reason and says less than it.
        if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) return;
        const bool guessed = hung_up_on_plaintext(reason);
        const std::lock_guard lock(mutex_);
        refused_ = guessed || is_refusal(error, reason);
        text_ = reason;
        if (guessed) text_ += "; is this a port for TLS? See KAFKA_SECURITY_PROTOCOL";
        if (reason.find("SCRAM") != std::string_view::npos && rd_kafka_version() < kRightScram)
            text_ +=
                "; where name and password are right: Kafka 4 takes SCRAM from librdkafka 2.6.1 "
                "on, "
                "this is " +
                std::string(rd_kafka_version_str()) + ", so use PLAIN by TLS, or a certificate";
    }
    std::string text() const {
        const std::lock_guard lock(mutex_);
        return text_;
    }
    // `otherwise` when there was none.
    [[noreturn]] void raise(const std::string& about, const std::string& otherwise) const {
        const std::lock_guard lock(mutex_);
        const auto text = about + (text_.empty() ? otherwise : text_);
        if (refused_) throw BusRefused(text);
        throw BusUnavailable(text);
    }

private:
    static bool is_refusal(int error, std::string_view reason) {
        return error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR__SSL ||
               error == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE ||
               error == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED ||
               error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
               error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
               // With TLS 1.3 a client that may not come in hears so after its handshake.
               reason.find("SSL alert") != std::string_view::npos ||
               // A handshake that fails while the connection is being made is told as a broker that
               // is away, in OpenSSL's words. One that only broke off is away indeed.
               (reason.find("SSL routines::") != std::string_view::npos &&
                reason.find("unexpected eof") == std::string_view::npos);
    }
    // Plaintext to a port for TLS: the broker hangs up, or answers with bytes that are none of
    // Kafka's. The library guesses in the first case, and in the second takes them for a length.
    static bool hung_up_on_plaintext(std::string_view reason) {
        return reason.find("incorrect security.protocol") != std::string_view::npos ||
               reason.find("Invalid response size") != std::string_view::npos;
    }
    mutable std::mutex mutex_;
    std::string text_;
    bool refused_ = false;
};

// A client for one question.
class Asking {
public:
    Asking(rd_kafka_type_t type, const Config& config) : client_(type, conf_with(config)) {
        if (type == RD_KAFKA_CONSUMER) rd_kafka_poll_set_consumer(client_.handle);
    }
    rd_kafka_t* handle() const { return client_.handle; }
    // For a question that was not answered. Throws.
    [[noreturn]] void raise(const std::string& about, const std::string& otherwise) {
        // The library reports while it is polled.
        rd_kafka_poll(client_.handle, 0);
        if (auto* message = is_consumer() ? rd_kafka_consumer_poll(client_.handle, 0) : nullptr)
            rd_kafka_message_destroy(message);
        complaints_.raise(about, otherwise);
    }

private:
    bool is_consumer() const { return rd_kafka_type(client_.handle) == RD_KAFKA_CONSUMER; }
    rd_kafka_conf_t* conf_with(const Config& config) {
        auto* conf = conf_of(config);
        rd_kafka_conf_set_opaque(conf, &complaints_);
        rd_kafka_conf_set_error_cb(conf,
                                   [](rd_kafka_t*, int error, const char* reason, void* opaque) {
                                       static_cast<Complaints*>(opaque)->hear(error, reason);
                                   });
        return conf;
    }
    Complaints complaints_;
    Client client_;  // its end still calls back into the member above
};

std::string text(const void* data, std::size_t size) {
    return data ? std::string(static_cast<const char*>(data), size) : std::string();
}

Record record_of(const rd_kafka_message_t* message) {
    return {rd_kafka_topic_name(message->rkt), message->partition, message->offset,
            text(message->key, message->key_len), text(message->payload, message->len)};
}

}  // namespace

// -------------------------------------------------------------------------------------- Producer

struct Producer::State {
    std::vector<Acknowledged> acknowledged;
    std::atomic<bool> fatal{false};
    std::function<void()> served;
    // Destroyed before the members above: its end still calls back into them.
    std::unique_ptr<Client> client;
    std::map<std::string, rd_kafka_topic_t*, std::less<>> topics;

    ~State() {
        for (const auto& [name, topic] : topics) rd_kafka_topic_destroy(topic);
    }
    rd_kafka_topic_t* topic(const std::string& name) {
        auto& known = topics[name];
        if (!known) known = rd_kafka_topic_new(client->handle, name.c_str(), nullptr);
        return known;
    }
};

Producer::Producer(const Brokers& brokers) : state_(std::make_unique<State>()) {
    auto config = base(brokers);
    config.insert(config.end(), {{"enable.idempotence", "true"},
                                 {"acks", "all"},
                                 {"message.timeout.ms", "0"},
                                 // The relay itself gathers records while an acknowledgement is
                                 // under way. And librdkafka 2.0 spins while less than 1 ms of its
                                 // linger time is left.
                                 {"linger.ms", "0"},
                                 {"batch.size", "1000000"},
                                 {"message.max.bytes", "4000000"},
                                 {"queue.buffering.max.messages", "50000"}});
    auto* conf = conf_of(config);
    rd_kafka_conf_set_opaque(conf, state_.get());
    rd_kafka_conf_set_dr_msg_cb(
        conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
            auto* state = static_cast<State*>(opaque);
            state->acknowledged.push_back(
                {message->partition,
                 static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(message->_private)),
                 message->err == RD_KAFKA_RESP_ERR_NO_ERROR});
        });
    rd_kafka_conf_set_error_cb(conf, [](rd_kafka_t* rk, int error, const char*, void* opaque) {
        char reason[256];
        if (error == RD_KAFKA_RESP_ERR__FATAL && rd_kafka_fatal_error(rk, reason, sizeof reason))
            static_cast<State*>(opaque)->fatal = true;
    });
    state_->client = std::make_unique<Client>(RD_KAFKA_PRODUCER, conf);
}

Producer::~Producer() {
    // The listener may be gone soon. The library calls it under the queue's lock only, so it does
    // not run any more when this returns.
    auto* queue = rd_kafka_queue_get_main(state_->client->handle);
    rd_kafka_queue_cb_event_enable(queue, nullptr, nullptr);
    rd_kafka_queue_destroy(queue);
    // The lane's owner publishes unacknowledged records again, so this does not wait for them.
    rd_kafka_purge(state_->client->handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

bool Producer::produce(const std::string& topic, int partition, const std::string& key,
                       const std::string& value, std::span<const RecordHeader> headers,
                       std::int64_t tag) {
    auto* list = rd_kafka_headers_new(headers.size());
    for (const auto& [name, content] : headers)
        rd_kafka_header_add(list, name.data(), static_cast<ssize_t>(name.size()), content.data(),
                            static_cast<ssize_t>(content.size()));
    const auto error = rd_kafka_producev(
        state_->client->handle, RD_KAFKA_V_RKT(state_->topic(topic)),
        RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(key.data(), key.size()),
        RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()), RD_KAFKA_V_HEADERS(list),
        RD_KAFKA_V_OPAQUE(reinterpret_cast<void*>(static_cast<std::intptr_t>(tag))),
        RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
    rd_kafka_headers_destroy(list);
    if (error == RD_KAFKA_RESP_ERR__FATAL) state_->fatal = true;
    return false;
}

std::vector<Producer::Acknowledged> Producer::poll(std::chrono::milliseconds wait) {
    rd_kafka_poll(state_->client->handle, static_cast<int>(wait.count()));
    return std::exchange(state_->acknowledged, {});
}

void Producer::on_acknowledgement(std::function<void()> listener) {
    state_->served = std::move(listener);
    auto* queue = rd_kafka_queue_get_main(state_->client->handle);
    rd_kafka_queue_cb_event_enable(
        queue, [](rd_kafka_t*, void* opaque) { static_cast<State*>(opaque)->served(); },
        state_.get());
    rd_kafka_queue_destroy(queue);
}

bool Producer::fatal() const { return state_->fatal; }

// ---------------------------------------------------------------------------------- LaneConsumer

struct LaneConsumer::State {
    using Where = std::pair<std::string, int>;  // topic, partition

    Options options;
    std::unique_ptr<Client> client;
    std::atomic<std::int64_t> brokers_up{1};
    Complaints complaints;
    std::map<Where, std::int64_t> next;     // the offset that is read next, for what is assigned
    std::map<Where, std::int64_t> applied;  // next offsets that Kafka has not been told of yet
    std::chrono::steady_clock::time_point told{};
    std::function<void()> arrived;
    // When all is to be assigned anew, after an error.
    std::optional<std::chrono::steady_clock::time_point> assign_at;

    // The caller destroys it.
    static rd_kafka_topic_partition_list_t* list_of(const std::map<Where, std::int64_t>& offsets) {
        auto* list = rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size()));
        for (const auto& [where, offset] : offsets)
            rd_kafka_topic_partition_list_add(list, where.first.c_str(), where.second)->offset =
                offset;
        return list;
    }
    void assign();
};

void LaneConsumer::State::assign() {
    assign_at.reset();
    auto* list = list_of(next);
    const auto error = rd_kafka_assign(client->handle, next.empty() ? nullptr : list);
    rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) throw BusUnavailable(rd_kafka_err2str(error));
}

LaneConsumer::LaneConsumer(Options options) : state_(std::make_unique<State>()) {
    state_->options = std::move(options);
    const auto& o = state_->options;
    auto config = base(o.brokers);
    config.insert(config.end(), {{"group.id", o.group},
                                 {"auto.offset.reset", "earliest"},
                                 {"enable.auto.commit", "false"},
                                 {"enable.auto.offset.store", "false"},
                                 {"enable.partition.eof", "false"},
                                 {"fetch.wait.max.ms", std::to_string(o.fetch_wait_max.count())},
                                 {"fetch.min.bytes", std::to_string(o.fetch_bytes_min)},
                                 {"fetch.message.max.bytes", "4000000"},
                                 {"queued.max.messages.kbytes", "16384"}});
    auto* conf = conf_of(config);
    rd_kafka_conf_set_opaque(conf, state_.get());
    rd_kafka_conf_set_error_cb(conf, [](rd_kafka_t*, int error, const char* reason, void* opaque) {
        auto* state = static_cast<State*>(opaque);
        state->complaints.hear(error, reason);
        if (error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) state->brokers_up = 0;
    });
    state_->client = std::make_unique<Client>(RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(state_->client->handle);
}

LaneConsumer::~LaneConsumer() {
    // The listener may be gone soon. The library calls it under the queue's lock only, so it does
    // not run any more when this returns.
    auto* queue = rd_kafka_queue_get_consumer(state_->client->handle);
    rd_kafka_queue_cb_event_enable(queue, nullptr, nullptr);
    rd_kafka_queue_destroy(queue);
    // Closing would wait for a bus that may be away, and has nothing to say to it. Even without
    // closing, librdkafka 2.0.2 may wait for ever for a broker whose topics were wiped. The thread
    // that consumes must go on, so another one waits; it holds what callbacks may still look at.
    std::thread([state = std::move(state_)] {
        rd_kafka_destroy_flags(std::exchange(state->client->handle, nullptr),
                               RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    }).detach();
}

void LaneConsumer::assign(const std::vector<int>& partitions) {
    std::map<State::Where, std::int64_t> next;
    for (const auto& topic : state_->options.topics)
        for (const int partition : partitions) {
            const State::Where where{topic, partition};
            const auto known = state_->next.find(where);
            next[where] = known == state_->next.end() ? RD_KAFKA_OFFSET_STORED : known->second;
        }
    // Another replica notes the offsets of what is no longer read here.
    std::erase_if(state_->applied, [&](const auto& entry) { return !next.contains(entry.first); });
    state_->next = std::move(next);
    state_->assign();
}

std::vector<Record> LaneConsumer::poll(std::size_t max, std::chrono::milliseconds wait) {
    std::vector<Record> records;
    if (state_->assign_at && std::chrono::steady_clock::now() >= *state_->assign_at)
        state_->assign();
    auto timeout = static_cast<int>(wait.count());
    while (records.size() < max) {
        rd_kafka_message_t* message = rd_kafka_consumer_poll(state_->client->handle, timeout);
        if (!message) break;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            records.push_back(record_of(message));
            const auto& record = records.back();
            state_->next[{record.topic, record.partition}] = record.offset + 1;
            state_->brokers_up = 1;
            timeout = 0;  // take what has arrived, wait for nothing more
        } else if (!state_->assign_at) {
            // On a fresh bus the broker may not know yet that it coordinates the group. librdkafka
            // 2.0 then gives up on the partitions whose noted offsets it asked for, until they are
            // assigned again.
            state_->assign_at = std::chrono::steady_clock::now() + kAssignAgainAfter;
        }
        rd_kafka_message_destroy(message);
    }
    return records;
}

void LaneConsumer::on_arrival(std::function<void()> listener) {
    state_->arrived = std::move(listener);
    auto* queue = rd_kafka_queue_get_consumer(state_->client->handle);
    rd_kafka_queue_cb_event_enable(
        queue, [](rd_kafka_t*, void* opaque) { static_cast<State*>(opaque)->arrived(); },
        state_.get());
    rd_kafka_queue_destroy(queue);
}

void LaneConsumer::commit_async(const std::vector<Place>& applied) {
    for (const auto& place : applied) {
        auto& offset = state_->applied[{place.topic, place.partition}];
        offset = std::max(offset, place.offset + 1);
    }
    const auto now = std::chrono::steady_clock::now();
    if (state_->applied.empty() || now - state_->told < kOffsetsEvery) return;
    state_->told = now;
    const auto next = std::exchange(state_->applied, {});
    auto* list = State::list_of(next);
    rd_kafka_commit(state_->client->handle, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

bool LaneConsumer::connected() const { return state_->brokers_up != 0; }

std::string LaneConsumer::complaint() const {
    return connected() ? std::string() : state_->complaints.text();
}

bool LaneConsumer::topics_missing(const std::vector<std::string>& topics,
                                  std::chrono::milliseconds timeout) const {
    const rd_kafka_metadata_t* metadata = nullptr;
    if (rd_kafka_metadata(state_->client->handle, 1, nullptr, &metadata,
                          static_cast<int>(timeout.count())) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    state_->brokers_up = 1;
    std::size_t there = 0;
    for (int i = 0; i < metadata->topic_cnt; ++i)
        for (const auto& topic : topics)
            if (topic == metadata->topics[i].topic && metadata->topics[i].partition_cnt > 0)
                ++there;
    rd_kafka_metadata_destroy(metadata);
    return there < topics.size();
}

// ---------------------------------------------------------------------------- single questions

std::string why_unusable(const Brokers& brokers) {
    rd_kafka_conf_t* conf = nullptr;
    try {
        conf = conf_of(base(brokers));
    } catch (const std::logic_error& error) {
        return error.what();
    }
    char error[512];
    auto* handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    if (handle) {
        rd_kafka_destroy(handle);
        return {};
    }
    rd_kafka_conf_destroy(conf);
    // The library says which of its own properties it is.
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kSettings{
        {{"ssl.ca.location", "KAFKA_CA_FILE"},
         {"ssl.certificate.location", "KAFKA_CLIENT_CERT_FILE"},
         {"ssl.key.location", "KAFKA_CLIENT_KEY_FILE"}}};
    const std::string_view reason = error;
    for (const auto& [property, setting] : kSettings)
        if (reason.find(property) != std::string_view::npos)
            return std::string(setting) + ": " + std::string(reason);
    return "KAFKA_SECURITY_PROTOCOL: " + std::string(reason);
}

namespace {

// Of somebody who only looks at a partition.
Config looking(const Brokers& brokers) {
    auto config = base(brokers);
    config.insert(config.end(), {{"group.id", "flowstack-relay-look"},
                                 {"enable.auto.commit", "false"},
                                 {"enable.partition.eof", "true"},
                                 {"fetch.wait.max.ms", "10"}});
    return config;
}

// The offsets of the first record and behind the last one; both 0 when there is no such partition.
std::pair<std::int64_t, std::int64_t> offsets_of(Asking& client, const std::string& topic,
                                                 int partition, std::chrono::milliseconds timeout) {
    std::int64_t low = 0, high = 0;
    const auto error = rd_kafka_query_watermark_offsets(
        client.handle(), topic.c_str(), partition, &low, &high, static_cast<int>(timeout.count()));
    if (error == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
        error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return {0, 0};
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) client.raise(topic + ": ", rd_kafka_err2str(error));
    return {low, high};
}

void read_from(Asking& client, const std::string& topic, int partition, std::int64_t offset) {
    auto* list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic.c_str(), partition)->offset = offset;
    rd_kafka_assign(client.handle(), list);
    rd_kafka_topic_partition_list_destroy(list);
}

}  // namespace

bool was_written(const Brokers& brokers, const std::string& topic, int partition,
                 std::chrono::milliseconds timeout) {
    Asking client(RD_KAFKA_CONSUMER, looking(brokers));
    return offsets_of(client, topic, partition, timeout).second > 0;
}

struct PartitionReader::State {
    State(const Brokers& brokers, std::string name, int number, std::chrono::milliseconds wait)
        : client(RD_KAFKA_CONSUMER, looking(brokers)),
          topic(std::move(name)),
          partition(number),
          timeout(wait) {}

    Asking client;
    std::string topic;
    int partition;
    std::chrono::milliseconds timeout;
    std::int64_t end = 0;  // the offset behind the last record
    std::int64_t at = 0;   // of the next record that is wanted
    bool from_first = false;
};

PartitionReader::PartitionReader(const Brokers& brokers, std::string topic, int partition,
                                 std::chrono::system_clock::time_point from,
                                 std::chrono::milliseconds timeout)
    : state_(std::make_unique<State>(brokers, std::move(topic), partition, timeout)) {
    auto& s = *state_;
    const auto [low, high] = offsets_of(s.client, s.topic, s.partition, timeout);
    s.end = high;
    s.at = low;
    const auto since =
        std::chrono::duration_cast<std::chrono::milliseconds>(from.time_since_epoch()).count();
    if (high > low && since > 0) {
        auto* list = rd_kafka_topic_partition_list_new(1);
        auto* place = rd_kafka_topic_partition_list_add(list, s.topic.c_str(), s.partition);
        place->offset = since;
        const auto error =
            rd_kafka_offsets_for_times(s.client.handle(), list, static_cast<int>(timeout.count()));
        // Where the broker does not know it, everything is read.
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR && place->err == RD_KAFKA_RESP_ERR_NO_ERROR &&
            place->offset > low && place->offset < high)
            s.at = place->offset;
        rd_kafka_topic_partition_list_destroy(list);
    }
    if (high > low) read_from(s.client, s.topic, s.partition, s.at);
    s.from_first = s.at == low;
}

PartitionReader::~PartitionReader() { rd_kafka_assign(state_->client.handle(), nullptr); }

bool PartitionReader::from_first() const { return state_->from_first; }

std::vector<Record> PartitionReader::next(std::size_t max) {
    auto& s = *state_;
    std::vector<Record> records;
    auto until = std::chrono::steady_clock::now() + s.timeout;
    while (s.at < s.end && records.size() < max) {
        if (std::chrono::steady_clock::now() > until)
            s.client.raise(s.topic + ": ", "the next record did not come in time");
        auto* message = rd_kafka_consumer_poll(s.client.handle(), records.empty() ? 100 : 0);
        if (!message) {
            if (!records.empty()) break;
            continue;
        }
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            records.push_back(record_of(message));
            s.at = records.back().offset + 1;
        } else if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            s.at = s.end;  // what stood at the last offsets was no record
        }
        rd_kafka_message_destroy(message);
    }
    return records;
}

std::optional<Record> last_record(const Brokers& brokers, const std::string& topic, int partition,
                                  std::chrono::milliseconds timeout) {
    Asking client(RD_KAFKA_CONSUMER, looking(brokers));
    const auto [low, high] = offsets_of(client, topic, partition, timeout);
    if (high <= low) return std::nullopt;
    read_from(client, topic, partition, high - 1);
    std::optional<Record> last;
    const auto until = std::chrono::steady_clock::now() + timeout;
    while (!last && std::chrono::steady_clock::now() < until) {
        auto* message = rd_kafka_consumer_poll(client.handle(), 100);
        if (!message) continue;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) last = record_of(message);
        rd_kafka_message_destroy(message);
    }
    rd_kafka_assign(client.handle(), nullptr);
    if (!last) client.raise(topic + ": ", "the last record did not come in time");
    return last;
}

void ensure_topics(const Brokers& brokers, const std::vector<std::string>& topics, int partitions,
                   std::chrono::milliseconds timeout) {
    Asking client(RD_KAFKA_PRODUCER, base(brokers));
    const int ms = static_cast<int>(timeout.count());
    const rd_kafka_metadata_t* metadata = nullptr;
    const auto error = rd_kafka_metadata(client.handle(), 1, nullptr, &metadata, ms);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) client.raise("", rd_kafka_err2str(error));
    std::map<std::string, int> there;
    for (int i = 0; i < metadata->topic_cnt; ++i)
        there[metadata->topics[i].topic] = metadata->topics[i].partition_cnt;
    rd_kafka_metadata_destroy(metadata);

    std::vector<rd_kafka_NewTopic_t*> wanted;
    for (const auto& topic : topics) {
        const auto found = there.find(topic);
        if (found != there.end() && found->second > 0) {
            if (found->second != partitions)
                throw std::runtime_error("topic " + topic + " has " +
                                         std::to_string(found->second) +
                                         " partitions, LANES says " + std::to_string(partitions));
            continue;
        }
        char reason[256];
        wanted.push_back(
            rd_kafka_NewTopic_new(topic.c_str(), partitions, -1, reason, sizeof reason));
    }
    if (wanted.empty()) return;
    auto* queue = rd_kafka_queue_new(client.handle());
    auto* options = rd_kafka_AdminOptions_new(client.handle(), RD_KAFKA_ADMIN_OP_CREATETOPICS);
    char reason[256];
    rd_kafka_AdminOptions_set_request_timeout(options, ms, reason, sizeof reason);
    rd_kafka_CreateTopics(client.handle(), wanted.data(), wanted.size(), options, queue);
    auto* event = rd_kafka_queue_poll(queue, ms);
    std::string failed;
    if (!event) {
        failed = "no answer";
    } else if (rd_kafka_event_error(event)) {
        failed = rd_kafka_event_error_string(event);
    } else {
        std::size_t count = 0;
        const auto** results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
        for (std::size_t i = 0; i < count; ++i) {
            const auto code = rd_kafka_topic_result_error(results[i]);
            if (code != RD_KAFKA_RESP_ERR_NO_ERROR &&
                code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
                failed = rd_kafka_err2str(code);
        }
    }
    if (event) rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy_array(wanted.data(), wanted.size());
    if (!failed.empty()) throw BusUnavailable("cannot make topics: " + failed);
}

}  // namespace flowstack::messaging
