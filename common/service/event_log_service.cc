#include "common/service/event_log_service.h"

#include <grpcpp/channel.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

#include "common/eventlog/bounded_queue.h"
#include "common/eventlog/integrity.h"
#include "common/eventlog/turn.h"
#include "common/messaging/kafka.h"
#include "common/observability/log.h"
#include "common/postgres/session.h"
#include "common/rpc/caller.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/server.h"
#include "common/rpc/stream.h"
#include "flowstack/common/v1/event_log.grpc.pb.h"

namespace flowstack::service {
namespace {

using eventlog::Recorded;

// Readers compare and verify what is stored.
constexpr auto kAsStored = eventlog::Store::Personal::as_stored;
constexpr int kReadPageEventsMax = 1000;
constexpr std::chrono::milliseconds kReadTimeout{5000};
// How long after its commit a subscriber sees an event at the latest, whichever replica made it.
constexpr std::chrono::milliseconds kSubscribePollInterval{50};
constexpr int kSubscribePageEventsMax = 200;
constexpr int kParkedPageMax = 500;
constexpr int kHeldPageMax = 500;
// A call that takes tails back ends in time for its caller, who calls again.
constexpr std::chrono::seconds kRecoverFor{20};
constexpr std::chrono::milliseconds kBusRetryAfter{1000};

// An envelope with its payload of any size. (The bus leaves large payloads out.)
void write(const Recorded& event, common::v1::RecordedEvent& proto) {
    if (!proto.ParseFromString(eventlog::to_bus(event)))
        throw std::logic_error("event log: own envelope");
    if (proto.payload_omitted()) {
        proto.set_payload(event.payload);
        proto.set_payload_omitted(false);
    }
}

// What waits for a follower that is slow, and what goes into one message.
constexpr eventlog::QueueLimits kFollowQueueMax{10'000, 8 << 20};
constexpr eventlog::QueueLimits kFollowMessageMax{500, 1 << 20};
// So many events that a follower does not act on wait for one that it does.
constexpr std::size_t kFollowNotAwaitedMax = 200;

// One caller of Follow. It has no thread: the relay's begins a write, and gRPC's go on while
// something waits.
class FollowStream final : public grpc::ServerWriteReactor<common::v1::FollowResponse>,
                           public eventlog::Follower {
public:
    static grpc::ServerWriteReactor<common::v1::FollowResponse>* begin(
        grpc::CallbackServerContext& context, const common::v1::FollowRequest& request,
        const std::string& service, eventlog::Followers& followers) {
        const std::shared_ptr<FollowStream> stream(new FollowStream(request, followers));
        stream->self_ = stream;
        auto* reactor = stream.get();
        if (!followers.add(stream)) {
            stream->finish(rpc::to_status(rpc::overloaded(std::chrono::milliseconds(1000))));
            return reactor;
        }
        // What is published meanwhile waits until the headers are sent.
        context.AddInitialMetadata(kFollowedHeader, service);
        reactor->StartSendInitialMetadata();
        return reactor;
    }

    void hear(const eventlog::PublishedPage& page) override {
        {
            const std::lock_guard lock(mutex_);
            if (over_) return;
            std::int64_t lost = 0;
            for (const auto& record : page) {
                if (!waiting_.push(record, record->bytes())) ++lost;
                awaited_ |= awaited_types_.empty() || awaited_types_.contains(record->type);
            }
            if (lost > 0) followers_.lost(lost);
            if (!next_message()) return;
        }
        StartWrite(&message_);
    }

    void end() override {
        end(rpc::to_status(rpc::unavailable("this server is going down; ask again",
                                            std::chrono::milliseconds{0})));
    }

private:
    FollowStream(const common::v1::FollowRequest& request, eventlog::Followers& followers)
        : followers_(followers),
          awaited_types_(request.awaited_types().begin(), request.awaited_types().end()),
          waiting_(kFollowQueueMax) {}

    void OnSendInitialMetadataDone(bool ok) override { OnWriteDone(ok); }
    void OnWriteDone(bool ok) override {
        {
            const std::lock_guard lock(mutex_);
            writing_ = false;
            if (!ok) over_ = true;
        }
        go_on();
    }
    void OnCancel() override { end(grpc::Status::CANCELLED); }
    void OnDone() override {  // gRPC does not know the stream any more
        followers_.remove(this);
        self_.reset();  // *this may be gone
    }

    // Makes a message of what waits. False when it can wait longer, or one is being written.
    bool next_message() {
        if (writing_ || over_ || waiting_.empty()) return false;
        if (!awaited_ && waiting_.size() < kFollowNotAwaitedMax) return false;
        message_.Clear();
        for (const auto& record : waiting_.take(kFollowMessageMax)) {
            auto& out = *message_.add_records();
            out.set_lane(record->lane);
            out.set_key(record->key);
            out.set_event(record->value);
        }
        if (waiting_.empty()) awaited_ = false;
        writing_ = true;
        return true;
    }

    void go_on() {
        bool more = false;
        grpc::Status status;
        {
            const std::lock_guard lock(mutex_);
            if (over_) status = why_over_;
            more = next_message();
            if (!more && !over_) return;
        }
        if (more)
            StartWrite(&message_);
        else
            finish(std::move(status));
    }

    void end(grpc::Status why) {
        {
            const std::lock_guard lock(mutex_);
            over_ = true;
            why_over_ = why;
            if (writing_) return;  // OnWriteDone goes on
        }
        finish(std::move(why));
    }

    // Once only; no write may be under way.
    void finish(grpc::Status status) {
        {
            const std::lock_guard lock(mutex_);
            if (std::exchange(finished_, true)) return;
            over_ = true;
        }
        Finish(std::move(status));
    }

    eventlog::Followers& followers_;
    const std::set<std::string, std::less<>> awaited_types_;
    std::shared_ptr<FollowStream> self_;  // until OnDone
    std::mutex mutex_;
    eventlog::BoundedQueue<std::shared_ptr<const eventlog::Published>> waiting_;
    common::v1::FollowResponse message_;
    bool awaited_ = false;  // something that waits is acted on
    bool writing_ = true;   // the headers
    bool over_ = false;
    bool finished_ = false;
    grpc::Status why_over_ = grpc::Status::CANCELLED;
};

class EventLogService final : public common::v1::EventLog::CallbackService {
public:
    EventLogService(rpc::Server& door, eventlog::Store& store, ThisReplica replica)
        : door_(door), store_(store), replica_(std::move(replica)) {}

    grpc::ServerUnaryReactor* Heads(grpc::CallbackServerContext* context,
                                    const common::v1::HeadsRequest* request,
                                    common::v1::HeadsResponse* response) override {
        return door_.unary(context, *request, [this, response](rpc::Call&) {
            response->set_service(store_.options().service);
            int lane = 0;
            for (const auto position : store_.heads()) {
                auto* head = response->add_heads();
                head->set_lane(lane++);
                head->set_epoch(1);
                head->set_position(position);
            }
        });
    }

    grpc::ServerUnaryReactor* Read(grpc::CallbackServerContext* context,
                                   const common::v1::ReadRequest* request,
                                   common::v1::ReadResponse* response) override {
        return door_.unary(context, *request, [this, request, response](rpc::Call&) {
            check_lane(request->lane());
            if (request->from_position() < 1)
                throw rpc::invalid_field("from_position", "must be 1 or more");
            if (request->to_position() != 0 && request->to_position() < request->from_position())
                throw rpc::invalid_field("to_position",
                                         "must be 0 (the head) or not below from_position");
            if (request->page_size() < 0)
                throw rpc::invalid_field("page_size", "must not be negative");
            const int limit = request->page_size() == 0
                                  ? kReadPageEventsMax
                                  : std::min(request->page_size(), kReadPageEventsMax);
            const auto events = store_.read_lane(request->lane(), request->from_position(),
                                                 request->to_position(), limit, kAsStored);
            for (const auto& event : events)
                if (request->tenant().empty() || event.stream.tenant == request->tenant())
                    write(event, *response->add_events());
            if (events.empty()) return;
            const auto last = events.back().position;
            const auto end = request->to_position() != 0
                                 ? request->to_position()
                                 : store_.heads()[static_cast<std::size_t>(request->lane())];
            response->set_next_position(last < end ? last + 1 : 0);
        });
    }

    grpc::ServerWriteReactor<common::v1::RecordedEvent>* Subscribe(
        grpc::CallbackServerContext* context,
        const common::v1::SubscribeRequest* request) override {
        // Copied, because gRPC may free the request before the stream ends.
        return rpc::stream<common::v1::RecordedEvent>(
            door_, context,
            [this, lane = request->lane(), position = request->from_position()](auto& out) mutable {
                check_lane(lane);
                if (position < 1) throw rpc::invalid_field("from_position", "must be 1 or more");
                common::v1::RecordedEvent item;
                while (out.open()) {
                    const auto events =
                        store_.read_lane(lane, position, 0, kSubscribePageEventsMax, kAsStored);
                    for (const auto& event : events) {
                        item.Clear();
                        write(event, item);
                        if (!out.write(item)) return;
                        position = event.position + 1;
                    }
                    if (events.empty()) out.wait(kSubscribePollInterval);
                }
            });
    }

    grpc::ServerWriteReactor<common::v1::FollowResponse>* Follow(
        grpc::CallbackServerContext* context, const common::v1::FollowRequest* request) override {
        if (auto refused = door_.admit(*context); !refused.ok()) return refuse(std::move(refused));
        if (!replica_.followers)
            return refuse(rpc::to_status(
                rpc::wrong_state("replicas/" + replica_.id, "Hints are switched off here.")));
        return FollowStream::begin(*context, *request, store_.options().service,
                                   *replica_.followers);
    }

    grpc::ServerUnaryReactor* ReadStream(grpc::CallbackServerContext* context,
                                         const common::v1::ReadStreamRequest* request,
                                         common::v1::ReadResponse* response) override {
        return door_.unary(context, *request, [this, request, response](rpc::Call&) {
            const auto events =
                store_.read_stream({request->tenant(), request->category(), request->key()},
                                   std::max<std::int64_t>(request->from_version(), 1), kAsStored);
            for (const auto& event : events) write(event, *response->add_events());
        });
    }

    grpc::ServerUnaryReactor* Verify(grpc::CallbackServerContext* context,
                                     const common::v1::VerifyRequest* request,
                                     common::v1::VerifyResponse* response) override {
        return door_.unary(context, *request, [this, request, response](rpc::Call& call) {
            check_lane(request->lane());
            eventlog::LaneCheck what{.lane = request->lane(),
                                     .from = std::max<std::int64_t>(request->from_position(), 1),
                                     .to = request->to_position(),
                                     .cancelled = [&call] { return call.cancelled(); }};
            if (request->from_position() < 0)
                throw rpc::invalid_field("from_position", "must not be negative");
            if (what.to != 0 && what.to < what.from)
                throw rpc::invalid_field("to_position",
                                         "must be 0 (the head) or not below from_position");
            // A session of its own, because the pool is for short queries.
            postgres::Session session(verifying());
            const auto report = eventlog::check_lane(session, store_.options().service, what);
            response->set_events(report.events);
            response->set_from_position(what.from);
            response->set_to_position(report.to);
            response->set_digest(std::string(crypto::bytes_of(report.digest)));
            for (const auto& problem : report.problems) tell(problem, *response->add_problems());
            response->set_more_problems(report.more_problems);
            for (const auto& lost : report.lost_tails) {
                auto& given_up = *response->add_given_up();
                given_up.set_first(lost.first);
                given_up.set_last(lost.last);
                given_up.set_principal(lost.principal);
                given_up.set_reason(lost.reason);
                given_up.set_at_us(unix_micros(lost.at));
            }
        });
    }

    grpc::ServerUnaryReactor* VerifyDerived(grpc::CallbackServerContext* context,
                                            const common::v1::VerifyDerivedRequest* request,
                                            common::v1::VerifyDerivedResponse* response) override {
        return door_.unary(context, *request, [this, response](rpc::Call& call) {
            postgres::Session session(verifying());
            const auto report = eventlog::check_derived(
                session, store_.options().service, store_.options().lanes, store_.derive(),
                [&call] { return call.cancelled(); }, store_.vault());
            response->set_events(report.events);
            response->set_claims(report.claims);
            response->set_work(report.work);
            response->set_settings(report.settings);
            for (const auto& problem : report.problems) tell(problem, *response->add_problems());
            response->set_more_problems(report.more_problems);
        });
    }

    grpc::ServerUnaryReactor* LaneStatus(grpc::CallbackServerContext* context,
                                         const common::v1::LaneStatusRequest* request,
                                         common::v1::LaneStatusResponse* response) override {
        return door_.unary(context, *request, [this, response](rpc::Call&) {
            response->set_service(store_.options().service);
            response->set_replica(replica_.id);
            store_.pool().with([&](postgres::Session& session) {
                const auto lanes = session.query(
                    // A replica owns nothing when its lease ran out or it was started anew since.
                    R"sql(
                    select l.lane, l.position, p.published, coalesce(r.name, ''), o.owner_epoch,
                           coalesce(o.taken_at, 'epoch'), coalesce(l.lost_to, 0),
                           l.timeline <> (select wal_timeline()), l.epoch
                      from lanes l join lane_relay p using (lane) join lane_owner o using (lane)
                      left join replicas r on r.name = o.replica and r.incarnation = o.incarnation
                                          and r.alive_until > clock_timestamp()
                     order by lane)sql");
                for (int row = 0; row < lanes.rows(); ++row) {
                    auto& lane = *response->add_lanes();
                    lane.set_lane(lanes.int4(row, 0));
                    lane.set_position(lanes.int8(row, 1));
                    lane.set_published(lanes.int8(row, 2));
                    lane.set_owner(lanes.text(row, 3));
                    lane.set_owner_epoch(lanes.int8(row, 4));
                    lane.set_owned_since_us(unix_micros(lanes.time(row, 5)));
                    lane.set_lost_to(lanes.int8(row, 6));
                    lane.set_not_compared(lanes.boolean(row, 7));
                    lane.set_epoch(lanes.int4(row, 8));
                }
                // A lane whose first event is parked has no cursor yet: join both ways.
                const auto consumers = session.query(
                    R"sql(
                    select coalesce(c.source, p.source), coalesce(c.lane, p.lane),
                           coalesce(c.position, 0), coalesce(p.events, 0)
                      from (select source, lane, position from cursors where consumer = $1) c
                      full join (select source, lane, count(*) events from parked
                                  where consumer = $1 group by 1, 2) p
                        on p.source = c.source and p.lane = c.lane
                     order by 1, 2)sql",
                    postgres::Params().add(store_.options().service));
                for (int row = 0; row < consumers.rows(); ++row) {
                    auto& consumer = *response->add_consumers();
                    consumer.set_source(consumers.text(row, 0));
                    consumer.set_lane(consumers.int4(row, 1));
                    consumer.set_applied(consumers.int8(row, 2));
                    consumer.set_parked(consumers.int8(row, 3));
                }
            });
        });
    }

    grpc::ServerUnaryReactor* ListParked(grpc::CallbackServerContext* context,
                                         const common::v1::ListParkedRequest* request,
                                         common::v1::ListParkedResponse* response) override {
        return door_.unary(context, *request, [this, request, response](rpc::Call&) {
            if (request->page_size() < 0)
                throw rpc::invalid_field("page_size", "must not be negative");
            const auto limit = request->page_size() == 0
                                   ? kParkedPageMax
                                   : std::min(request->page_size(), kParkedPageMax);
            const auto rows = store_.pool().with([&](postgres::Session& session) {
                return session.query(
                    R"sql(
                    select source, lane, position, routing_key, reason, parked_at, event
                      from parked
                     where consumer = $1 and (source, lane, position) > ($2, $3, $4)
                     order by source, lane, position
                     limit $5)sql",
                    postgres::Params()
                        .add(store_.options().service)
                        .add(request->after().source())
                        .add(request->after().lane())
                        .add(request->after().position())
                        .add(static_cast<std::int64_t>(limit)));
            });
            for (int row = 0; row < rows.rows(); ++row) {
                auto& event = *response->add_events();
                event.set_source(rows.text(row, 0));
                event.set_lane(rows.int4(row, 1));
                event.set_position(rows.int8(row, 2));
                event.set_routing_key(rows.text(row, 3));
                event.set_reason(rows.text(row, 4));
                event.set_parked_at_us(unix_micros(rows.time(row, 5)));
                common::v1::RecordedEvent envelope;
                const auto bytes = rows.bytes(row, 6);
                if (envelope.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
                    event.set_type(envelope.type());
            }
        });
    }

    grpc::ServerUnaryReactor* ReleaseParked(grpc::CallbackServerContext* context,
                                            const common::v1::ReleaseParkedRequest* request,
                                            common::v1::ReleaseParkedResponse* response) override {
        return door_.unary(context, *request, [this, request, response](rpc::Call&) {
            if (request->source().empty()) throw rpc::invalid_field("source", "must be a service");
            if (request->routing_key().empty())
                throw rpc::invalid_field("routing_key", "must be tenant/key");
            check_lane(request->lane());
            const auto parked = store_.pool().with([&](postgres::Session& session) {
                return session.query(
                    R"sql(
                    select 1 from parked
                     where consumer = $1 and source = $2 and lane = $3 and routing_key = $4
                     limit 1)sql",
                    postgres::Params()
                        .add(store_.options().service)
                        .add(request->source())
                        .add(request->lane())
                        .add(request->routing_key()));
            });
            if (parked.rows() == 0)
                throw rpc::not_found("parked/" + request->source() + "/" +
                                     std::to_string(request->lane()) + "/" +
                                     request->routing_key());
            eventlog::Consumption::Released done;
            try {
                if (!replica_.release) throw std::out_of_range("this process consumes nothing");
                done = replica_.release(request->source(), request->lane(), request->routing_key());
            } catch (const std::out_of_range&) {
                throw elsewhere(request->lane());
            }
            response->set_released(done.released);
            response->set_left(done.left);
            response->set_why_left(done.why_left);
        });
    }

