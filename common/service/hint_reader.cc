#include "common/service/hint_reader.h"

#include <arpa/inet.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string_view>
#include <thread>
#include <utility>

#include "common/observability/log.h"
#include "common/rpc/channel.h"
#include "common/service/event_log_service.h"
#include "flowstack/common/v1/event_log.grpc.pb.h"

namespace flowstack::service {
namespace {

namespace v1 = common::v1;
using std::chrono::milliseconds;

// Every call needs a deadline. When it has passed, the next stream begins.
constexpr std::chrono::hours kStreamLife{1};
constexpr milliseconds kStreamRetryMin{100};
constexpr milliseconds kStreamRetryMax{5'000};
constexpr milliseconds kStreamPingEvery{10'000};  // servers allow one ping in 5 s

struct FreeAddresses {
    void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

std::unique_ptr<addrinfo, FreeAddresses> look_up(const std::string& host, int family, int flags) {
    addrinfo wanted{};
    wanted.ai_family = family;
    wanted.ai_socktype = SOCK_STREAM;
    wanted.ai_flags = flags;
    addrinfo* found = nullptr;
    if (getaddrinfo(host.c_str(), nullptr, &wanted, &found) != 0) return nullptr;
    return std::unique_ptr<addrinfo, FreeAddresses>(found);
}

std::string target_of(const addrinfo& found, const std::string& port) {
    std::array<char, NI_MAXHOST> host{};
    if (getnameinfo(found.ai_addr, found.ai_addrlen, host.data(), host.size(), nullptr, 0,
                    NI_NUMERICHOST) != 0)
        return {};
    const std::string text(host.data());
    return found.ai_family == AF_INET6 ? "ipv6:[" + text + "]:" + port
                                       : "ipv4:" + text + ":" + port;
}

// "host:port" or "dns:///host:port" in two, without the brackets of an IPv6 address. Empty for
// anything else.
std::pair<std::string, std::string> host_and_port(std::string_view address) {
    for (const std::string_view scheme : {"dns:///", "dns:"})
        if (address.starts_with(scheme)) {
            address.remove_prefix(scheme.size());
            break;
        }
    const auto colon = address.rfind(':');
    if (colon == std::string_view::npos) return {};
    const auto port = address.substr(colon + 1);
    if (port.empty() || port.find_first_not_of("0123456789") != std::string_view::npos) return {};
    auto host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    return {std::string(host), std::string(port)};
}

// Whether a name server must be asked what `address` stands for.
bool has_a_name(std::string_view address) {
    if (address.starts_with("ipv4:") || address.starts_with("ipv6:")) return false;
    const auto host = host_and_port(address).first;
    return !host.empty() && !look_up(host, AF_UNSPEC, AI_NUMERICHOST);
}

}  // namespace

std::vector<std::string> each_address(const std::string& address) {
    std::string_view rest = address;
    for (const std::string_view scheme : {"ipv4:", "ipv6:"}) {
        if (!rest.starts_with(scheme)) continue;
        rest.remove_prefix(scheme.size());
        std::vector<std::string> each;
        while (!rest.empty()) {
            const auto comma = std::min(rest.find(','), rest.size());
            each.push_back(std::string(scheme) + std::string(rest.substr(0, comma)));
            rest.remove_prefix(std::min(comma + 1, rest.size()));
        }
        return each;
    }
    const auto [host, port] = host_and_port(address);
    if (host.empty()) return {address};
    // One family only: a replica with an address of each would be followed twice.
    for (const int family : {AF_INET, AF_INET6}) {
        std::set<std::string> each;
        const auto found = look_up(host, family, 0);
        for (const auto* one = found.get(); one != nullptr; one = one->ai_next)
            if (auto target = target_of(*one, port); !target.empty())
                each.insert(std::move(target));
        if (!each.empty()) return {each.begin(), each.end()};
    }
    return {};
}

struct HintReader::State : std::enable_shared_from_this<HintReader::State> {
    struct Stream {
        Source source;  // the address is that of one replica
        std::thread thread{};
        bool ended = false;
        bool open = false;
        bool done = false;  // the thread ends
        grpc::ClientContext* calling = nullptr;
    };

    State(Options o, Listener l) : options(std::move(o)), listener(std::move(l)) {}

    // Begins and ends streams, so that there is one to each of these addresses.
    void follow_exactly(const Source& source, const std::vector<std::string>& addresses) {
        const std::lock_guard lock(mutex);
        if (stopping || addresses.empty()) return;
        std::erase_if(leaving, [](const auto& stream) {
            if (stream->done) stream->thread.join();
            return stream->done;
        });
        auto& known = streams[source.service];
        for (auto stream = known.begin(); stream != known.end();) {
            if (std::ranges::find(addresses, stream->first) != addresses.end()) {
                ++stream;
                continue;
            }
            end(*stream->second);
            leaving.push_back(std::move(stream->second));
            stream = known.erase(stream);
        }
        for (const auto& address : addresses) {
            auto& stream = known[address];
            if (stream) continue;
            auto replica = source;
            replica.address = address;
            stream = std::make_unique<Stream>(Stream{.source = std::move(replica)});
            stream->thread = std::thread([this, one = stream.get()] {
                follow(*one);
                const std::lock_guard ending(mutex);
                one->done = true;
            });
        }
        changed.notify_all();
    }

    // Under the mutex.
    static void end(Stream& stream) {
        stream.ended = true;
        if (stream.calling) stream.calling->TryCancel();
    }

    void follow(Stream& stream) {
        auto reach = stream.source.reach;
        reach.attempts_max = 1;
        reach.keepalive = kStreamPingEvery;
        reach.keepalive_timeout = kStreamPingEvery / 2;
        const auto stub =
            v1::EventLog::NewStub(rpc::make_channel(stream.source.address, std::move(reach)));
        auto retry_after = kStreamRetryMin;
        std::string said;
        while (true) {
            grpc::ClientContext context;
            context.set_wait_for_ready(true);
            rpc::set_timeout(context, kStreamLife);
            {
                const std::lock_guard lock(mutex);
                if (stopping || stream.ended) return;
                stream.calling = &context;
            }
            const auto status = read(*stub, context, stream);
            std::unique_lock lock(mutex);
            stream.calling = nullptr;
            if (stopping || stream.ended) return;
            if (std::exchange(stream.open, false)) {
                retry_after = kStreamRetryMin;
                said.clear();
            }
            if (const auto& why = status.error_message(); why != said) {
                log::info("no hints from a replica: its events come by the bus alone",
                          {{"source", stream.source.service},
                           {"address", stream.source.address},
                           {"why", why}});
                said = why;
            }
            changed.wait_for(lock, retry_after, [&] { return stopping || stream.ended; });
            retry_after = std::min(retry_after * 2, kStreamRetryMax);
        }
    }

    // Until the stream ends.
    grpc::Status read(v1::EventLog::Stub& stub, grpc::ClientContext& context, Stream& stream) {
        v1::FollowRequest request;
        request.set_reader(options.reader);
        for (const auto& type : stream.source.awaited) request.add_awaited_types(type);
        const auto reader = stub.Follow(&context, request);
        reader->WaitForInitialMetadata();
        if (context.GetServerInitialMetadata().contains(kFollowedHeader)) {
            const std::lock_guard lock(mutex);
            stream.open = true;
        }
        v1::FollowResponse response;
        while (reader->Read(&response)) {
            std::vector<eventlog::BusRecord> records;
            records.reserve(static_cast<std::size_t>(response.records_size()));
            for (auto& record : *response.mutable_records())
                records.push_back({.source = stream.source.service,
                                   .lane = record.lane(),
                                   .key = std::move(*record.mutable_key()),
                                   .value = std::move(*record.mutable_event()),
                                   .hint = true});
            listener(std::move(records));
        }
        return reader->Finish();
    }

    // A look-up may hang for longer than this process takes to start or to end, so nobody waits for
    // this thread: it holds what it uses, and does nothing once `stopping` is set.
    void look_up_again_and_again(const Source& source) {
        std::thread([self = shared_from_this(), source] {
            bool stop = false;
            while (!stop) {
                self->follow_exactly(source, each_address(source.address));
                std::unique_lock lock(self->mutex);
                stop = self->changed.wait_for(lock, self->options.resolve_every,
                                              [&] { return self->stopping; });
            }
        }).detach();
    }

    Options options;
    Listener listener;
    mutable std::mutex mutex;
    std::condition_variable changed;
    bool stopping = false;
    std::map<std::string, std::map<std::string, std::unique_ptr<Stream>>> streams;
    std::vector<std::unique_ptr<Stream>> leaving;  // ended, and joined when their threads are done
};

HintReader::HintReader(Options options, Listener listener)
    : state_(std::make_shared<State>(std::move(options), std::move(listener))) {}
HintReader::~HintReader() { stop(); }

void HintReader::start() {
    for (const auto& source : state_->options.sources)
        if (has_a_name(source.address))
            state_->look_up_again_and_again(source);
        else
            state_->follow_exactly(source, each_address(source.address));
}

void HintReader::stop() {
    std::vector<std::unique_ptr<State::Stream>> gone;
    {
        const std::lock_guard lock(state_->mutex);
        state_->stopping = true;
        gone.swap(state_->leaving);
        for (auto& [service, streams] : state_->streams)
            for (auto& [address, stream] : streams) {
                State::end(*stream);
                gone.push_back(std::move(stream));
            }
        state_->streams.clear();
        state_->changed.notify_all();
    }
    for (const auto& stream : gone) stream->thread.join();
}

int HintReader::streams(const std::string& service) const {
    const std::lock_guard lock(state_->mutex);
    const auto known = state_->streams.find(service);
    if (known == state_->streams.end()) return 0;
    return static_cast<int>(std::ranges::count_if(
        known->second, [](const auto& stream) { return stream.second->open; }));
}

bool HintReader::complete(const std::string& service) const {
    const std::lock_guard lock(state_->mutex);
    const auto known = state_->streams.find(service);
    return known != state_->streams.end() && !known->second.empty() &&
           std::ranges::all_of(known->second,
                               [](const auto& stream) { return stream.second->open; });
}

}  // namespace flowstack::service
