#include "tests/bench/kafka_reader.h"

#include <librdkafka/rdkafka.h>

#include <array>
#include <stdexcept>

#include "tests/bench/load.h"

namespace flowstack::bench {

KafkaReader::KafkaReader(const std::string& brokers, const std::string& topic, int partitions,
                         std::int64_t count, int batch)
    : batch_(batch), at_(static_cast<std::size_t>(count), 0), last_of_key_(kLoadKeys, -1) {
    std::array<char, 512> error{};
    auto* conf = rd_kafka_conf_new();
    for (const auto& [name, value] :
         std::vector<std::pair<std::string, std::string>>{{"bootstrap.servers", brokers},
                                                          {"group.id", "bench-reader"},
                                                          {"enable.auto.commit", "false"},
                                                          {"fetch.wait.max.ms", "10"},
                                                          {"fetch.error.backoff.ms", "10"},
                                                          {"queued.min.messages", "100000"}})
        if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error.data(), error.size()) !=
            RD_KAFKA_CONF_OK)
            throw std::runtime_error(error.data());
    auto* consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error.data(), error.size());
    if (!consumer) throw std::runtime_error(error.data());
    rd_kafka_poll_set_consumer(consumer);
    auto* list = rd_kafka_topic_partition_list_new(partitions);
    for (int p = 0; p < partitions; ++p)
        rd_kafka_topic_partition_list_add(list, topic.c_str(), p)->offset =
            RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    consumer_ = consumer;
    thread_ = std::jthread([this](const std::stop_token& stop) { read(stop); });
}

KafkaReader::~KafkaReader() {
    thread_.request_stop();
    thread_.join();
    auto* consumer = static_cast<rd_kafka_t*>(consumer_);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
}

void KafkaReader::read(const std::stop_token& stop) {
    auto* consumer = static_cast<rd_kafka_t*>(consumer_);
    while (!stop.stop_requested()) {
        auto* message = rd_kafka_consumer_poll(consumer, 100);
        if (!message) continue;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            const auto now = now_us();
            const auto seq = load_seq({static_cast<const char*>(message->payload), message->len});
            if (seq >= 0 && seq < static_cast<std::int64_t>(at_.size())) {
                auto& at = at_[static_cast<std::size_t>(seq)];
                if (at != 0) {
                    ++twice_;
                } else {
                    at = now;
                    auto& last = last_of_key_[static_cast<std::size_t>(load_key(seq, batch_))];
                    if (seq < last) ++disordered_;
                    last = seq;
                    if (first_at_ == 0) first_at_ = now;
                    last_at_ = now;
                    ++came_;
                }
            }
        }
        rd_kafka_message_destroy(message);
    }
}

bool KafkaReader::wait_all(std::chrono::seconds patience) {
    const auto count = static_cast<std::int64_t>(at_.size());
    auto seen = came_.load();
    auto until = std::chrono::steady_clock::now() + patience;
    while (came_ < count) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        if (came_ != seen) {
            seen = came_;
            until = std::chrono::steady_clock::now() + patience;
        } else if (std::chrono::steady_clock::now() > until) {
            return false;
        }
    }
    return true;
}

}  // namespace flowstack::bench
