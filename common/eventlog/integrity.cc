#include "common/eventlog/integrity.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <unordered_map>

#include "common/core/corrupt_stream.h"
#include "common/crypto/encoding.h"
#include "common/eventlog/payload.h"
#include "common/eventlog/store.h"
#include "common/eventlog/tail.h"
#include "flowstack/common/v1/log_events.pb.h"
#include "flowstack/common/v1/recorded_event.pb.h"

namespace flowstack::eventlog {
namespace {

constexpr std::int64_t kPageEvents = 500;
constexpr std::int64_t kPageClaims = 5000;

class Fields {
public:
    Fields& text(std::string_view value) {
        const auto size = static_cast<std::uint32_t>(value.size());
        for (int shift = 24; shift >= 0; shift -= 8)
            bytes_.push_back(static_cast<char>(size >> shift));
        bytes_.append(value);
        return *this;
    }
    Fields& number(std::int64_t value) {
        const auto bits = static_cast<std::uint64_t>(value);
        std::string bytes;
        for (int shift = 56; shift >= 0; shift -= 8)
            bytes.push_back(static_cast<char>(bits >> shift));
        return text(bytes);
    }
    const std::string& bytes() const { return bytes_; }

private:
    std::string bytes_;
};

// One snapshot for everything that is compared; nothing is written.
class Snapshot {
public:
    explicit Snapshot(postgres::Session& session) : session_(session) {
        session_.run("begin isolation level repeatable read, read only");
    }
    ~Snapshot() {
        try {
            session_.run("rollback");
        } catch (const std::exception&) {
            session_.disconnect();
        }
    }
    Snapshot(const Snapshot&) = delete;

private:
    postgres::Session& session_;
};

class Problems {
public:
    Problems(std::vector<Problem>& list, std::int64_t& more) : list_(list), more_(more) {}
    void add(Problem problem) {
        if (list_.size() < kProblemsMax)
            list_.push_back(std::move(problem));
        else
            ++more_;
    }

private:
    std::vector<Problem>& list_;
    std::int64_t& more_;
};

std::string name_of(const StreamName& stream) {
    return (stream.tenant.empty() ? "-" : stream.tenant) + "/" + stream.category + "/" + stream.key;
}

std::string hex(std::string_view bytes) { return crypto::hex_encode(bytes); }

// Rows of one lane in position order, whatever their number. Calls `each(event, stream id)`, and
// `broken(position, why)` for a row that is no event any more.
template <class Each, class Broken>
void for_each_event(postgres::Session& session, const std::string& service, int lane,
                    std::int64_t from, std::int64_t to, const std::function<bool()>& cancelled,
                    Each each, Broken broken) {
    static const std::string sql =
        std::string("select ") + kEventColumns +
        ", stream from events where lane = $1 and position >= $2 and position <= $3"
        " order by position limit $4";
    constexpr int kPositionColumn = 1;
    constexpr int kStreamColumn = 14;
    for (auto next = from;;) {
        if (cancelled && cancelled()) throw std::runtime_error("the check was called off");
        const auto page =
            session.query(sql, postgres::Params().add(lane).add(next).add(to).add(kPageEvents));
        for (int row = 0; row < page.rows(); ++row) {
            std::optional<Recorded> event;
            try {
                event = recorded_from(page, row, service);
            } catch (const std::invalid_argument& error) {
                broken(page.int8(row, kPositionColumn), error.what());
            }
            if (event) each(*event, page.uuid(row, kStreamColumn));
        }
        if (page.rows() < kPageEvents) return;
        next = page.int8(page.rows() - 1, kPositionColumn) + 1;
    }
}

struct LaneRow {
    std::int64_t position = 0;
    Time last_recorded_at{};
    std::int64_t published = 0;
};

LaneRow lane_row(postgres::Session& session, int lane) {
    const auto row = session.query(
        R"sql(
        select l.position, l.last_recorded_at, coalesce(r.published, 0)
          from lanes l left join lane_relay r on r.lane = l.lane
         where l.lane = $1)sql",
        postgres::Params().add(lane));
    if (row.rows() == 0)
        throw std::invalid_argument("lane " + std::to_string(lane) + " is not there");
    return {row.int8(0, 0), row.time(0, 1), row.int8(0, 2)};
}

// Checks one lane's own rules, event by event.
class LaneWalk {
public:
    LaneWalk(const std::string& service, const LaneCheck& what, LaneReport& report)
        : what_(what),
          report_(report),
          problems_(report.problems, report.more_problems),
          chain_(service, what.lane, what.from),
          remembered_(service, what.lane, what.from),
          next_(what.from) {
        if (what.from == 1) known_ = what.known;
    }

