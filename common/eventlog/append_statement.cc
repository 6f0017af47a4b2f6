#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

#include "common/crypto/encoding.h"
#include "common/eventlog/codes.h"
#include "common/eventlog/envelope.h"
#include "common/eventlog/loop_statements.h"
#include "common/eventlog/store.h"
#include "common/eventlog/tail.h"

namespace flowstack::eventlog {
namespace {

// Between the kinds of one deletion of work rows; append() takes them apart.
constexpr char kKindsApart = '\n';

// Columns of append()'s answer that stand for the whole batch.
constexpr int kBaseVersions = 6, kLaneBases = 11, kLaneTimes = 12;

using Int = std::int32_t;
using Long = std::int64_t;

Int size_of(const auto& container) { return static_cast<Int>(container.size()); }

void check(const Command& command) {
    const auto refuse = [&](const std::string& why) {
        throw CommandRefused("command " + command.id + ": " + why);
    };
    if (command.id.empty()) throw CommandRefused("a command without id");
    if (command.parts.empty()) refuse("no parts");
    if (command.parts.size() > kPartsMax) refuse("more than 16 parts");
    std::set<StreamName> seen;
    for (const auto& part : command.parts)
        if (!seen.insert(part.stream).second) refuse("two parts of stream " + part.stream.key);
}

// A command's request for a claim. Indices count from 1, as SQL does. The prefixes of the arrays
// below are explained in migrations/eventlog/0002_append.sql.
struct Request {
    Int cmd;
    Uuid claim;
    std::string value;
    Uuid holder;
    std::string hash;
    bool is_command;
};

std::vector<WorkNews> news_of(std::span<const Derived> derived) {
    std::map<std::pair<int, std::string_view>, Time> earliest;
    for (const auto& of_command : derived)
        for (const auto& put : of_command.work_put) {
            const auto [at, fresh] = earliest.try_emplace({put.lane, put.kind}, put.due_at);
            if (!fresh) at->second = std::min(at->second, put.due_at);
        }
    std::vector<WorkNews> news;
    for (const auto& [where, due_at] : earliest)
        news.push_back({where.first, std::string(where.second), due_at});
    return news;
}

// What a stream must be for all commands of the batch to be ok, and what it gets then.
constexpr Long kContradiction = -2;
struct Stream {
    Int lane = 0;
    Long expect = kAny;
    Int add = 0;
    bool fresh = true;  // no part has been looked at
    Int index = 0;