    grpc::ServerUnaryReactor* RecoverTails(grpc::CallbackServerContext* context,
                                           const common::v1::RecoverTailsRequest* request,
                                           common::v1::RecoverTailsResponse* response) override {
        return door_.unary(context, *request, [this, request, response](rpc::Call& call) {
            if (!replica_.recover_tails) throw no_bus();
            const auto until = std::chrono::steady_clock::now() + kRecoverFor;
            const auto enough = [&call, until] {
                return call.cancelled() || std::chrono::steady_clock::now() > until;
            };
            for (const auto& lane : with_the_bus(
                     [&] { return replica_.recover_tails(ordered(request->reason()), enough); })) {
                auto& told = *response->add_lanes();
                told.set_lane(lane.lane);
                told.set_from(lane.from);
                told.set_to(lane.from == 0 ? 0 : lane.to);
                told.set_recovered(lane.recovered);
                told.set_payloads_lost(lane.payloads_lost);
                told.set_missing(lane.missing);
                told.set_refused(lane.refused);
                told.set_refused_at(lane.refused_at);
            }
        });
    }

    grpc::ServerUnaryReactor* DeclareTailsLost(
        grpc::CallbackServerContext* context, const common::v1::DeclareTailsLostRequest* request,
        common::v1::DeclareTailsLostResponse* response) override {
        return door_.unary(context, *request, [this, request, response](rpc::Call&) {
            if (request->reason().empty()) throw rpc::invalid_field("reason", "must say why");
            if (request->above() < 0) throw rpc::invalid_field("above", "must not be negative");
            if (request->at_us() < 0) throw rpc::invalid_field("at_us", "must not be negative");
            for (const auto lane : request->lanes()) check_lane(lane);
            if (!replica_.lose_tails) throw no_bus();
            const eventlog::LossRequest wanted{
                .lanes = {request->lanes().begin(), request->lanes().end()},
                .above = request->above(),
                .at = request->at_us() == 0
                          ? std::chrono::time_point_cast<Micros>(std::chrono::system_clock::now())
                          : from_unix_micros(request->at_us()),
                .dry_run = request->validate_only()};
            const auto losses = with_the_bus([&] {
                try {
                    return replica_.lose_tails(wanted, ordered(request->reason()));
                } catch (const eventlog::NothingKnown& error) {
                    throw rpc::wrong_state("lanes", std::string(error.what()) +
                                                        ": say above which position it certainly "
                                                        "was not.");
                }
            });
            for (const auto& loss : losses) {
                auto& told = *response->add_lanes();
                told.set_lane(loss.lane);
                told.set_head(loss.head);
                told.set_last(loss.last);
            }
        });
    }

