#include "services/gateway/dispatch/channel_queue.h"

#include <algorithm>

namespace flowstack::gateway {
namespace {

using resilience::CircuitBreaker;
using resilience::Duration;
using resilience::Gcra;
using resilience::GcraLimit;

// The fullest second holds a burst and an even pace behind it: rate + burst - 1 messages. That may
// not exceed per_second, however little of it is kept for inbound messages.
GcraLimit number_limit(const ChannelLimits& limits) {
    const int share = std::max(1, limits.per_second - limits.inbound_headroom_per_second);
    const int burst = std::max(1, share / 4);
    const int rate = std::clamp(limits.per_second - burst + 1, 1, share);
    return {static_cast<double>(rate), burst};
}

// When to look again at what has to wait: a millisecond later than it says, so that it may go then.
Duration rounded_up(Duration wait) {
    const auto bounded = std::min<Duration>(wait, std::chrono::seconds(60));
    return std::chrono::ceil<std::chrono::milliseconds>(bounded) + std::chrono::milliseconds(1);
}

}  // namespace

ChannelQueue::ChannelQueue(QueueOptions options, const ChannelLimits& limits)
    : options_(options),
      limits_(limits),
      number_(number_limit(limits)),
      wire_(number_limit(limits)),
      pairs_checked_at_(options.pairs_max),
      breaker_(options.breaker) {}

void ChannelQueue::set_limits(const ChannelLimits& limits) {
    if (limits == limits_) return;
    limits_ = limits;
    number_ = Gcra(number_limit(limits));
    wire_ = Gcra(number_limit(limits));
    pairs_.clear();
}

// ---------------------------------------------------------------- rows

int ChannelQueue::room(int priority) const {
    const int room = options_.rows_max - static_cast<int>(rows_[index(priority)].size());
    return room < (options_.rows_max + 1) / 2 ? 0 : room;
}

const std::set<MessageId>& ChannelQueue::rows(int priority) const { return rows_[index(priority)]; }

std::size_t ChannelQueue::rows() const {
    std::size_t count = 0;
    for (const auto& rows : rows_) count += rows.size();
    return count;
}

void ChannelQueue::add(Row row) {
    if (!rows_[index(row.priority)].insert(row.message_id).second) return;
    auto& its_chat = chat(row.customer_id, row.priority);
    const bool awaited = its_chat.awaited == row.message_id;
    if (awaited) {
        its_chat.awaited = {};
        its_chat.blocked_until = {};
    }
    // A retry is due later than what was queued after it, and still comes first.
    if (awaited || row.tried_before)
        its_chat.waiting.push_front(std::move(row));
    else
        its_chat.waiting.push_back(std::move(row));
}

void ChannelQueue::await(const CustomerId& customer_id, int priority, const MessageId& message_id,
                         Duration wait, Instant now) {
    auto& its_chat = chat(customer_id, priority);
    its_chat.awaited = message_id;
    its_chat.blocked_until = now + std::max(wait, Duration(0)) + kChatPatience;
}

void ChannelQueue::forget_waiting() {
    for (auto& chats : chats_) {
        for (auto& [customer, its_chat] : chats) {
            for (const auto& row : its_chat.waiting)
                rows_[index(row.priority)].erase(row.message_id);
            its_chat.waiting.clear();
        }
        std::erase_if(chats, [](const auto& entry) {
            return !entry.second.busy && entry.second.entering == 0;
        });
    }
    for (const auto& [message_id, until] : resting_)
        for (auto& rows : rows_) rows.erase(message_id);
    resting_.clear();
    begin_again_ = Instant::max();
    for (auto& table : tables_) ++table.put;
}

ChannelQueue::Chat& ChannelQueue::chat(const CustomerId& customer_id, int priority) {
    return chats_[index(priority)][customer_id];
}

// A row that has rested may be fetched from the table again.
void ChannelQueue::release_rested(Instant now) {
    for (auto rest = resting_.begin(); rest != resting_.end();) {
        if (rest->second > now) {
            begin_again_ = std::min(begin_again_, rest->second);
            ++rest;
            continue;
        }
        for (int priority = 0; priority < kPriorities; ++priority)
            if (rows_[index(priority)].erase(rest->first) > 0) ++tables_[index(priority)].put;
        rest = resting_.erase(rest);
    }
}

// ---------------------------------------------------------------- what begins

std::vector<ChannelQueue::Row> ChannelQueue::begin(Instant now) {
    begin_again_ = Instant::max();
    release_rested(now);
    std::vector<Row> begun;
    if (suspended_) return begun;
    for (int priority = 0; priority < kPriorities; ++priority) {
        auto& chats = chats_[index(priority)];
        for (auto next = chats.begin(); next != chats.end();) {
            const auto current = next++;
            const auto& customer_id = current->first;
            auto& its_chat = current->second;
            if (its_chat.busy) continue;
            if (its_chat.waiting.empty()) {
                if (its_chat.blocked_until <= now && its_chat.entering == 0) chats.erase(current);
                continue;
            }
            if (its_chat.blocked_until > now) {
                begin_again_ = std::min(begin_again_, its_chat.blocked_until);
                continue;
            }
            if (const auto until = held_until(customer_id, priority, now); until > now) {
                begin_again_ = std::min(begin_again_, until);
                continue;
            }
            if (in_flight() >= options_.in_flight_max) return begun;
            const auto may = permission(customer_id, now);
            if (!may.ticket) {
                begin_again_ = std::min(begin_again_, now + may.wait);
                if (may.whole_number) return begun;
                continue;
            }
            auto row = std::move(its_chat.waiting.front());
            its_chat.waiting.pop_front();
            its_chat.busy = true;
            in_flight_[row.message_id] = {customer_id, row.priority, may.ticket};
            begun.push_back(std::move(row));
        }
    }
    return begun;
}

ChannelQueue::Permission ChannelQueue::permission(const CustomerId& customer_id, Instant now) {
    if (const auto wait = breaker_.retry_after(now); wait > Duration(0))
        return {std::nullopt, rounded_up(wait), true};
    if (const auto number = number_.peek(now); !number)
        return {std::nullopt, rounded_up(number.retry_after), true};
    auto& its_pair = pair(customer_id, now);
    if (const auto verdict = its_pair.peek(now); !verdict)
        return {std::nullopt, rounded_up(verdict.retry_after), false};
    const auto ticket = breaker_.ask(now);
    if (!ticket) return {std::nullopt, rounded_up(breaker_.retry_after(now)), true};
    number_.take(now);
    its_pair.take(now);
    return {ticket, {}, false};
}

Gcra& ChannelQueue::pair(const CustomerId& customer_id, Instant now) {
    // Those who have rested have their whole burst again, as somebody who is new.
    if (pairs_.size() > pairs_checked_at_) {
        std::erase_if(pairs_, [&](const auto& pair) { return pair.second.rested(now); });
        // The next look comes after as many more, so that its cost stays small for each of them.
        pairs_checked_at_ = std::max(options_.pairs_max, 2 * pairs_.size());
    }
    const GcraLimit limit{1.0 / std::max(1, limits_.pair_interval_seconds),
                          std::max(1, limits_.pair_burst)};
    return pairs_.try_emplace(customer_id, limit).first->second;
}

// ---------------------------------------------------------------- the table

void ChannelQueue::row_put(int priority, Instant due_at, Instant now) {
    auto& table = tables_[index(priority)];
    if (due_at <= now)
        ++table.put;
    else
        table.next_due = std::min(table.next_due, due_at);
}

bool ChannelQueue::must_read(int priority, Instant now) const {
    const auto& table = tables_[index(priority)];
    return table.put != table.read || !table.all || table.next_due <= now;
}

void ChannelQueue::was_read(int priority, std::uint64_t begun, Instant asked_at, bool all,
                            Instant next_due) {
    auto& table = tables_[index(priority)];
    // A row that was put meanwhile, to be due later, may be missing in the answer.
    const bool nothing_new = table.next_due <= asked_at || table.next_due >= next_due;
    table.read = begun;
    table.all = all;
    table.read_at = asked_at;
    if (nothing_new) table.next_due = next_due;
}

// ---------------------------------------------------------------- what is being queued

std::optional<ChannelQueue::Way> ChannelQueue::enter(const Row& row, bool may_leave,
                                                     Instant known_since, Instant searched_at,
                                                     Instant now) {
    if (entering_.contains(row.message_id)) return std::nullopt;
    auto& entering = entering_[row.message_id];
    entering = {row.customer_id, row.priority, Way::queue};
    if (may_leave && !suspended_ && !refused_.contains(row.message_id) &&
        in_flight() < options_.in_flight_max &&
        !others_go_first(row, known_since, searched_at, now)) {
        if (const auto may = permission(row.customer_id, now); may.ticket) {
            entering.way = Way::at_once;
            chat(row.customer_id, row.priority).busy = true;
            rows_[index(row.priority)].insert(row.message_id);
            in_flight_[row.message_id] = {row.customer_id, row.priority, may.ticket};
            return Way::at_once;
        }
    }
    ++chat(row.customer_id, row.priority).entering;
    return Way::queue;
}

ChannelQueue::Instant ChannelQueue::held_until(const CustomerId& customer_id, int priorities,
                                               Instant now) const {
    Instant until{};
    for (int priority = 0; priority < priorities; ++priority) {
        const auto& chats = chats_[index(priority)];
        const auto found = chats.find(customer_id);
        if (found == chats.end()) continue;
        const auto& c = found->second;
        if (c.busy || c.entering > 0) return Instant::max();  // its end is an event of its own
        if (c.blocked_until > now)
            until = std::max(until, c.blocked_until);
        else if (!c.waiting.empty())
            return Instant::max();
    }
    return until;
}

bool ChannelQueue::others_go_first(const Row& row, Instant known_since, Instant searched_at,
                                   Instant now) const {
    if (rows_[index(row.priority)].contains(row.message_id)) return true;
    if (held_until(row.customer_id, row.priority + 1, now) > now) return true;
    for (int priority = 0; priority <= row.priority; ++priority) {
        const auto& table = tables_[index(priority)];
        if (must_read(priority, now) || std::max(table.read_at, searched_at) <= known_since)
            return true;
        for (const auto& [customer, c] : chats_[index(priority)])
            if (!c.busy && !c.waiting.empty() && c.blocked_until <= now) return true;
    }
    return false;
}

bool ChannelQueue::entered(const MessageId& message_id, bool written, Instant now) {
    const auto found = entering_.extract(message_id);
    if (!found) return false;
    const auto& [customer_id, priority, way] = found.mapped();
    if (written) {
        refused_.erase(message_id);
    } else {
        if (refused_.size() >= options_.refused_max) refused_.clear();
        refused_.insert(message_id);
    }
    if (way == Way::queue) {
        --chat(customer_id, priority).entering;
        if (written) row_put(priority, now, now);
    } else {
        if (written) {
            announce(message_id);
            return true;
        }
        land(message_id);
        rows_[index(priority)].erase(message_id);
    }
    forget_if_empty(customer_id, priority, now);
    return false;
}

void ChannelQueue::wait_for_row(const CustomerId& customer_id, int priority,
                                const MessageId& message_id, Instant now) {
    await(customer_id, priority, message_id, Duration(0), now);
    row_put(priority, now, now);
}

void ChannelQueue::forget_if_empty(const CustomerId& customer_id, int priority, Instant now) {
    auto& chats = chats_[index(priority)];
    const auto found = chats.find(customer_id);
    if (found == chats.end()) return;
    const auto& c = found->second;
    if (!c.busy && c.entering == 0 && c.waiting.empty() && c.blocked_until <= now)
        chats.erase(found);
}

// ---------------------------------------------------------------- what is called

void ChannelQueue::announce(const MessageId& message_id) {
    const auto found = in_flight_.find(message_id);
    if (found == in_flight_.end()) return;
    announced_.emplace(found->second.priority, message_id);
}

std::vector<MessageId> ChannelQueue::call(Instant now) {
    call_again_ = Instant::max();
    std::vector<MessageId> called;
    while (!announced_.empty()) {
        if (const auto verdict = wire_.take(now); !verdict) {
            call_again_ = now + std::chrono::ceil<std::chrono::milliseconds>(verdict.retry_after);
            break;
        }
        const auto first = announced_.begin();
        called.push_back(first->second);
        announced_.erase(first);
    }
    return called;
}

ChannelQueue::Instant ChannelQueue::look_again() const {
    return std::min(begin_again_, call_again_);
}

// ---------------------------------------------------------------- what became of it

void ChannelQueue::answered(const MessageId& message_id, bool provider_is_ill, Instant now) {
    const auto found = in_flight_.find(message_id);
    if (found == in_flight_.end() || !found->second.ticket) return;
    const auto ticket = *found->second.ticket;
    found->second.ticket.reset();
    if (provider_is_ill)
        breaker_.failed(ticket, now);
    else
        breaker_.succeeded(ticket, now);
}

void ChannelQueue::slow_down(Instant now) {
    number_.block_until(now + kTooFastPause);
    wire_.block_until(now + kTooFastPause);
}

std::optional<ChannelQueue::InFlight> ChannelQueue::land(const MessageId& message_id) {
    const auto found = in_flight_.find(message_id);
    if (found == in_flight_.end()) return std::nullopt;
    auto landed = std::move(found->second);
    in_flight_.erase(found);
    if (landed.ticket) breaker_.abandoned(*landed.ticket);
    chat(landed.customer_id, landed.priority).busy = false;
    return landed;
}

void ChannelQueue::give_back(const MessageId& message_id, Duration wait, bool keeps_place,
                             Instant now) {
    const auto landed = land(message_id);
    if (!landed) return;
    resting_[message_id] = now + wait;
    if (keeps_place) await(landed->customer_id, landed->priority, message_id, wait, now);
}

void ChannelQueue::finish(const MessageId& message_id, std::optional<Duration> retry_in,
                          Instant now) {
    const auto landed = land(message_id);
    if (!landed) return;
    rows_[index(landed->priority)].erase(message_id);
    if (retry_in && *retry_in < kChatWaitMax)
        await(landed->customer_id, landed->priority, message_id, *retry_in, now);
}

bool ChannelQueue::idle() const {
    return in_flight_.empty() && resting_.empty() && announced_.empty() &&
           std::ranges::all_of(chats_, [](const auto& chats) { return chats.empty(); });
}

}  // namespace flowstack::gateway
