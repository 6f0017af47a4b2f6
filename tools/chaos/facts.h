#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

// What a checker may look at: the tables of the five logs as PostgreSQL holds them, and the
// sandbox's record. Plain data, so that a test can write a small world by hand and tamper with it.
//
// Nothing here comes from services/ or common/: what the product gets wrong must not hide behind
// the same mistake in its judge.
namespace flowstack::chaos {

struct Event {
    std::string service;
    int lane = 0;
    std::int64_t position = 0;
    std::string stream;  // hex
    std::int64_t version = 0;
    std::string event_id;  // hex
    std::string tenant;
    std::string category;
    std::string key;
    std::string type;  // full name of the payload's message
    std::int64_t recorded_at_us = 0;
    std::string routing_kind;
    std::string routing_key;
    std::string payload;

    // "IntentPaid" of "flowstack.payment.v1.IntentPaid".
    std::string short_type() const { return type.substr(type.rfind('.') + 1); }
};

struct Claim {
    std::string id;  // hex
    std::string scope;
    std::string kind;
    std::string key;
    std::string holder;  // hex of the stream
};

struct Parked {
    std::string service;
    std::string source;
    int lane = 0;
    std::int64_t position = 0;
    std::string routing_key;
    std::string reason;
};

struct Cursor {
    std::string service;
    std::string source;
    int lane = 0;
    std::int64_t position = 0;
};

// One service's tables beside its events.
struct Tables {
    std::map<int, std::int64_t> lanes;          // head of each lane
    std::map<int, std::int64_t> published;      // lane_relay
    std::map<std::string, std::int64_t> heads;  // stream → version
    std::vector<Claim> claims;
    // (kind, due in us) of what waits to be done.
    std::vector<std::pair<std::string, std::int64_t>> work;
};

// A journey, as the player of the customer says it ended.
struct Chat {
    std::string phone;  // digits
    std::string phone_number_id;
    std::string kind;
    bool ended = false;
    std::string expected;  // words that the last step waited for
};

struct Facts {
    std::vector<Event> events;  // by service, lane, position
    std::map<std::string, Tables> tables;
    std::vector<Parked> parked;
    std::vector<Cursor> cursors;
    std::vector<boost::json::value> record;  // the sandbox's lines, by n
    std::vector<Chat> chats;
    std::int64_t now_us = 0;
};

// One document of a read model: what lists show of it.
using Documents = std::map<std::tuple<std::string, std::string, std::string, std::string>,
                           std::string>;  // service, tenant, kind, id → everything else

}  // namespace flowstack::chaos