    void broken(std::int64_t position, const std::string& why) {
        step_to(position);
        // Its leaf cannot be computed: the chain goes on with zeroes, which no event has.
        add_leaf(position, crypto::Digest{});
        problem("envelope", position, "", why);
    }

    void take(const Recorded& event, const Uuid& stored_stream) {
        if (event.position != next_ && declared_lost(event)) next_ = event.position;
        if (event.epoch != epoch_ && epoch_ != 0 && !is<common::v1::TailLost>(event))
            problem("envelope", event.position, name_of(event.stream),
                    "epoch " + std::to_string(event.epoch) + " begins without a TailLost");
        epoch_ = event.epoch;
        step_to(event.position);
        if (last_time_ && event.recorded_at <= *last_time_)
            problem("time", event.position, name_of(event.stream),
                    "recorded at " + to_rfc3339(event.recorded_at) +
                        ", not after the event before (" + to_rfc3339(*last_time_) + ")");
        last_time_ = event.recorded_at;
        const auto stream = stream_id(event.stream);
        if (stream != stored_stream)
            problem("envelope", event.position, name_of(event.stream),
                    "its stream id " + stored_stream.text() + " is not that of its name");
        versions(event, stream);
        add_leaf(event.position, crypto::sha256(canonical_bytes(event)));
    }

    // Compares the streams, as the events have them, with the table heads.
    void compare_heads(postgres::Session& session) {
        const auto rows =
            session.query("select stream, version from heads where lane = $1 order by stream",
                          postgres::Params().add(what_.lane));
        std::size_t found = 0;
        for (int row = 0; row < rows.rows(); ++row) {
            const auto stream = rows.uuid(row, 0);
            const auto seen = streams_.find(stream);
            if (seen == streams_.end()) {
                problem("stream_head", 0, stream.text(),
                        "a head at version " + std::to_string(rows.int8(row, 1)) +
                            " without any event in this lane");
                continue;
            }
            ++found;
            if (seen->second.version != rows.int8(row, 1))
                problem("stream_head", seen->second.position, seen->second.name,
                        "the head says version " + std::to_string(rows.int8(row, 1)) +
                            ", its events end at " + std::to_string(seen->second.version));
            seen->second.has_head = true;
        }
        if (found == streams_.size()) return;
        for (const auto& [id, stream] : streams_)
            if (!stream.has_head)
                problem("stream_head", stream.position, stream.name, "its head is not there");
    }

    void finish(const LaneRow& lane, bool to_head) {
        const auto last = next_ - 1;
        report_.to = last;
        report_.digest = chain_.digest();
        const auto wanted = to_head ? lane.position : what_.to;
        if (last < wanted && !(last == 0 && wanted == 0))
            problem("head", last, "",
                    "the lane's head is " + std::to_string(lane.position) +
                        ", its last event in this range is at " + std::to_string(last));
        if (to_head && last > lane.position)
            problem("head", last, "",
                    "the lane's head is " + std::to_string(lane.position) +
                        " and there are events up to " + std::to_string(last));
        if (to_head && last_time_ && lane.last_recorded_at < *last_time_)
            problem("time", last, "",
                    "the lane's clock says " + to_rfc3339(lane.last_recorded_at) +
                        ", its last event is of " + to_rfc3339(*last_time_));
        if (to_head && lane.published > std::max(last, lane.position))
            problem("relay", lane.published, "",
                    "published up to " + std::to_string(lane.published) +
                        ", further than the lane goes");
        for (; mark_ < known_.size() && to_head; ++mark_)
            if (known_[mark_].position > last) {
                problem("changed", known_[mark_].position, "",
                        "the lane was known up to here and now ends at " + std::to_string(last));
                break;
            }
    }

private:
    struct Stream {
        std::int64_t version = 0;
        std::int64_t position = 0;
        std::string name;
        bool has_head = false;
    };

