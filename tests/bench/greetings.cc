#include "tests/bench/greetings.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <stdexcept>

#include "tests/bench/machine.h"
#include "tests/bench/webhooks.h"

namespace flowstack::bench {
namespace {

constexpr std::int64_t kSilenceUs = 30'000'000;
constexpr std::int64_t kSecondAnswerUs = 500'000;
// Between two customers of a load that is one at a time.
constexpr std::int64_t kQuietUs = 100'000;
// A call to the sandbox takes a connection until the shop has answered the webhook.
constexpr std::size_t kConnectionsMax = 800;
constexpr std::size_t kStatusesOfASend = 3;

std::string_view after(std::string_view line, std::string_view name) {
    const auto at = line.find(name);
    if (at == std::string_view::npos) return {};
    const auto from = at + name.size();
    return line.substr(from, line.find_first_of("\",}", from) - from);
}

std::optional<std::int64_t> number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// The sandbox's control API, over as many connections as calls are under way.
class Mouth {
public:
    explicit Mouth(const GreetingShop& shop)
        : port_(shop.sandbox_port),
          body_(fmt::format(R"({{"phone_number_id":"{}","text":"Hi","name":"Customer"}})",
                            shop.phone_number_id)),
          poll_(epoll_create1(EPOLL_CLOEXEC)) {}
    ~Mouth() {
        for (const auto& [fd, answer] : answers_) close(fd);
        close(poll_);
    }
    Mouth(const Mouth&) = delete;

    void say(std::size_t customer) {
        const auto request = fmt::format(
            "POST /control/customers/{}/say HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
            "application/json\r\nContent-Length: {}\r\n\r\n{}",
            customer_phone(customer), body_.size(), body_);
        const int fd = take();
        // It always fits into the empty buffer of a connection whose last call was answered.
        if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(request.size()))
            throw std::runtime_error("the sandbox does not take a customer's words");
        ++under_way_;
    }

    void serve(int wait_ms) {
        std::array<epoll_event, 256> events{};
        std::array<char, 16384> buffer{};
        const int ready =
            epoll_wait(poll_, events.data(), static_cast<int>(events.size()), wait_ms);
        for (int i = 0; i < ready; ++i) {
            const int fd = events[static_cast<std::size_t>(i)].data.fd;
            const auto got = recv(fd, buffer.data(), buffer.size(), 0);
            if (got <= 0) {
                // It closes connections that were idle for long.
                if (std::erase(idle_, fd) == 0)
                    throw std::runtime_error("the sandbox closed a connection during a call");
                close(fd);
                answers_.erase(fd);
                continue;
            }
            auto& answer = answers_[fd];
            answer.append(buffer.data(), static_cast<std::size_t>(got));
            std::string body;
            const int status = take_answer(answer, &body);
            if (status == 0) continue;
            if (status != 200) throw std::runtime_error("the sandbox answered: " + body);
            if (body.find(R"("http_status":200)") == std::string::npos) ++refused_;
            --under_way_;
            idle_.push_back(fd);
        }
    }

    bool full() const { return under_way_ >= kConnectionsMax; }
    std::size_t under_way() const { return under_way_; }
    std::size_t refused() const { return refused_; }

private:
    int take() {
        if (!idle_.empty()) {
            const int fd = idle_.back();
            idle_.pop_back();
            return fd;
        }
        const int fd = connect_to(port_);
        answers_.emplace(fd, "");
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event);
        return fd;
    }

    int port_;
    std::string body_;
    int poll_;
    std::map<int, std::string> answers_;  // what has come of an answer, by connection
    std::vector<int> idle_;
    std::size_t under_way_ = 0;
    std::size_t refused_ = 0;
};

// The end of a file that another process writes lines to.
class Tail {
public:
    explicit Tail(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
        if (fd_ < 0) throw std::runtime_error("the sandbox has no record in " + path);
        at_ = lseek(fd_, 0, SEEK_END);
    }
    ~Tail() { close(fd_); }
    Tail(const Tail&) = delete;

    template <class Each>
    void read(const Each& each) {
        while (true) {
            const auto got = pread(fd_, buffer_.data(), buffer_.size(), at_);
            if (got <= 0) return;
            at_ += got;
            rest_.append(buffer_.data(), static_cast<std::size_t>(got));
            std::size_t from = 0;
            for (std::size_t end; (end = rest_.find('\n', from)) != std::string::npos;
                 from = end + 1)
                each(std::string_view(rest_).substr(from, end - from));
            rest_.erase(0, from);
        }
    }

private:
    int fd_;
    off_t at_ = 0;
    std::string rest_;
    std::vector<char> buffer_ = std::vector<char>(std::size_t{1} << 20);
};

}  // namespace

