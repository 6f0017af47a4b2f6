#pragma once

#include <algorithm>
#include <list>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/eventlog/store.h"
#include "common/eventlog/turn.h"
#include "common/observability/span.h"

// The fold of a stream, cached. The cache is only a head start: the tail is always read, so an
// answer is never older than the moment it was asked for.
//
//   struct Codec {
//       using State = …;  // default-constructed = the stream does not exist
//       // Throws CorruptStream for an unknown type or an impossible history.
//       static State evolve(State state, const std::string& type, const std::string& payload, Time
//       occurred_at);
//   };
//
// Thread-safe. Bounded: the least recently used entry goes.
namespace flowstack::eventlog {

template <class State>
struct Folded {
    State state{};
    std::int64_t version = 0;
    // The place of the stream's last event, and the correlation id of its first one: the cause of a
    // decision that no event asks for (a send, a timer).
    Position last{};
    std::string correlation_id{};
    // Of the last event, while spans are recorded: what such a decision is a part of.
    std::string traceparent{};

    // What the next part of this stream expects: kCreate for a new one.
    std::int64_t expected() const { return version; }
};

template <class Codec>
class Folds {
public:
    using State = typename Codec::State;

    explicit Folds(Store& store, std::size_t entries_max = 10'000)
        : store_(store), entries_max_(entries_max) {}

    // Reads these together, so that the turns of this batch need not ask the store one by one.
    std::vector<Folded<State>> read_ahead(std::span<const StreamName> streams, Pending& pending) {
        if (streams.empty()) return {};
        auto folded = load_all(streams);
        for (std::size_t i = 0; i < streams.size(); ++i)
            pending.streams_read[stream_id(streams[i])] = folded[i].version;
        return folded;
    }

    // The state as it is committed.
    Folded<State> load(const StreamName& stream) { return load(stream, stream_id(stream)); }

    // The state after event `version`, whatever came later.
    Folded<State> load_at(const StreamName& stream, std::int64_t version) {
        Folded<State> folded;
        for (const auto& event : store_.read_stream(stream)) {
            if (event.version > version) break;
            folded.state = Codec::evolve(std::move(folded.state), event.type, event.payload,
                                         event.occurred_at);
            folded.version = event.version;
            folded.last = event.where();
        }
        return folded;
    }

    // Several states, by one query.
    std::vector<Folded<State>> load_all(std::span<const StreamName> streams) {
        std::vector<Store::StreamTail> tails;
        auto folded = heads(streams, tails);
        follow_all(streams, folded, store_.read_streams(tails));
        return folded;
    }

    // The state as this process has last read it, without asking the store: others may have written
    // since. For those whose append expects its version. Nothing when it is not remembered.
    std::optional<Folded<State>> remembered(const StreamName& stream) {
        auto folded = cached(stream_id(stream));
        if (folded.version == 0) return std::nullopt;
        return folded;
    }

    // The state as this batch of consumed events sees it, with what it has decided so far.
    Folded<State> load(const StreamName& stream, Turn& turn) {
        const auto id = stream_id(stream);
        auto& read = turn.pending().streams_read;
        Folded<State> folded;
        // This batch has read the stream before; the append finds out what others appended since.
        if (const auto known = read.find(id); known != read.end()) {
            if (known->second > 0) folded = cached(id);
            if (folded.version < known->second) folded = load(stream, id);
        } else {
            folded = load(stream, id);
        }
        read[id] = folded.version;
        for (const auto& event : turn.pending().events(stream)) {
            folded.state = Codec::evolve(std::move(folded.state), event.type, event.payload,
                                         event.occurred_at);
            ++folded.version;
        }
        return folded;
    }

private:
    template <class First, class Second>
    friend auto load_both(Store&, Folds<First>&, std::span<const StreamName>, Folds<Second>&,
                          std::span<const StreamName>);

    Folded<State> load(const StreamName& stream, const Uuid& id) {
        Folded<State> folded = cached(id);
        follow(id, folded, store_.read_stream(stream, folded.version + 1));
        return folded;
    }

    // What the cache knows of these streams, and which tails are missing.
    std::vector<Folded<State>> heads(std::span<const StreamName> streams,
                                     std::vector<Store::StreamTail>& tails) {
        std::vector<Folded<State>> folded;
        for (const auto& stream : streams) {
            folded.push_back(cached(stream_id(stream)));
            tails.push_back({stream, folded.back().version + 1});
        }
        return folded;
    }

    void follow_all(std::span<const StreamName> streams, std::vector<Folded<State>>& folded,
                    std::span<const std::vector<Recorded>> tails) {
        for (std::size_t i = 0; i < streams.size(); ++i)
            follow(stream_id(streams[i]), folded[i], tails[i]);
    }

    void follow(const Uuid& id, Folded<State>& folded, const std::vector<Recorded>& tail) {
        for (const auto& event : tail) {
            folded.state = Codec::evolve(std::move(folded.state), event.type, event.payload,
                                         event.occurred_at);
            folded.version = event.version;
        }
        if (tail.empty()) return;
        folded.last = tail.back().where();
        if (trace::on()) folded.traceparent = tail.back().meta.traceparent;
        if (const auto& first = tail.front(); first.version == 1)
            folded.correlation_id = first.meta.correlation_id.empty() ? first.event_id.text()
                                                                      : first.meta.correlation_id;
        keep(id, folded);
    }

    struct Entry {
        Uuid id;
        Folded<State> folded;
    };

    Folded<State> cached(const Uuid& id) {
        const std::lock_guard lock(mutex_);
        const auto found = index_.find(id);
        if (found == index_.end()) return {};
        recent_.splice(recent_.begin(), recent_, found->second);
        return found->second->folded;
    }

    void keep(const Uuid& id, const Folded<State>& folded) {
        const std::lock_guard lock(mutex_);
        if (const auto found = index_.find(id); found != index_.end()) {
            if (found->second->folded.version < folded.version) found->second->folded = folded;
            recent_.splice(recent_.begin(), recent_, found->second);
            return;
        }
        recent_.push_front({id, folded});
        index_[id] = recent_.begin();
        if (index_.size() > entries_max_) {
            index_.erase(recent_.back().id);
            recent_.pop_back();
        }
    }

    Store& store_;
    std::size_t entries_max_;
    std::mutex mutex_;
    std::list<Entry> recent_;
    std::unordered_map<Uuid, typename std::list<Entry>::iterator> index_;
};

// Several states of two kinds of stream, by one query: a pair of vectors.
template <class First, class Second>
auto load_both(Store& store, Folds<First>& first, std::span<const StreamName> first_streams,
               Folds<Second>& second, std::span<const StreamName> second_streams) {
    std::vector<Store::StreamTail> tails;
    auto a = first.heads(first_streams, tails);
    auto b = second.heads(second_streams, tails);
    const auto read = store.read_streams(tails);
    const std::span all(read);
    first.follow_all(first_streams, a, all.first(first_streams.size()));
    second.follow_all(second_streams, b, all.subspan(first_streams.size()));
    return std::pair(std::move(a), std::move(b));
}

}  // namespace flowstack::eventlog