    grpc::ServerUnaryReactor* ListHeldWork(grpc::CallbackServerContext* context,
                                           const common::v1::ListHeldWorkRequest* request,
                                           common::v1::ListHeldWorkResponse* response) override {
        return door_.unary(context, *request, [this, request, response](rpc::Call&) {
            if (request->page_size() < 0)
                throw rpc::invalid_field("page_size", "must not be negative");
            const auto limit = request->page_size() == 0
                                   ? kHeldPageMax
                                   : std::min(request->page_size(), kHeldPageMax);
            std::optional<eventlog::HeldWork> after;
            if (request->has_after())
                after = {.lane = request->after().lane(),
                         .kind = request->after().kind(),
                         .key = request->after().key()};
            const auto held = store_.pool().with([&](postgres::Session& session) {
                return eventlog::held_work(session, {request->kind(), request->key()}, after,
                                           limit);
            });
            for (const auto& row : held) {
                auto& told = *response->add_work();
                told.set_lane(row.lane);
                told.set_kind(row.kind);
                told.set_key(row.key);
                told.set_due_at_us(unix_micros(row.due_at));
            }
        });
    }

    grpc::ServerUnaryReactor* ReleaseHeldWork(
        grpc::CallbackServerContext* context, const common::v1::ReleaseHeldWorkRequest* request,
        common::v1::ReleaseHeldWorkResponse* response) override {
        return door_.unary(context, *request, [this, request, response](rpc::Call&) {
            if (request->kind().empty() && request->key().empty() && !request->all())
                throw rpc::invalid_field("all", "must be set when neither kind nor key is given");
            const auto released = store_.pool().with([&](postgres::Session& session) {
                return eventlog::release_held_work(session, {request->kind(), request->key()});
            });
            const auto by = ordered(request->reason());
            log::info("held work was released", {{"rows", released},
                                                 {"kind", request->kind()},
                                                 {"key", request->key()},
                                                 {"principal", by.principal},
                                                 {"reason", by.reason}});
            response->set_released(released);
        });
    }

private:
    static eventlog::Ordered ordered(const std::string& reason) {
        const auto& caller = rpc::caller();
        return {.principal = caller.actor,
                .reason = rpc::kept_reason(reason),
                .role = caller.role,
                .source_address = caller.source_address};
    }