    void problem(std::string kind, std::int64_t position, std::string subject, std::string detail) {
        problems_.add(
            {std::move(kind), what_.lane, position, std::move(subject), std::move(detail)});
    }

    // Whether it is a TailLost that gives up all positions from the next one on.
    bool declared_lost(const Recorded& event) {
        try {
            if (!follows(event, next_ - 1)) return false;
            const auto fact = parsed<common::v1::TailLost>(event);
            report_.lost_tails.push_back(
                {next_, event.position - 1, fact.principal(), fact.reason(), event.recorded_at});
            if (last_leaf_ && fact.kept_hash() != crypto::bytes_of(*last_leaf_))
                problem("changed", next_ - 1, "",
                        "the event before a lost tail is not the one that was kept then");
            return true;
        } catch (const CorruptStream& error) {
            problem("payload", event.position, name_of(event.stream), error.what());
            return false;
        }
    }

    void step_to(std::int64_t position) {
        if (position != next_)
            problem("gap", next_, "",
                    position == next_ + 1
                        ? "it is missing"
                        : "it and all up to " + std::to_string(position - 1) + " are missing");
        next_ = position + 1;
        ++report_.events;
    }

    void versions(const Recorded& event, const Uuid& id) {
        auto& stream = streams_[id];
        const bool first = stream.position == 0;
        // The beginning of a stream may lie before the range.
        if ((!first || what_.from == 1) && event.version != stream.version + 1)
            problem("version", event.position, name_of(event.stream),
                    "version " + std::to_string(event.version) + " where " +
                        std::to_string(stream.version + 1) + " was to come");
        stream.version =
            first && what_.from > 1 ? event.version : std::max(stream.version, event.version);
        stream.position = event.position;
        if (first) stream.name = name_of(event.stream);
    }

    void add_leaf(std::int64_t position, const crypto::Digest& leaf) {
        last_leaf_ = leaf;
        chain_.add_leaf(leaf);
        remembered_.add_leaf(leaf);
        // A mark at a missing position adds nothing to the gap that was reported.
        while (mark_ < known_.size() && known_[mark_].position < position) ++mark_;
        if (mark_ >= known_.size() || known_[mark_].position != position) return;
        const auto& mark = known_[mark_++];
        if (remembered_.digest() != mark.digest)
            problem("changed", position, "",
                    last_mark_ + 1 == position
                        ? "it is not what it was"
                        : "something in " + std::to_string(last_mark_ + 1) + ".." +
                              std::to_string(position) + " is not what it was");
        remembered_.go_on_from(mark.digest);
        last_mark_ = position;
    }

