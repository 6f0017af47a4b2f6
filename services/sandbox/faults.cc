#include "services/sandbox/faults.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string_view>

namespace flowstack::sandbox {
namespace {

constexpr std::int64_t kDelayMsMax = 24LL * 3600 * 1000;
constexpr int kDuplicatesMax = 100;

// Reads members of one object and remembers the first mistake.
class Reader {
public:
    Reader(const json::object& object, std::string path, std::string& mistake,
           std::initializer_list<std::string_view> known)
        : object_(object), path_(std::move(path)), mistake_(mistake) {
        for (const auto& [name, value] : object) {
            const std::string_view key{name.data(), name.size()};
            if (std::find(known.begin(), known.end(), key) == known.end()) {
                fail(key, "is not a known knob");
            }
        }
    }

    const json::value* get(std::string_view name) const {
        return object_.if_contains({name.data(), name.size()});
    }
    std::string text(std::string_view name) {
        const auto* value = get(name);
        if (value == nullptr) return {};
        const auto found = scalar_text(value);
        if (!found) fail(name, "must be a string");
        return found.value_or("");
    }
    std::string one_of(std::string_view name, std::initializer_list<std::string_view> allowed) {
        const std::string found = text(name);
        if (!found.empty() && std::find(allowed.begin(), allowed.end(), found) == allowed.end()) {
            fail(name, "\"" + found + "\" is not allowed here");
        }
        return found;
    }
    std::int64_t number(std::string_view name, std::int64_t otherwise, std::int64_t max) {
        const auto* value = get(name);
        if (value == nullptr) return otherwise;
        if (!value->is_int64() || value->get_int64() < 0 || value->get_int64() > max) {
            fail(name, "must be a whole number from 0 to " + std::to_string(max));
            return otherwise;
        }
        return value->get_int64();
    }
    bool flag(std::string_view name) {
        const auto* value = get(name);
        if (value == nullptr) return false;
        if (!value->is_bool()) fail(name, "must be true or false");
        return value->is_bool() && value->get_bool();
    }
    const json::object* object(std::string_view name) {
        const auto* value = get(name);
        if (value == nullptr) return nullptr;
        if (!value->is_object()) {
            fail(name, "must be an object");
            return nullptr;
        }
        return &value->get_object();
    }
    void fail(std::string_view name, const std::string& why) {
        if (mistake_.empty()) mistake_ = path_ + std::string{name} + " " + why;
    }

private:
    const json::object& object_;
    std::string path_;
    std::string& mistake_;
};

FaultError read_error(const json::object& from, std::string& mistake) {
    Reader read{from, "effect.error.", mistake, {"code", "http", "message", "body"}};
    FaultError error;
    error.code = read.text("code");
    error.message = read.text("message");
    if (read.get("http") != nullptr) {
        error.http = static_cast<int>(read.number("http", 500, 599));
    }
    if (const auto* body = read.get("body")) {
        error.body = body->is_string() ? std::string{body->get_string()} : compact(*body);
    }
    if (error.code.empty() && !error.body) read.fail("code", "or body is required");
    return error;
}

StatusFault read_statuses(const json::object& from, std::string& mistake) {
    Reader read{from,
                "effect.statuses.",
                mistake,
                {"lose", "duplicates", "reverse", "before_answer", "delay_ms", "fail"}};
    StatusFault statuses;
    if (const auto* lose = read.get("lose")) {
        if (lose->is_bool()) {
            if (lose->get_bool()) statuses.lose = {"sent", "delivered", "read"};
        } else if (lose->is_array()) {
            for (const auto& name : lose->get_array()) {
                statuses.lose.insert(scalar_text(&name).value_or(""));
            }
        } else {
            read.fail("lose", "must be true or a list of statuses");
        }
    }
    statuses.duplicates = static_cast<int>(read.number("duplicates", 0, kDuplicatesMax));
    statuses.reverse = read.flag("reverse");
    statuses.before_answer = read.flag("before_answer");
    statuses.delay = Milliseconds{read.number("delay_ms", 0, kDelayMsMax)};
    if (read.get("fail") != nullptr) {
        statuses.fail = static_cast<int>(read.number("fail", 131000, 10'000'000));
    }
    return statuses;
}

CallbackFault read_callback(const json::object& from, std::string& mistake) {
    Reader read{from,
                "effect.callback.",
                mistake,
                {"lose", "duplicates", "before_answer", "delay_ms", "amount", "receipt", "forge"}};
    CallbackFault callback;
    callback.lose = read.flag("lose");
    callback.duplicates = static_cast<int>(read.number("duplicates", 0, kDuplicatesMax));
    callback.before_answer = read.flag("before_answer");
    callback.delay = Milliseconds{read.number("delay_ms", 0, kDelayMsMax)};
    if (read.get("amount") != nullptr) {
        callback.amount = read.text("amount");
        if (callback.amount->find_first_not_of("0123456789.") != std::string::npos ||
            callback.amount->empty()) {
            read.fail("amount", "must be a number as text, e.g. \"1.00\"");
        }
    }
    if (read.get("receipt") != nullptr) callback.receipt = read.text("receipt");
    callback.forge = read.one_of("forge", {"unknown_checkout", "wrong_path", "wrong_signature",
                                           "old_signature", "no_signature"});
    return callback;
}

Effect read_effect(const json::object& from, std::string& mistake) {
    Reader read{
        from, "effect.", mistake, {"latency_ms", "cut", "error", "statuses", "callback", "payer"}};
    Effect effect;
    effect.latency = Milliseconds{read.number("latency_ms", 0, kDelayMsMax)};
    effect.cut = read.one_of("cut", {"before", "after"});
    if (const auto* error = read.object("error")) effect.error = read_error(*error, mistake);
    if (const auto* statuses = read.object("statuses")) {
        effect.statuses = read_statuses(*statuses, mistake);
    }
    if (const auto* callback = read.object("callback")) {
        effect.callback = read_callback(*callback, mistake);
    }
    effect.payer = read.text("payer");
    if (!effect.payer.empty() && !is_payer_behaviour(effect.payer)) {
        read.fail("payer", "must be manual, pay, cancel, insufficient, no_answer or wrong_pin");
    }
    return effect;
}

bool covers(const std::string& wanted, const std::string& actual) {
    return wanted.empty() || wanted == actual;
}

}  // namespace

bool is_payer_behaviour(const std::string& name) {
    constexpr std::array<std::string_view, 6> kKnown{"manual",       "pay",       "cancel",
                                                     "insufficient", "no_answer", "wrong_pin"};
    return std::find(kKnown.begin(), kKnown.end(), name) != kKnown.end();
}

std::variant<Fault, std::string> parse_fault(const json::value& document) {
    if (!document.is_object()) return std::string{"the body must be one JSON object"};
    std::string mistake;
    Reader read{document.get_object(),
                "",
                mistake,
                {"provider", "call", "number", "phone", "shortcode", "skip", "times", "effect"}};
    Fault fault;
    fault.target.provider = read.one_of("provider", {"meta", "twilio", "daraja", "stripe"});
    fault.target.call = read.one_of("call", {"messages", "templates", "media", "oauth", "stkpush",
                                             "stkquery", "sessions", "retrieve", "expire"});
    fault.target.number = read.text("number");
    fault.target.phone = read.text("phone");
    if (fault.target.phone.starts_with('+')) fault.target.phone.erase(0, 1);
    fault.target.shortcode = read.text("shortcode");
    fault.skip = static_cast<int>(read.number("skip", 0, 1'000'000));
    fault.times = static_cast<int>(read.number("times", 1, 1'000'000));
    if (fault.target.provider.empty())
        read.fail("provider", "is required: meta, twilio, daraja or stripe");
    if (const auto* effect = read.object("effect")) {
        fault.effect = read_effect(*effect, mistake);
    } else {
        read.fail("effect", "is required");
    }
    if (!mistake.empty()) return mistake;
    fault.written = document.get_object();
    return fault;
}

std::int64_t FaultTable::add(Fault fault) {
    fault.id = ++last_id_;
    faults_.push_back(std::move(fault));
    return last_id_;
}

bool FaultTable::remove(std::int64_t id) {
    return std::erase_if(faults_, [&](const Fault& fault) { return fault.id == id; }) > 0;
}

Effect FaultTable::take(const FaultTarget& call) {
    for (auto it = faults_.begin(); it != faults_.end(); ++it) {
        const FaultTarget& target = it->target;
        if (!covers(target.provider, call.provider) || !covers(target.call, call.call) ||
            !covers(target.number, call.number) || !covers(target.phone, call.phone) ||
            !covers(target.shortcode, call.shortcode)) {
            continue;
        }
        if (it->skip > 0) {
            --it->skip;
            continue;
        }
        Effect effect = it->effect;
        if (it->times == 1) {
            faults_.erase(it);
        } else if (it->times > 1) {
            --it->times;
        }
        return effect;
    }
    return {};
}

json::array FaultTable::list() const {
    json::array out;
    for (const Fault& fault : faults_) {
        json::object entry = fault.written;
        entry["id"] = fault.id;
        entry["times"] = fault.times;
        entry["skip"] = fault.skip;
        out.emplace_back(std::move(entry));
    }
    return out;
}

}  // namespace flowstack::sandbox