    rpc::Failure no_bus() const {
        return rpc::wrong_state("replicas/" + replica_.id, "This process has no bus.");
    }

    template <class Work>
    static auto with_the_bus(const Work& work) -> decltype(work()) {
        try {
            return work();
        } catch (const messaging::BusUnavailable& error) {
            throw rpc::unavailable(std::string("the bus is away: ") + error.what(), kBusRetryAfter);
        }
    }

    static grpc::ServerWriteReactor<common::v1::FollowResponse>* refuse(grpc::Status status) {
        class Refusal final : public grpc::ServerWriteReactor<common::v1::FollowResponse> {
            void OnDone() override { delete this; }
        };
        auto* refusal = new Refusal;
        refusal->Finish(std::move(status));
        return refusal;
    }

    rpc::Failure elsewhere(int lane) {
        const auto row = store_.pool().with([&](postgres::Session& session) {
            return session.query("select replica from lane_owner where lane = $1",
                                 postgres::Params().add(lane));
        });
        const auto owner = row.rows() == 0 ? std::string() : row.text(0, 0);
        auto failure = rpc::wrong_state(
            "lanes/" + std::to_string(lane),
            "Replica " + replica_.id + " does not work on lane " + std::to_string(lane) +
                (owner.empty() ? "; nobody does yet." : "; replica " + owner + " took it last."));
        failure.metadata["owner"] = owner;
        return failure;
    }