    const LaneCheck& what_;
    LaneReport& report_;
    Problems problems_;
    Chain chain_;
    Chain remembered_;  // goes on from each mark, so that one change is one problem
    std::vector<Mark> known_;
    std::size_t mark_ = 0;
    std::int64_t last_mark_ = 0;
    std::int64_t next_;
    std::optional<Time> last_time_;
    std::optional<crypto::Digest> last_leaf_;
    int epoch_ = 0;  // of the event before
    std::unordered_map<Uuid, Stream> streams_;
};

// --- Side rows.

struct WantedClaim {
    Claim claim;
    Uuid holder{};
    int lane = 0;
    std::int64_t position = 0;
    Time recorded_at{};
    bool found = false;
};

// What an event does last to a work row: it puts it, or takes it away.
struct WorkOp {
    std::optional<WorkPut> put;
    int lane = 0;  // of the event
    std::int64_t position = 0;
    Time recorded_at{};
};

struct KnownCommand {
    std::string request_hash;
    bool found = false;
};

using WorkKey = std::tuple<int, std::string, std::string>;
using SettingsKey = std::tuple<std::string, std::string, std::string>;

// Events of different lanes that touch one work row have no order but their times, and those are
// only so exact: a lane's clock may be 5 s ahead (append() refuses beyond), and an append may run
// for 10 s between the moment when it takes its time and the moment when it writes the row.
constexpr std::chrono::seconds kOrderUnknown{15};

constexpr std::string_view kCommandClaim = "command";

class Replay {
public:
    Replay(postgres::Session& session, const std::string& service, const DeriveFn& derive,
           const Vault& vault, DerivedReport& report)
        : session_(session),
          service_(service),
          derive_(derive),
          vault_(vault),
          report_(report),
          problems_(report.problems, report.more_problems) {}

    void read_command_claims() {
        for_each_claim("kind = 'command'", [&](const postgres::Result& page, int row) {
            commands_[page.text(row, 3)].request_hash = page.text(row, 6);
        });
    }

    // Replays all lanes.
    //
    // A lane's events say in which order they touched a work row. For a row that events of several
    // lanes touch, the last operation of each lane is kept until all lanes are read. Which kinds of
    // work have such rows shows while reading; when another one shows, everything is read again, so
    // that memory need not hold every row that ever was.
    void lanes(int count, const std::function<bool()>& cancelled) {
        do {
            forget();
            for (int number = 0; number < count; ++number) lane(number, cancelled);
        } while (again_);
    }

    void lane(int lane, const std::function<bool()>& cancelled) {
        command_.clear();
        for_each_event(
            session_, service_, lane, 1, std::numeric_limits<std::int64_t>::max(), cancelled,
            [&](const Recorded& event, const Uuid&) { take(event); },
            // check_lane reports a row that is no event.
            [](std::int64_t, const std::string&) {});
        finish_command();
    }

    void compare_claims() {
        for_each_claim("true", [&](const postgres::Result& page, int row) {
            ++report_.claims;
            const auto scope = page.text(row, 1);
            const auto kind = page.text(row, 2);
            const auto key = page.text(row, 3);
            const auto id = page.uuid(row, 0);
            const auto subject = kind + " " + key;
            if (id != claim_id(scope, kind, key))
                return problem("claim", 0, 0, subject, "its id is not that of its name");
            if (kind == kCommandClaim) {
                if (!commands_[key].found)
                    problem("claim", 0, 0, subject, "no event has this command id and request");
                return;
            }
            const auto wanted = claims_.find(id);
            if (wanted == claims_.end())
                return problem("claim", 0, 0, subject, "no event makes this claim");
            auto& w = wanted->second;
            w.found = true;
            if (page.uuid(row, 5) != w.holder)
                problem("claim", w.lane, w.position, subject,
                        "held by stream " + page.uuid(row, 5).text() + ", the event gives it to " +
                            name_of(w.claim.holder));
            if (page.bytes(row, 4) != w.claim.value)
                problem("claim", w.lane, w.position, subject,
                        "its value is " + hex(page.bytes(row, 4)) + ", the event gives " +
                            hex(w.claim.value));
            if (!page.bytes(row, 6).empty())
                problem("claim", w.lane, w.position, subject, "it has a request hash");
        });
        for (const auto& [id, w] : claims_)
            if (!w.found)
                problem("claim", w.lane, w.position, w.claim.kind + " " + w.claim.key,
                        "the claim that this event makes is not there");
    }

