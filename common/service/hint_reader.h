#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/eventlog/consumption.h"
#include "common/rpc/channel.h"

namespace flowstack::service {

// Follows the logs of other services: one stream to each replica of each, EventLog.Follow. What it
// hears are hints (common/eventlog/followers.h): while a stream is down, nothing is missed but
// time.
class HintReader {
public:
    struct Source {
        std::string service;
        std::string address;  // as for rpc::make_channel; followed is every address it resolves to
        rpc::ChannelOptions reach = {};  // what shows it who we are
        // Types of events that are told at once, FollowRequest.awaited_types. None: all are.
        std::set<std::string> awaited = {};
    };
    struct Options {
        std::string reader;  // the name of this service
        std::vector<Source> sources;
        // A name is looked up again so often: replicas come and go.
        std::chrono::milliseconds resolve_every{10'000};
    };
    // Called on the threads of the streams, with the records of one replica in order.
    using Listener = std::function<void(std::vector<eventlog::BusRecord>)>;

    HintReader(Options options, Listener listener);
    ~HintReader();

    void start();
    void stop();

    // Streams that are open now.
    int streams(const std::string& service) const;
    // Whether there is one to each replica of the service that is known.
    bool complete(const std::string& service) const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

// The addresses that `address` stands for, each as rpc::make_channel takes it. Empty when the name
// cannot be looked up. May wait for a name server.
std::vector<std::string> each_address(const std::string& address);

}  // namespace flowstack::service
