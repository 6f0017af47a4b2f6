#include "tests/e2e/topics.h"

#include <librdkafka/rdkafka.h>

#include <array>
#include <chrono>

namespace flowstack::e2e {
namespace {

constexpr std::chrono::seconds kPatience{60};

TopicRecord record_of(const rd_kafka_message_t& message) {
    TopicRecord record{.topic = rd_kafka_topic_name(message.rkt),
                       .lane = message.partition,
                       .key = {static_cast<const char*>(message.key), message.key_len},
                       .headers = {},
                       .produced_ms = rd_kafka_message_timestamp(&message, nullptr)};
    rd_kafka_headers_t* headers = nullptr;
    if (rd_kafka_message_headers(&message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR) return record;
    const char* name = nullptr;
    const void* value = nullptr;
    std::size_t size = 0;
    while (rd_kafka_header_get_all(headers, record.headers.size(), &name, &value, &size) ==
           RD_KAFKA_RESP_ERR_NO_ERROR)
        record.headers.emplace_back(name, std::string_view(static_cast<const char*>(value), size));
    return record;
}

}  // namespace

std::string_view TopicRecord::header(std::string_view name) const {
    for (const auto& [each, value] : headers)
        if (each == name) return value;
    return {};
}

void read_topics(Stack& stack, const std::vector<std::string>& services,
                 const std::function<void(const TopicRecord&)>& take) {
    std::array<char, 512> error{};
    auto* conf = rd_kafka_conf_new();
    const auto brokers = stack.environment.required("KAFKA_BROKERS");
    for (const auto& [name, value] : {std::pair{"bootstrap.servers", brokers.c_str()},
                                      {"group.id", "reader"},
                                      {"enable.partition.eof", "true"},
                                      {"enable.auto.commit", "false"}})
        rd_kafka_conf_set(conf, name, value, error.data(), error.size());
    auto* kafka = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error.data(), error.size());
    ASSERT_NE(kafka, nullptr) << error.data();
    rd_kafka_poll_set_consumer(kafka);
    const int lanes = std::stoi(stack.environment.required("LANES"));
    auto* places = rd_kafka_topic_partition_list_new(1);
    for (const auto& service : services)
        for (int lane = 0; lane < lanes; ++lane)
            rd_kafka_topic_partition_list_add(places, ("flowstack." + service + ".events").c_str(),
                                              lane)
                ->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(kafka, places);
    int left = places->cnt;
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (left > 0 && std::chrono::steady_clock::now() < until) {
        auto* message = rd_kafka_consumer_poll(kafka, 1000);
        if (message == nullptr) continue;
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) --left;
        if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) take(record_of(*message));
        rd_kafka_message_destroy(message);
    }
    rd_kafka_topic_partition_list_destroy(places);
    rd_kafka_consumer_close(kafka);
    rd_kafka_destroy(kafka);
    EXPECT_EQ(left, 0) << "partitions that were not read to their end";
}

}  // namespace flowstack::e2e
