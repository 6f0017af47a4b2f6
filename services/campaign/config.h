#pragma once

#include <chrono>
#include <cstddef>

namespace flowstack::config {
class Reader;
}

namespace flowstack::campaign {

// campaign's own settings; those that every service has are the host's.
struct Config {
    // Members in one MembersFrozen; an event must stay below the bus's limit.
    std::size_t chunk_members_max = 2000;
    // An inbound message is taken for a reply to a campaign that reached its sender within this.
    std::chrono::milliseconds reply_window{std::chrono::hours{72}};
    // After a cancellation: recipients of whom gateway says nothing for so long end as unknown.
    std::chrono::milliseconds settle_after{std::chrono::minutes{10}};
};

Config campaign_config(config::Reader& reader);

}  // namespace flowstack::campaign
