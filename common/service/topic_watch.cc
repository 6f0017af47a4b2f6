#include "common/service/topic_watch.h"

#include <chrono>
#include <utility>

#include "common/messaging/kafka.h"

namespace flowstack::service {
namespace {

constexpr std::chrono::milliseconds kAnswerTimeout{3000};
constexpr std::chrono::hours kUntilAsked{24};

}  // namespace

TopicWatch::TopicWatch(std::vector<std::string> topics, std::function<void()> on_gone)
    : topics_(std::move(topics)), on_gone_(std::move(on_gone)) {}
TopicWatch::~TopicWatch() = default;

void TopicWatch::start() {
    loop_.start([this](Loop&) { run(); });
}

void TopicWatch::stop() { loop_.stop(); }

void TopicWatch::ask(std::shared_ptr<const messaging::LaneConsumer> consumer) {
    {
        const std::lock_guard lock(mutex_);
        if (asked_) return;
        asked_ = std::move(consumer);
    }
    loop_.wake();
}

void TopicWatch::run() {
    while (!loop_.stopping()) {
        loop_.sleep(kUntilAsked);
        std::shared_ptr<const messaging::LaneConsumer> consumer;
        {
            const std::lock_guard lock(mutex_);
            consumer = asked_;
        }
        if (!consumer) continue;
        const bool missing = consumer->topics_missing(topics_, kAnswerTimeout);
        {
            const std::lock_guard lock(mutex_);
            asked_.reset();
        }
        if (missing) {
            gone_ = true;
            on_gone_();
        }
    }
}

}  // namespace flowstack::service
