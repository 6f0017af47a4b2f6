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

std::size_t at(int priority) { return static_cast<std::size_t>(priority); }

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
    const int room = options_.rows_max - static_cast<int>(rows_[at(priority)].size());
    return room < (options_.rows_max + 1) / 2 ? 0 : room;
}

const std::set<MessageId>& ChannelQueue::rows(int priority) const { return rows_[at(priority)]; }

std::size_t ChannelQueue::rows() const {
    std::size_t count = 0;
    for (const auto& rows : rows_) count += rows.size();
    return count;
}

void ChannelQueue::add(Row row) {
    if (!rows_[at(row.priority)].insert(row.message_id).second) return;
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
            for (const auto& row : its_chat.waiting) rows_[at(row.priority)].erase(row.message_id);
            its_chat.waiting.clear();
        }
        std::erase_if(chats, [](const auto& entry) { return !entry.second.busy; });
    }
    for (const auto& [message_id, until] : resting_)
        for (auto& rows : rows_) rows.erase(message_id);
    resting_.clear();
    begin_again_ = Instant::max();
}

ChannelQueue::Chat& ChannelQueue::chat(const CustomerId& customer_id, int priority) {
    return chats_[at(priority)][customer_id];
}

// A row that has rested may be fetched from the table again.
void ChannelQueue::release_rested(Instant now) {
    for (auto rest = resting_.begin(); rest != resting_.end();) {
        if (rest->second > now) {
            begin_again_ = std::min(begin_again_, rest->second);
            ++rest;
            continue;
        }
        for (auto& rows : rows_) rows.erase(rest->first);
        rest = resting_.erase(rest);
    }
}

// ---------------------------------------------------------------- what begins

std::vector<ChannelQueue::Row> ChannelQueue::begin(Instant now) {
    begin_again_ = Instant::max();
    release_rested(now);
    std::vector<Row> begun;
    if (suspended_) return begun;
    for (auto& chats : chats_) {
        for (auto next = chats.begin(); next != chats.end();) {
            const auto current = next++;
            const auto& customer_id = current->first;
            auto& its_chat = current->second;
            if (its_chat.busy) continue;
            if (its_chat.waiting.empty()) {
                if (its_chat.blocked_until <= now) chats.erase(current);
                continue;
            }
            if (its_chat.blocked_until > now) {
                begin_again_ = std::min(begin_again_, its_chat.blocked_until);
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
    rows_[at(landed->priority)].erase(message_id);
    if (retry_in && *retry_in < kChatWaitMax)
        await(landed->customer_id, landed->priority, message_id, *retry_in, now);
}

bool ChannelQueue::idle() const {
    return in_flight_.empty() && resting_.empty() && announced_.empty() &&
           std::ranges::all_of(chats_, [](const auto& chats) { return chats.empty(); });
}

}  // namespace flowstack::gateway