    void compare_work() {
        const auto rows = session_.query(
            "select lane, kind, key, coalesce(held_due_at, due_at), priority, ref from work order "
            "by lane, kind, key");
        for (int row = 0; row < rows.rows(); ++row) {
            ++report_.work;
            const WorkKey key{rows.int4(row, 0), rows.text(row, 1), rows.text(row, 2)};
            const auto subject = std::get<1>(key) + " " + std::get<2>(key);
            const WorkPut there{key_lane(key),     std::get<1>(key),  std::get<2>(key),
                                rows.time(row, 3), rows.int4(row, 4), rows.text(row, 5)};
            const auto found = work_.find(key);
            if (found == work_.end()) {
                problem("work", there.lane, 0, subject, "no event leaves this work");
                continue;
            }
            compare_row(there, possible(found->second), subject);
            work_.erase(found);
        }
        for (const auto& [key, ops] : work_) {
            const auto last = possible(ops);
            const bool may_be_gone =
                std::any_of(last.begin(), last.end(), [](const auto* op) { return !op->put; });
            if (!may_be_gone)
                problem("work", last.front()->lane, last.front()->position,
                        std::get<1>(key) + " " + std::get<2>(key),
                        "the work that this event leaves is not there");
        }
    }

    void compare_settings() {
        const auto rows = session_.query(
            R"sql(
            select tenant, kind, key, count(*), min(seq), max(seq)
              from settings_changes
             group by 1, 2, 3)sql");
        std::int64_t highest = 0;
        for (int row = 0; row < rows.rows(); ++row) {
            const SettingsKey key{rows.text(row, 0), rows.text(row, 1), rows.text(row, 2)};
            report_.settings += rows.int8(row, 3);
            highest = std::max(highest, rows.int8(row, 5));
            const auto wanted = settings_[key];
            if (wanted != rows.int8(row, 3))
                problem("settings", 0, 0,
                        std::get<0>(key) + " " + std::get<1>(key) + " " + std::get<2>(key),
                        std::to_string(rows.int8(row, 3)) + " changes, the events make " +
                            std::to_string(wanted));
            settings_.erase(key);
        }
        for (const auto& [key, count] : settings_)
            problem("settings", 0, 0,
                    std::get<0>(key) + " " + std::get<1>(key) + " " + std::get<2>(key),
                    "no change is noted, the events make " + std::to_string(count));
        if (highest != report_.settings)
            problem("settings", 0, 0, "settings_changes",
                    "numbered up to " + std::to_string(highest) + " and there are " +
                        std::to_string(report_.settings));
    }

private:
    using Ops = std::map<int, WorkOp>;  // lane of the events → their last operation on one row

    static int key_lane(const WorkKey& key) { return std::get<0>(key); }

    void forget() {
        again_ = false;
        report_ = {};
        claims_.clear();
        work_.clear();
        settings_.clear();
        for (auto& [id, command] : commands_) command.found = false;
    }

    // The operations that may have been the last one, the most probable first.
    static std::vector<const WorkOp*> possible(const Ops& ops) {
        std::vector<const WorkOp*> last;
        for (const auto& [lane, op] : ops) last.push_back(&op);
        std::sort(last.begin(), last.end(), [](const auto* one, const auto* other) {
            return one->recorded_at > other->recorded_at;
        });
        const auto newest = last.front()->recorded_at;
        std::erase_if(last,
                      [&](const auto* op) { return newest - op->recorded_at > kOrderUnknown; });
        return last;
    }

    void compare_row(const WorkPut& there, const std::vector<const WorkOp*>& last,
                     const std::string& subject) {
        const WorkOp* wanted = nullptr;
        for (const auto* op : last) {
            if (!op->put) continue;
            if (op->put->due_at == there.due_at && op->put->priority == there.priority &&
                op->put->ref == there.ref)
                return;
            if (!wanted) wanted = op;
        }
        if (!wanted)
            return problem("work", last.front()->lane, last.front()->position, subject,
                           "this event takes the work away, and it is there");
        if (wanted->put->due_at != there.due_at)
            problem("work", wanted->lane, wanted->position, subject,
                    "due at " + to_rfc3339(there.due_at) + ", the event says " +
                        to_rfc3339(wanted->put->due_at));
        if (wanted->put->priority != there.priority || wanted->put->ref != there.ref)
            problem("work", wanted->lane, wanted->position, subject,
                    "its priority or reference is not what the event says");
    }

