#include "services/sandbox/sandbox.h"

#include <algorithm>
#include <memory>

#include "services/sandbox/signing.h"

namespace flowstack::sandbox {
namespace {

std::vector<std::string> split(const std::string& path) {
    std::vector<std::string> parts;
    std::size_t from = 1;
    while (from < path.size()) {
        const auto to = std::min(path.find('/', from), path.size());
        parts.push_back(path.substr(from, to - from));
        from = to + 1;
    }
    return parts;
}

bool is_graph_version(const std::string& part) {
    if (part.size() < 4 || part[0] != 'v') return false;
    const auto dot = part.find('.');
    const auto digits = [](std::string_view text) {
        return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
    };
    return dot != std::string::npos && digits(std::string_view{part}.substr(1, dot - 1)) &&
           digits(std::string_view{part}.substr(dot + 1));
}

}  // namespace

Sandbox::Sandbox(World& world, Record& record) : world_(world), record_(record) {
    // Safaricom's public test number never answers.
    state_.payers["default"] = {};
    state_.payers["254708374149"].behaviour = "no_answer";
    // Receipts never repeat on one day, not even after a restart: a product that remembers the
    // earlier ones would take a new payment for an old one. A millisecond is more than one receipt
    // takes.
    const auto now = world_.now();
    state_.receipts =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                       now - std::chrono::floor<std::chrono::days>(now))
                                       .count());
}

void Sandbox::handle(Call call, Answer answer) {
    run([&](Effects& fx) {
        const Path path = split(call.path);
        if (!path.empty() && path[0] == "control") {
            control(call, path, answer, fx);
        } else if (!path.empty() && (path[0] == "oauth" || path[0] == "mpesa")) {
            daraja(call, path, answer, fx);
        } else if (!path.empty() && path[0] == "v1") {
            stripe(call, path, answer, fx);
        } else if (path.size() >= 3 && path[0] == "c" && path[1] == "pay") {
            stripe_page(call, path, answer, fx);
        } else if (path.size() == 3 && path[0] == "media_content") {
            media_content(call, path, answer, fx);
        } else if (path.size() == 3 && path[0] == "media_store") {
            twilio_store(call, path, answer, fx);
        } else if (!path.empty() && path[0] == "2010-04-01") {
            twilio(call, path, answer, fx);
        } else if (path.size() >= 2 && is_graph_version(path[0])) {
            graph(call, path, answer, fx);
        } else {
            reply(fx, answer,
                  {404, compact(json::object{{"error", "no provider has this path"},
                                             {"paths",
                                              "/v{N}.{M}/…  /2010-04-01/Accounts/…  "
                                              "/oauth/v1/generate  /mpesa/…  /v1/checkout/…  "
                                              "/control/…  /"}})});
        }
    });
}

void Sandbox::run(const std::function<void(Effects&)>& step) {
    Effects fx;
    {
        const std::lock_guard lock{mutex_};
        step(fx);
    }
    for (auto& effect : fx) effect();
}

void Sandbox::later(Effects& fx, Milliseconds delay, std::function<void(Effects&)> step) {
    fx.emplace_back([this, delay, step = std::move(step)] {
        world_.after(delay, [this, step] { run(step); });
    });
}

void Sandbox::post(Effects& fx, Outgoing what, std::function<void(PostResult, Effects&)> step) {
    fx.emplace_back([this, what = std::move(what), step = std::move(step)] {
        world_.post(what, [this, step](PostResult result) {
            run([&](Effects& inner) { step(std::move(result), inner); });
        });
    });
}

void Sandbox::reply(Effects& fx, const Answer& answer, Reply what, Milliseconds delay) {
    fx.emplace_back([this, answer, what = std::move(what), delay] {
        if (delay.count() == 0) {
            answer(what);
        } else {
            world_.after(delay, [answer, what] { answer(what); });
        }
    });
}

void Sandbox::note(Effects& fx, std::string kind, json::object what) {
    record_.write(world_.now(), std::move(kind), std::move(what));
    wake(fx);
}

void Sandbox::wait(Milliseconds at_most, std::function<std::optional<std::string>(bool)> ready,
                   const Answer& answer, Effects& fx) {
    const bool now_or_never = at_most.count() == 0 || waiters_.size() >= kWaitersMax;
    if (auto body = ready(now_or_never)) {
        reply(fx, answer, {200, std::move(*body)});
        return;
    }
    const std::uint64_t id = ++last_waiter_;
    waiters_.push_back({id, std::move(ready), answer});
    later(fx, std::min(at_most, kLongPollMax), [this, id](Effects& inner) {
        const auto it = std::find_if(waiters_.begin(), waiters_.end(),
                                     [&](const Waiter& waiter) { return waiter.id == id; });
        if (it == waiters_.end()) return;
        Waiter waiter = std::move(*it);
        waiters_.erase(it);
        reply(inner, waiter.answer, {200, waiter.ready(true).value_or("{}")});
    });
}

void Sandbox::wake(Effects& fx) {
    std::erase_if(waiters_, [&](Waiter& waiter) {
        auto body = waiter.ready(false);
        if (!body) return false;
        reply(fx, waiter.answer, {200, std::move(*body)});
        return true;
    });
}

std::string Sandbox::random_text(std::size_t size, std::string_view alphabet) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) text += alphabet[world_.random() % alphabet.size()];
    return text;
}

std::string Sandbox::new_wamid(const std::string& phone) {
    // A user id as opaque as the real ones: base64 with '=', '/' and '+' in it.
    std::string bytes = "\x1d\x18\x0c" + phone + "\x15\x02" + std::to_string(++state_.sequence);
    for (int i = 0; i < 12; ++i) bytes += static_cast<char>(world_.random() & 0xFFU);
    return "wamid." + base64(bytes);
}

std::string Sandbox::new_request_id() {
    constexpr std::string_view kHex = "0123456789abcdef";
    return random_text(4, kHex) + "-" + random_text(4, kHex) + "-" + random_text(4, kHex) + "-" +
           random_text(18, kHex);
}

}  // namespace flowstack::sandbox
