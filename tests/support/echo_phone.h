#pragma once

#include <chrono>
#include <condition_variable>
#include <ctime>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/http/server.h"
#include "tests/support/echo_provider.h"

namespace flowstack::testing {

// The telephone at the other end of EchoProvider: one customer's, for all the numbers that write to
// it. Thread-safe.
class EchoPhone {
public:
    struct Choice {
        std::string id;
        std::string title;
    };
    struct Message {
        std::string number;  // whose channel it came from
        std::string to;
        std::string ticket;
        std::string pass;
        std::string id;
        std::string text;
        std::vector<Choice> buttons;
        std::vector<Choice> rows;
    };

    explicit EchoPhone(Secret secret)
        : secret_(std::move(secret)),
          server_({}, [this](const http::Request& request, const http::Responder& responder) {
              responder.send(http::Response::text(200, take(request)));
          }) {
        server_.start();
    }

    std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()); }
    const Secret& secret() const { return secret_; }

    // From now on messages are refused with this code; "": they are taken.
    void refuse(std::string code) {
        const std::lock_guard lock(mutex_);
        refused_with_ = std::move(code);
    }

    std::vector<Message> received() const {
        const std::lock_guard lock(mutex_);
        return received_;
    }

    // The next message that satisfies `wanted`, after those that were returned before. Throws when
    // none comes.
    Message wait_for(const std::function<bool(const Message&)>& wanted, const std::string& what,
                     std::chrono::milliseconds patience = std::chrono::seconds(30)) {
        std::unique_lock lock(mutex_);
        const auto until = std::chrono::steady_clock::now() + patience;
        while (true) {
            for (; seen_ < received_.size(); ++seen_)
                if (wanted(received_[seen_])) return received_[seen_++];
            if (came_.wait_until(lock, until) == std::cv_status::timeout)
                throw std::runtime_error("no " + what + "; the last message was \"" +
                                         (received_.empty() ? "none" : received_.back().text) +
                                         "\"");
        }
    }

    // ---- What this phone reports: bodies of webhooks.

    std::string say(const std::string& number, const std::string& phone, const std::string& text) {
        return echo::line({"say", number, next_id(), now(), phone, kName, text});
    }
    std::string tap(const std::string& number, const std::string& phone, const Choice& button) {
        return echo::line({"tap", number, next_id(), now(), phone, kName, button.id, button.title});
    }
    std::string pick(const std::string& number, const std::string& phone, const Choice& row) {
        return echo::line({"pick", number, next_id(), now(), phone, kName, row.id, row.title});
    }
    static std::string fate(const Message& message, const std::string& status) {
        return echo::line(
            {"fate", message.number, message.id, now(), message.to, status, message.ticket});
    }
    std::string seal(const std::string& body) const { return echo::seal(secret_, body); }

    static constexpr const char* kName = "Amina";

private:
    std::string take(const http::Request& request) {
        Message message;
        message.pass = request.headers.get("Echo-Pass");
        for (const auto line : echo::lines_of(request.body)) {
            auto fields = echo::fields_of(line);
            fields.resize(4);
            if (fields[0] == "to") {
                message.number = fields[1];
                message.to = fields[2];
                message.ticket = fields[3];
            } else if (fields[0] == "text") {
                message.text = fields[1];
            } else {
                (fields[0] == "row" ? message.rows : message.buttons)
                    .push_back({fields[1], fields[2]});
            }
        }
        const std::lock_guard lock(mutex_);
        if (!refused_with_.empty())
            return echo::line({"refused", refused_with_, "The phone is switched off"});
        message.id = "echo-out-" + std::to_string(received_.size() + 1);
        received_.push_back(message);
        came_.notify_all();
        return echo::line({"taken", message.id});
    }

    std::string next_id() {
        const std::lock_guard lock(mutex_);
        return "echo-in-" + std::to_string(++reports_) + "-" + now();
    }
    static std::string now() { return std::to_string(std::time(nullptr)); }

    Secret secret_;
    mutable std::mutex mutex_;
    std::condition_variable came_;
    std::vector<Message> received_;
    std::size_t seen_ = 0;
    int reports_ = 0;
    std::string refused_with_;
    http::Server server_;  // last: its thread uses everything above
};

}  // namespace flowstack::testing
