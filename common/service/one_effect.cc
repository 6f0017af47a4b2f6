#include "common/service/one_effect.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/message.h>

#include <memory>

#include "common/crypto/hash.h"
#include "common/observability/trace.h"
#include "common/rpc/caller.h"
#include "common/rpc/error.h"
#include "common/rpc/request_id.h"
#include "common/rpc/server.h"

namespace flowstack::service {
namespace {

using eventlog::Command;
using eventlog::Outcome;

// So many callers may want the same stream at once and all are answered: one of them is ahead in
// each round.
constexpr int kDecideTries = 10;

}  // namespace

std::string hash_of(const google::protobuf::Message& request) {
    std::unique_ptr<google::protobuf::Message> copy(request.New());
    copy->CopyFrom(request);
    if (const auto* field = copy->GetDescriptor()->FindFieldByName("request_id"))
        copy->GetReflection()->ClearField(copy.get(), field);
    auto bytes = request.GetTypeName() + '\0';
    {
        google::protobuf::io::StringOutputStream out(&bytes);
        google::protobuf::io::CodedOutputStream coded(&out);
        coded.SetSerializationDeterministic(true);  // maps in a fixed order
        copy->SerializeToCodedStream(&coded);
    }
    return std::string(crypto::bytes_of(crypto::sha256(bytes)));
}

// The number of the use stands before the slash: no method's name has a '#', and what a caller
// chooses comes after it.
CommandOf command_of(eventlog::Store& store, const std::string& tenant, const std::string& method,
                     const std::string& request_id) {
    for (int reused = 0;; ++reused) {
        auto id = method + (reused == 0 ? "" : "#" + std::to_string(reused)) + "/" + request_id;
        const auto claim = store.claim(tenant, "command", id);
        if (!claim || claim->age < kRequestIdLifetime)
            return {.id = std::move(id), .reused = reused, .answered_before = claim.has_value()};
    }
}

void name_caller(eventlog::Meta& meta, const rpc::Caller& caller) {
    meta.actor = caller.actor;
    meta.role = caller.role;
    meta.reason = caller.reason;
    meta.source_address = caller.source_address;
}

OneEffect::OneEffect(eventlog::Store& store, IdSource& ids, Asked asked)
    : store_(store), asked_(std::move(asked)), caller_(rpc::caller()) {
    rpc::check_request_id(asked_.request_id);
    if (!asked_.request_id.empty()) return;
    // Nobody can have used it before.
    asked_.request_id = ids.next().text();
    command_ = CommandOf{.id = asked_.method + "/" + asked_.request_id};
}

const CommandOf& OneEffect::command() {
    if (!command_) command_ = command_of(store_, asked_.tenant, asked_.method, asked_.request_id);
    return *command_;
}

int OneEffect::reused() { return command().reused; }

std::string OneEffect::derived_id(std::string_view what) {
    // The time in it is when the id was first asked for, if the caller's id carries one.
    const auto caller = Uuid::parse(asked_.request_id);
    const auto at = caller && (caller->bytes[6] >> 4) == 7 ? time_of(*caller) : Time{};
    return eventlog::derive_id(asked_.tenant + "/" + command().id, at, what, 0).text();
}

std::vector<eventlog::Recorded> OneEffect::run(
    const std::function<std::optional<Command>()>& make) {
    if (command().answered_before) return first_answer();
    for (int tries = 0; tries < kDecideTries; ++tries) {
        auto command = make();
        if (!command) return {};
        prepare(*command);
        const auto verdict = store_.append(std::move(*command));
        switch (verdict.outcome) {
            case Outcome::ok:
            case Outcome::already_done:
                return events_of(verdict);
            case Outcome::other_body:
                throw rpc::key_reused(asked_.request_id);
            case Outcome::claim_taken:
                if (asked_.claim_taken) asked_.claim_taken(verdict.claim_kind);
                break;
            case Outcome::wrong_version:
            case Outcome::not_owner:
                break;
        }
    }
    throw rpc::contention();
}

void OneEffect::prepare(Command& prepared) {
    prepared.id = command().id;
    prepared.tenant = asked_.tenant;
    prepared.meta.request_hash = asked_.hash;
    name_caller(prepared.meta, caller_);
    prepared.meta.traceparent = trace::current().traceparent();
    if (asked_.settings_version != 0) prepared.meta.settings_version = asked_.settings_version;
    prepared.dedupe = eventlog::Dedupe::claim;
}

// A claim is never removed, so a command that would write nothing gets the first verdict.
std::vector<eventlog::Recorded> OneEffect::first_answer() {
    Command probe;
    probe.meta.routing = {eventlog::RoutingKind::tenant, asked_.tenant};
    probe.parts.push_back({{asked_.tenant, "probe", command().id}, eventlog::kCreate, {}});
    prepare(probe);
    const auto verdict = store_.append(std::move(probe));
    if (verdict.outcome == Outcome::other_body) throw rpc::key_reused(asked_.request_id);
    if (verdict.outcome != Outcome::already_done) throw rpc::internal();
    return events_of(verdict);
}

std::vector<eventlog::Recorded> OneEffect::events_of(const eventlog::Verdict& verdict) {
    replayed_ = verdict.outcome == Outcome::already_done;
    if (replayed_) rpc::answer_is_a_repeat();
    return store_.read_lane(verdict.lane, verdict.first_position,
                            verdict.first_position + verdict.event_count - 1, verdict.event_count);
}

}  // namespace flowstack::service