std::optional<GreetingNews> read_news(std::string_view line, std::string_view phone_number_id) {
    GreetingNews news;
    if (line.find(R"("kind":"customer_said")") != std::string_view::npos) {
        news.kind = GreetingNews::Kind::said;
    } else if (line.find(R"("kind":"send_accepted")") != std::string_view::npos) {
        news.kind = GreetingNews::Kind::accepted;
    } else if (line.find(R"("what":"status:)") != std::string_view::npos &&
               after(line, R"("http_status":)") == "200") {
        news.kind = GreetingNews::Kind::status;
    } else {
        return std::nullopt;
    }
    if (after(line, R"("phone_number_id":")") != phone_number_id) return std::nullopt;
    static const auto nobody = *number(customer_phone(0).substr(1));
    const auto phone = number(after(line, R"("phone":")"));
    const auto at = number(after(line, R"("at_us":)"));
    if (!phone || *phone < nobody || !at) return std::nullopt;
    news.customer = static_cast<std::size_t>(*phone - nobody);
    news.at_us = *at;
    return news;
}

void Outcome::count(const Outcome& more) {
    said += more.said;
    answered += more.answered;
    sends += more.sends;
    unanswered += more.unanswered;
    answered_twice += more.answered_twice;
    three_statuses += more.three_statuses;
    refused += more.refused;
}

std::string Outcome::text() const {
    auto words = fmt::format("{} said, {} answered by {} sends, {} with three statuses", said,
                             answered, sends, three_statuses);
    if (unanswered > 0) words += fmt::format(", {} without an answer", unanswered);
    if (answered_twice > 0) words += fmt::format(", {} with two or more", answered_twice);
    if (refused > 0) words += fmt::format(", {} webhooks refused", refused);
    return words;
}

std::size_t GreetingBooks::say(std::int64_t late_us) {
    customers_.push_back({.late_us = late_us});
    return first_ + customers_.size() - 1;
}

void GreetingBooks::take(const GreetingNews& news) {
    // An answer to somebody of an earlier load is no part of this one.
    if (news.customer < first_ || news.customer - first_ >= customers_.size()) return;
    auto& customer = customers_[news.customer - first_];
    switch (news.kind) {
        case GreetingNews::Kind::said:
            customer.said_us = news.at_us;
            break;
        case GreetingNews::Kind::accepted:
            if (customer.sends++ == 0) {
                customer.accepted_us = news.at_us;
                ++answered_;
            }
            break;
        case GreetingNews::Kind::status:
            ++customer.statuses;
            ++statuses_;
            break;
    }
}

Outcome GreetingBooks::outcome() const {
    Outcome out;
    out.said = said();
    std::int64_t first_said = std::numeric_limits<std::int64_t>::max(), last_accepted = 0;
    for (const auto& customer : customers_) {
        out.lag.add(customer.late_us);
        if (customer.said_us != 0) first_said = std::min(first_said, customer.said_us);
        out.sends += customer.sends;
        if (customer.sends == 0) {
            ++out.unanswered;
            continue;
        }
        ++out.answered;
        if (customer.sends > 1) ++out.answered_twice;
        if (customer.statuses == kStatusesOfASend) ++out.three_statuses;
        out.latencies.add(customer.accepted_us - customer.said_us + customer.late_us);
        last_accepted = std::max(last_accepted, customer.accepted_us);
    }
    if (last_accepted > first_said)
        out.answered_per_s = static_cast<double>(out.answered) * 1e6 /
                             static_cast<double>(last_accepted - first_said);
    return out;
}

Outcome greet(const GreetingShop& shop, std::size_t first, const GreetingLoad& load) {
    Mouth mouth(shop);
    Tail record(shop.record);
    GreetingBooks books(first);
    auto last_news = now_us();
    const auto read_record = [&] {
        record.read([&](std::string_view line) {
            const auto news = read_news(line, shop.phone_number_id);
            if (!news) return;
            books.take(*news);
            last_news = now_us();
        });
    };
    const auto say = [&](std::int64_t late_us) { mouth.say(books.say(late_us)); };

    const auto began = now_us();
    const auto until = began + static_cast<std::int64_t>(load.seconds * 1e6);
    const auto amount = static_cast<std::size_t>(load.amount);
    const auto wanted = static_cast<std::size_t>(load.seconds * static_cast<double>(load.amount));
    while (true) {
        const auto now = now_us();
        bool over = now >= until;
        switch (load.kind) {
            case GreetingLoad::Kind::pace:
                over = books.said() == wanted;
                while (books.said() < wanted && !mouth.full()) {
                    const auto due =
                        began + static_cast<std::int64_t>(books.said() * 1'000'000 / amount);
                    if (due > now) break;
                    say(now_us() - due);
                }
                break;
            case GreetingLoad::Kind::flight:
                while (!over && books.waiting() < amount && !mouth.full()) say(0);
                break;
            case GreetingLoad::Kind::single:
                if (!over && books.all_done() && mouth.under_way() == 0 &&
                    now - last_news > kQuietUs)
                    say(0);
                break;
        }
        mouth.serve(1);
        read_record();
        if (over && books.all_done() && mouth.under_way() == 0) break;
        if (over && now_us() - last_news > kSilenceUs) break;
    }
    const auto done = now_us();
    while (now_us() < done + kSecondAnswerUs) {
        sleep_until_us(now_us() + 50'000);
        read_record();
    }
    auto outcome = books.outcome();
    outcome.refused = mouth.refused() + mouth.under_way();
    return outcome;
}

}  // namespace flowstack::bench