    static void tell(const eventlog::Problem& problem, common::v1::IntegrityProblem& proto) {
        proto.set_kind(problem.kind);
        proto.set_lane(problem.lane);
        proto.set_position(problem.position);
        proto.set_subject(problem.subject);
        proto.set_detail(problem.detail);
    }

    postgres::Session::Options verifying() const {
        return {.url = store_.options().database_url,
                .application_name = store_.options().service + "-verify"};
    }

    void check_lane(int lane) const {
        if (lane < 0 || lane >= store_.options().lanes)
            throw rpc::not_found("lanes/" + std::to_string(lane));
    }

    rpc::Server& door_;
    eventlog::Store& store_;
    ThisReplica replica_;
};

class RemoteSource final : public eventlog::Source {
public:
    explicit RemoteSource(std::shared_ptr<grpc::Channel> channel)
        : stub_(common::v1::EventLog::NewStub(channel)) {}

    std::vector<std::int64_t> heads() override {
        grpc::ClientContext context;
        rpc::set_timeout(context, kReadTimeout);
        common::v1::HeadsResponse response;
        check(stub_->Heads(&context, {}, &response));
        std::vector<std::int64_t> heads;
        for (const auto& head : response.heads()) heads.push_back(head.position());
        return heads;
    }

    std::vector<Recorded> read(int lane, std::int64_t from, std::int64_t to, int limit) override {
        grpc::ClientContext context;
        rpc::set_timeout(context, kReadTimeout);
        common::v1::ReadRequest request;
        request.set_lane(lane);
        request.set_from_position(from);
        request.set_to_position(to);
        request.set_page_size(limit);
        common::v1::ReadResponse response;
        check(stub_->Read(&context, request, &response));
        std::vector<Recorded> events;
        for (const auto& event : response.events())
            events.push_back(eventlog::from_bus(event.SerializeAsString()));
        return events;
    }

private:
    static void check(const grpc::Status& status) {
        if (!status.ok()) throw eventlog::TryLater("event log: " + status.error_message());
    }
    std::unique_ptr<common::v1::EventLog::Stub> stub_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_event_log_service(rpc::Server& door, eventlog::Store& store,
                                                      ThisReplica replica) {
    return std::make_unique<EventLogService>(door, store, std::move(replica));
}
std::shared_ptr<eventlog::Source> make_remote_source(std::shared_ptr<grpc::Channel> channel) {
    return std::make_shared<RemoteSource>(std::move(channel));
}

}  // namespace flowstack::service