    // Takes a part of the next command in: what it expects is judged after the parts before it.
    void then(Long expected, Int events) {
        const bool any = expected == kAny;
        const Long start = any ? kAny : expected - add;
        if (std::exchange(fresh, false)) expect = start;
        // Mixed parts are judged, but for a new stream, which takes both: a stream that is missing
        // must be made for the part that takes any version, and only then.
        else if (any ? expect > kCreate : expect == kAny || expect != start)
            expect = kContradiction;
        add += events;
    }
};

}  // namespace

void derive_next(const DeriveFn& derive, const StreamName& stream, int lane, const NewEvent& event,
                 Derived& derived) {
    if (is_about_the_log(stream)) return;
    Derived next;
    derive(stream, lane, event, next);
    // The deletion stays, since an older row of that name may be there.
    std::erase_if(derived.work_put, [&](const WorkPut& put) {
        return std::ranges::any_of(next.work_del, [&](const WorkDel& del) {
            return put.lane == del.lane && put.kind == del.kind && put.key == del.key;
        });
    });
    const auto move_to = [](auto& all, auto& more) {
        all.insert(all.end(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
    };
    move_to(derived.claims, next.claims);
    move_to(derived.work_put, next.work_put);
    move_to(derived.work_del, next.work_del);
    move_to(derived.settings, next.settings);
}

AppendCall append_call(std::span<const Command> commands, const StoreOptions& options,
                       const DeriveFn& derive, bool strict) {
    std::map<int, Int> lanes;                     // lane → its index
    std::map<Uuid, Stream> streams;               // sorted as PostgreSQL sorts
    std::map<Uuid, std::pair<Claim, Int>> names;  // claim id → what it is, its index

    // First pass: collects what is touched, so that it can be sorted before it is numbered.
    std::vector<Int> command_lane;
    std::vector<std::vector<Uuid>> part_stream;
    std::vector<Derived> derived(commands.size());
    std::vector<Request> requests;
    for (std::size_t c = 0; c < commands.size(); ++c) {
        const auto& command = commands[c];
        check(command);
        const int lane = lane_of(command.meta.routing, command.tenant, options.lanes);
        command_lane.push_back(lane);
        lanes[lane] = 0;
        part_stream.emplace_back();
        const auto ask = [&](Claim claim, std::string hash, bool is_command) {
            const auto id = claim_id(claim.scope, claim.kind, claim.key);
            // A command that asks for one name twice, for the same holder, has one request.
            for (auto it = requests.rbegin();
                 it != requests.rend() && it->cmd == static_cast<Int>(c) + 1; ++it)
                if (it->claim == id) return;
            requests.push_back({static_cast<Int>(c) + 1, id, claim.value, stream_id(claim.holder),
                                std::move(hash), is_command});
            names.emplace(id, std::pair{std::move(claim), 0});
        };
        if (command.dedupe == Dedupe::claim)
            ask({command.tenant, "command", command.id, "", command.parts.front().stream},
                command.meta.request_hash, true);
        for (const auto& part : command.parts) {
            const auto id = stream_id(part.stream);
            part_stream.back().push_back(id);
            const auto [at, fresh] = streams.try_emplace(id);
            auto& stream = at->second;
            // Two commands name one stream and two lanes (a newcomer's first message, delivered
            // twice at once): one head row cannot serve both, so the batch is halved.
            if (!fresh && stream.lane != lane)
                throw std::invalid_argument("one stream in two lanes of one batch");
            stream.lane = lane;
            stream.then(part.expected, size_of(part.events));
            for (const auto& event : part.events)
                derive_next(derive, part.stream, lane, event, derived[c]);
        }
        for (auto& claim : derived[c].claims) ask(std::move(claim), "", false);
    }

    std::vector<Int> l_id;
    for (auto& [lane, index] : lanes) {
        l_id.push_back(lane);
        index = size_of(l_id);
    }
    std::vector<Uuid> s_id;
    std::vector<Int> s_lane;
    std::vector<Long> s_expect;
    std::vector<Int> s_add;
    bool consistent = true;
    for (auto& [id, stream] : streams) {
        s_id.push_back(id);
        s_lane.push_back(stream.lane);
        s_expect.push_back(stream.expect);
        s_add.push_back(stream.add);
        consistent = consistent && stream.expect != kContradiction;
        stream.index = size_of(s_id);
    }
    std::vector<Uuid> k_id;
    std::vector<std::string> k_scope, k_kind, k_key;
    for (auto& [id, named] : names) {
        k_id.push_back(id);
        k_scope.push_back(named.first.scope);
        k_kind.push_back(named.first.kind);
        k_key.push_back(named.first.key);
        named.second = size_of(k_id);
    }
    std::vector<Int> k_first(k_id.size(), 0);
    std::vector<Int> q_cmd, q_key;
    std::vector<std::string_view> q_value, q_hash;
    std::vector<Uuid> q_holder;
    std::vector<std::uint8_t> q_command;
    for (const auto& request : requests) {
        const Int key = names.at(request.claim).second;
        q_cmd.push_back(request.cmd);
        q_key.push_back(key);
        q_value.push_back(request.value);
        q_holder.push_back(request.holder);
        q_hash.push_back(request.hash);
        q_command.push_back(request.is_command);
        auto& first = k_first[static_cast<std::size_t>(key - 1)];
        if (first == 0) first = size_of(q_cmd);
        // A second command of the batch asks for the name.
        else if (request.is_command ||
                 request.holder != q_holder[static_cast<std::size_t>(first - 1)])
            consistent = false;
    }

    std::map<std::pair<Int, Long>, Int> owners;  // lane and epoch → its index
    for (const auto& command : commands)
        if (const auto& guard = command.owner_guard) owners[{guard->lane, guard->owner_epoch}] = 0;
    std::vector<Int> o_lane;
    std::vector<Long> o_epoch;
    for (auto& [owner, index] : owners) {
        o_lane.push_back(owner.first);
        o_epoch.push_back(owner.second);
        index = size_of(o_lane);
    }

    AppendCall call;
    std::vector<Int> l_total(l_id.size(), 0), s_total(s_id.size(), 0);
    std::vector<Int> c_lane, c_dedupe, c_events;
    std::vector<std::string> c_id;
    std::vector<std::optional<Int>> c_owner;
    std::vector<Int> p_cmd, p_stream, p_count;
    std::vector<Long> p_expected;
    std::vector<Int> e_cmd, e_lane, e_stream, e_in_lane, e_in_stream;
    std::vector<Uuid> e_id;
    std::vector<std::string_view> e_tenant, e_category, e_key, e_type, e_payload;
    std::deque<std::string> sealed;  // payloads that are not stored in clear
    std::vector<Time> e_occurred;
    std::vector<std::string> metas;  // one per (command, private or not)
    metas.reserve(commands.size() * 2);
    std::vector<std::string_view> e_meta;
    std::vector<Int> d_cmd, d_lane, w_cmd, w_lane, w_priority, x_cmd;
    std::vector<std::string> d_kinds, d_key, w_kind, w_key, x_tenant, x_kind, x_key;
    std::vector<Time> w_due;
    std::vector<std::string_view> w_ref;

    for (std::size_t c = 0; c < commands.size(); ++c) {
        const auto& command = commands[c];
        const Int cmd = static_cast<Int>(c) + 1;
        c_lane.push_back(lanes.at(command_lane[c]));
        c_id.push_back(command.id);
        c_dedupe.push_back(command.dedupe == Dedupe::creation  ? 1
                           : command.dedupe == Dedupe::version ? 2
                                                               : 0);
        const auto& guard = command.owner_guard;
        c_owner.push_back(guard ? std::optional(owners.at({guard->lane, guard->owner_epoch}))
                                : std::nullopt);
        auto& lane_total = l_total[static_cast<std::size_t>(c_lane.back() - 1)];
        AppendCall::IfAllOk if_all_ok{.lane = command_lane[c],
                                      .lane_index = static_cast<std::size_t>(c_lane.back() - 1),
                                      .offset = lane_total};
        Int in_cmd = 0;
        std::string_view open_meta, private_meta;
        for (std::size_t p = 0; p < command.parts.size(); ++p) {
            const auto& part = command.parts[p];
            p_cmd.push_back(cmd);
            p_stream.push_back(streams.at(part_stream[c][p]).index);
            p_expected.push_back(part.expected);
            p_count.push_back(size_of(part.events));
            auto& stream_total = s_total[static_cast<std::size_t>(p_stream.back() - 1)];
            if_all_ok.parts.emplace_back(static_cast<std::size_t>(p_stream.back() - 1),
                                         stream_total);
            for (const auto& event : part.events) {
                auto& meta = event.is_private ? private_meta : open_meta;
                if (meta.empty()) {
                    metas.push_back(meta_bytes(command.meta, event.is_private, options.build_id));
                    meta = metas.back();
                }
                e_cmd.push_back(cmd);
                e_lane.push_back(c_lane.back());
                e_stream.push_back(p_stream.back());
                ++in_cmd;
                e_in_lane.push_back(++lane_total);
                e_in_stream.push_back(++stream_total);
                e_id.push_back(event.id
                                   ? *event.id
                                   : derive_id(command.id, event.occurred_at, "event", in_cmd));
                e_tenant.push_back(part.stream.tenant);
                e_category.push_back(part.stream.category);
                e_key.push_back(part.stream.key);
                e_type.push_back(event.type);
                e_occurred.push_back(event.occurred_at);
                e_meta.push_back(meta);
                auto bytes = options.vault->seal(part.stream, command.meta.routing, event);
                e_payload.push_back(bytes ? sealed.emplace_back(std::move(*bytes)) : event.payload);
            }
        }
        c_events.push_back(in_cmd);
        if_all_ok.events = in_cmd;
        call.if_all_ok.push_back(std::move(if_all_ok));
        for (const auto& del : derived[c].work_del) {
            if (del.kind.find(kKindsApart) != std::string::npos)
                throw CommandRefused("command " + command.id + ": a kind of work with a line feed");
            // One statement takes all kinds of work with one key away.
            const bool same_key = !d_cmd.empty() && d_cmd.back() == cmd &&
                                  d_lane.back() == del.lane && d_key.back() == del.key;
            if (same_key) {
                d_kinds.back() += kKindsApart + del.kind;
                continue;
            }
            d_cmd.push_back(cmd);
            d_lane.push_back(del.lane);
            d_kinds.push_back(del.kind);
            d_key.push_back(del.key);
        }
        for (const auto& put : derived[c].work_put) {
            w_cmd.push_back(cmd);
            w_lane.push_back(put.lane);
            w_kind.push_back(put.kind);
            w_key.push_back(put.key);
            w_due.push_back(put.due_at);
            w_priority.push_back(put.priority);
            w_ref.push_back(put.ref);
        }
        for (const auto& change : derived[c].settings) {
            x_cmd.push_back(cmd);
            x_tenant.push_back(change.tenant);
            x_kind.push_back(change.kind);
            x_key.push_back(change.key);
        }
    }

    auto& params = call.statement.params;
    params.empty_arrays_are_null();
    params.add(strict).add(consistent).add_array(l_id).add_array(l_total);
    params.add_array(s_id).add_array(s_lane).add_array(s_expect).add_array(s_add);
    params.add_array(k_id).add_array(k_scope).add_array(k_kind).add_array(k_key).add_array(k_first);
    params.add_array(o_lane).add_array(o_epoch);
    params.add_array(c_lane).add_array(c_dedupe).add_array(c_id).add_array(c_owner).add_array(
        c_events);
    params.add_array(p_cmd).add_array(p_stream).add_array(p_expected).add_array(p_count);
    params.add_array(q_cmd).add_array(q_key).add_bytes_array(q_value).add_array(q_holder);
    params.add_bytes_array(q_hash).add_bool_array(q_command);
    params.add_array(e_cmd).add_array(e_lane).add_array(e_stream).add_array(e_in_lane).add_array(
        e_in_stream);
    params.add_array(e_id).add_array(e_tenant).add_array(e_category).add_array(e_key);
    params.add_array(e_type)
        .add_array(e_occurred)
        .add_bytes_array(e_meta)
        .add_bytes_array(e_payload);
    params.add_array(d_cmd).add_array(d_lane).add_array(d_kinds).add_array(d_key);
    params.add_array(w_cmd).add_array(w_lane).add_array(w_kind).add_array(w_key).add_array(w_due);
    params.add_array(w_priority).add_bytes_array(w_ref);
    params.add_array(x_cmd).add_array(x_tenant).add_array(x_kind).add_array(x_key);
    if (params.size() != kAppendArguments)
        throw std::logic_error("append: it has " + std::to_string(params.size()) + " arguments");
    call.statement.sql = loops::kAppend.sql;
    call.work = news_of(derived);
    return call;
}

namespace {

std::vector<Verdict> all_ok(const AppendCall& call, const postgres::Result& result) {
    const auto stream_bases = result.int8_array(0, kBaseVersions);
    const auto lane_bases = result.int8_array(0, kLaneBases);
    const auto lane_times = result.time_array(0, kLaneTimes);
    std::vector<Verdict> verdicts;
    for (const auto& what : call.if_all_ok) {
        Verdict verdict{.lane = what.lane,
                        .first_position = lane_bases.at(what.lane_index) + what.offset + 1,
                        .event_count = what.events};
        if (const auto& began = lane_times.at(what.lane_index))
            verdict.recorded_at = *began + Micros(what.offset);
        for (const auto& [stream, before] : what.parts)
            verdict.base_versions.push_back(stream_bases.at(stream) + before);
        verdicts.push_back(std::move(verdict));
    }
    return verdicts;
}

}  // namespace

std::vector<Verdict> verdicts_from(const AppendCall& call, const postgres::Result& result) {
    if (result.rows() == 1 && result.int4(0, 0) == kVerdictAllOk) return all_ok(call, result);
    std::vector<Verdict> verdicts;
    for (int row = 0; row < result.rows(); ++row) {
        Verdict verdict;
        verdict.outcome = outcome_of(result.int4(row, 0));
        if (!result.null(row, 1)) verdict.part = result.int4(row, 1);
        if (!result.null(row, 2)) verdict.actual = result.int8(row, 2);
        if (!result.null(row, 3)) verdict.lane = result.int4(row, 3);
        if (!result.null(row, 4)) verdict.first_position = result.int8(row, 4);
        if (!result.null(row, 5)) verdict.event_count = result.int4(row, 5);
        if (!result.null(row, kBaseVersions))
            verdict.base_versions = result.int8_array(row, kBaseVersions);
        if (!result.null(row, 7)) verdict.recorded_at = result.time(row, 7);
        if (!result.null(row, 8)) verdict.claim_kind = result.text(row, 8);
        if (!result.null(row, 9)) verdict.claim_value = result.text(row, 9);
        if (!result.null(row, 10)) verdict.claim_holder = result.uuid(row, 10);
        verdicts.push_back(std::move(verdict));
    }
    return verdicts;
}

std::pair<std::size_t, Verdict> refusal_from(const postgres::SqlError& error) {
    std::vector<std::string> fields(1);
    for (const char c : error.detail) {
        if (c == '|')
            fields.emplace_back();
        else
            fields.back().push_back(c);
    }
    if (fields.size() != 6)
        throw std::logic_error("append: refusal without detail: " + error.detail);
    Verdict verdict;
    verdict.outcome = outcome_of(std::stoi(fields[1]));
    if (!fields[2].empty()) verdict.actual = std::stoll(fields[2]);
    verdict.claim_kind = fields[3];
    verdict.claim_value = crypto::hex_decode(fields[4]).value_or("");
    if (const auto holder = Uuid::parse(fields[5])) verdict.claim_holder = *holder;
    return {static_cast<std::size_t>(std::stoul(fields[0]) - 1), verdict};
}

}  // namespace flowstack::eventlog