    void touch(WorkKey key, WorkOp op) {
        const auto& kind = std::get<1>(key);
        if (key_lane(key) != lane_ && shared_kinds_.insert(kind).second) again_ = true;
        if (op.put || shared_kinds_.contains(kind)) {
            work_[std::move(key)].insert_or_assign(lane_, std::move(op));
            return;
        }
        work_.erase(key);
    }

    void problem(std::string kind, int lane, std::int64_t position, std::string subject,
                 std::string detail) {
        problems_.add({std::move(kind), lane, position, std::move(subject), std::move(detail)});
    }

    // Columns: id, scope, kind, key, value, holder, request_hash.
    template <class Each>
    void for_each_claim(const std::string& condition, Each each) {
        const auto sql =
            "select id, scope, kind, key, value, holder, request_hash from claims"
            " where id > $1 and " +
            condition + " order by id limit $2";
        for (Uuid after{};;) {
            const auto page = session_.query(sql, postgres::Params().add(after).add(kPageClaims));
            for (int row = 0; row < page.rows(); ++row) each(page, row);
            if (page.rows() < kPageClaims) return;
            after = page.uuid(page.rows() - 1, 0);
        }
    }

    void take(const Recorded& event) {
        ++report_.events;
        if (event.command_id != command_) {
            finish_command();
            command_ = event.command_id;
        }
        if (!commands_.empty())
            if (const auto known = commands_.find(event.command_id);
                known != commands_.end() && known->second.request_hash == event.meta.request_hash)
                known->second.found = true;
        lane_ = event.lane;
        position_ = event.position;
        recorded_at_ = event.recorded_at;
        try {
            std::optional<Recorded> opened;
            const auto& clear = in_clear(vault_, event, opened);
            if (!is_about_the_log(event.stream))
                derive_(event.stream, event.lane,
                        {event.type, clear.payload, event.occurred_at, event.is_private,
                         event.event_id},
                        derived_);
        } catch (const std::exception& error) {
            problem("payload", event.lane, event.position, name_of(event.stream), error.what());
        }
        claim_places_.resize(derived_.claims.size(), event.position);
        for (const auto& put : derived_.work_put)
            work_places_.emplace(WorkKey{put.lane, put.kind, put.key}, event.position);
    }

    // As append() does it: a command's deletions first, then what it puts.
    void finish_command() {
        for (std::size_t i = 0; i < derived_.claims.size(); ++i) {
            auto& claim = derived_.claims[i];
            auto& wanted = claims_[claim_id(claim.scope, claim.kind, claim.key)];
            // The earliest event made the claim; its holder may ask for it again later.
            if (wanted.position != 0 && wanted.recorded_at <= recorded_at_) continue;
            const auto holder = stream_id(claim.holder);
            wanted = {std::move(claim), holder, lane_, claim_places_[i], recorded_at_, false};
        }
        for (const auto& del : derived_.work_del)
            touch({del.lane, del.kind, del.key}, {std::nullopt, lane_, position_, recorded_at_});
        for (auto& put : derived_.work_put) {
            WorkKey key{put.lane, put.kind, put.key};
            const auto position = work_places_.at(key);
            touch(std::move(key), {std::move(put), lane_, position, recorded_at_});
        }
        for (const auto& change : derived_.settings)
            ++settings_[{change.tenant, change.kind, change.key}];
        derived_ = {};
        claim_places_.clear();
        work_places_.clear();
    }

