#pragma once

#include <list>
#include <map>

#include "common/eventlog/folds.h"
#include "services/campaign/adapters/codec.h"

// The consumer's shards. An outcome concerns one member of many thousands, so the fold is kept in
// place and only that member is handed out; eventlog::Folds would copy the shard for every outcome.
// One thread.
namespace flowstack::campaign {

class ShardBook {
public:
    // Keeps at most `shards_max` shards, the last used ones.
    explicit ShardBook(eventlog::Store& store, std::size_t shards_max = 256)
        : store_(store), shards_max_(shards_max) {}

    // The shard with no other member than this one, as the batch sees it: committed, and what it
    // has decided before.
    eventlog::Folded<Shard> about(const eventlog::StreamName& stream, const CustomerId& customer_id,
                                  const eventlog::Turn& turn);

private:
    struct Entry {
        eventlog::Folded<Shard> folded;
        std::list<eventlog::StreamName>::iterator place;
    };
    const eventlog::Folded<Shard>& committed(const eventlog::StreamName& stream);

    eventlog::Store& store_;
    std::size_t shards_max_;
    std::map<eventlog::StreamName, Entry> shards_;
    std::list<eventlog::StreamName> used_;  // the latest first
};

}  // namespace flowstack::campaign