    postgres::Session& session_;
    const std::string& service_;
    const DeriveFn& derive_;
    const Vault& vault_;
    DerivedReport& report_;
    Problems problems_;
    std::string command_;
    Derived derived_;
    // The position of the event that asked for each claim and work row.
    std::vector<std::int64_t> claim_places_;
    std::map<WorkKey, std::int64_t> work_places_;
    int lane_ = 0;
    std::int64_t position_ = 0;
    Time recorded_at_{};
    std::unordered_map<Uuid, WantedClaim> claims_;
    std::map<WorkKey, Ops> work_;
    std::set<std::string> shared_kinds_;  // of work that events of another lane touch
    bool again_ = false;
    std::map<SettingsKey, std::int64_t> settings_;
    std::unordered_map<std::string, KnownCommand> commands_;
};

}  // namespace

std::string canonical_bytes(const Recorded& event) {
    // build_id and key_id are not in Recorded, only in the stored bytes.
    common::v1::EventMeta meta;
    if (!meta.ParseFromString(event.meta_bytes))
        throw std::invalid_argument("envelope: meta does not decode");
    const auto cause = event.meta.causation.value_or(Position{});
    Fields fields;
    fields.text("flowstack.event.v1").text(event.service).number(event.lane).number(event.epoch);
    fields.number(event.position);
    fields.text(event.stream.tenant).text(event.stream.category).text(event.stream.key);
    fields.number(event.version).text(event.event_id.raw()).text(event.type);
    fields.number(unix_micros(event.recorded_at)).number(unix_micros(event.occurred_at));
    fields.text(event.command_id);
    fields.text(text_of(event.meta.routing.kind)).text(event.meta.routing.key);
    fields.text(event.meta.actor).text(event.meta.request_hash).text(event.meta.correlation_id);
    fields.text(cause.service).number(cause.lane).number(cause.position);
    fields.number(event.meta.settings_version).text(event.meta.traceparent);
    fields.text(meta.build_id()).text(meta.key_id()).number(event.is_private ? 1 : 0);
    fields.text(event.meta.role).text(event.meta.reason).text(event.meta.source_address);
    fields.text(crypto::bytes_of(crypto::sha256(event.payload)));
    return fields.bytes();
}

Chain::Chain(const std::string& service, int lane, std::int64_t from)
    : digest_(crypto::sha256(
          Fields().text("flowstack.chain.v1").text(service).number(lane).number(from).bytes())) {}

void Chain::add(const Recorded& event) { add_leaf(crypto::sha256(canonical_bytes(event))); }

void Chain::add_leaf(const crypto::Digest& leaf) {
    std::string both(crypto::bytes_of(digest_));
    both += crypto::bytes_of(leaf);
    digest_ = crypto::sha256(both);
}

LaneReport check_lane(postgres::Session& session, const std::string& service,
                      const LaneCheck& what) {
    LaneReport report;
    const Snapshot snapshot(session);
    const auto lane = lane_row(session, what.lane);
    const bool to_head = what.to == 0 || what.to >= lane.position;
    LaneWalk walk(service, what, report);
    for_each_event(
        session, service, what.lane, what.from,
        to_head ? std::numeric_limits<std::int64_t>::max() : what.to, what.cancelled,
        [&](const Recorded& event, const Uuid& stream) { walk.take(event, stream); },
        [&](std::int64_t position, const std::string& why) { walk.broken(position, why); });
    walk.finish(lane, to_head);
    if (to_head && what.from == 1) walk.compare_heads(session);
    return report;
}

DerivedReport check_derived(postgres::Session& session, const std::string& service, int lanes,
                            const DeriveFn& derive, const std::function<bool()>& cancelled,
                            const Vault& vault) {
    DerivedReport report;
    const Snapshot snapshot(session);
    Replay replay(session, service, derive, vault, report);
    replay.read_command_claims();
    replay.lanes(lanes, cancelled);
    replay.compare_claims();
    replay.compare_work();
    replay.compare_settings();
    return report;
}

}  // namespace flowstack::eventlog
