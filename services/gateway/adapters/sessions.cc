#include "services/gateway/adapters/sessions.h"

#include <algorithm>
#include <boost/json.hpp>

#include "common/service/one_effect.h"
#include "flowstack/gateway/v1/session_events.pb.h"
#include "services/gateway/adapters/codec.h"

namespace flowstack::gateway {
namespace {

template <class Proto>
void tell(eventlog::Store& store, const std::string& session_id, std::int64_t expected,
          const Proto& proto, Time now, const rpc::Caller& by) {
    eventlog::NewEvent event;
    event.type = Proto::descriptor()->full_name();
    event.payload = proto.SerializeAsString();
    event.occurred_at = now;
    eventlog::Command command;
    command.id = Proto::descriptor()->name() + "/" + session_id;
    command.tenant = kPlatform;
    command.meta.routing = {eventlog::RoutingKind::named, session_id};
    service::name_caller(command.meta, by);
    command.dedupe =
        expected == eventlog::kCreate ? eventlog::Dedupe::creation : eventlog::Dedupe::version;
    command.parts.push_back(
        {{std::string(kPlatform), "session", session_id}, expected, {std::move(event)}});
    // Somebody else has told it meanwhile when it is not accepted: it is said once.
    store.append(std::move(command));
}

std::string json_of(const std::vector<std::string>& texts) {
    boost::json::array list;
    for (const auto& text : texts) list.emplace_back(text);
    return boost::json::serialize(list);
}

std::vector<std::string> texts_in(const std::string& list) {
    std::vector<std::string> texts;
    const auto parsed = boost::json::parse(list);
    for (const auto& each : parsed.as_array()) texts.emplace_back(each.as_string());
    return texts;
}

}  // namespace

StoredSessions::StoredSessions(eventlog::Store& store, const Clock& clock,
                               std::chrono::milliseconds idle)
    : store_(store), clock_(clock), idle_(std::chrono::duration_cast<Micros>(idle)) {}

// The fact first: there is no session that the log does not know of.
void StoredSessions::begin(std::string_view id_sha256, const BrowserSession& session,
                           const rpc::Caller& by) {
    v1::SessionBegan began;
    began.set_session_id(session.session_id);
    began.set_subject(session.subject);
    for (const auto& grant : session.grants) began.add_grants(grant);
    began.set_expires_at_us(unix_micros(session.expires_at));
    tell(store_, session.session_id, eventlog::kCreate, began, session.began_at, by);
    store_.pool().with([&](postgres::Session& database) {
        database.query("delete from browser_sessions where expires_at < $1",
                       postgres::Params().add(session.began_at));
        database.query(
            R"sql(
            insert into browser_sessions
                (id_sha256, session_id, subject, grants, began_at, seen_at, expires_at)
            values ($1, $2, $3, $4, $5, $5, $6))sql",
            postgres::Params()
                .add_bytes(id_sha256)
                .add(session.session_id)
                .add(session.subject)
                .add(json_of(session.grants))
                .add(session.began_at)
                .add(session.expires_at));
    });
}

std::optional<BrowserSession> StoredSessions::find(std::string_view id_sha256) {
    const auto now = clock_.now();
    return store_.pool().with([&](postgres::Session& database) -> std::optional<BrowserSession> {
        const auto rows = database.query(
            R"sql(
            select session_id, subject, grants, began_at, seen_at, expires_at from browser_sessions
            where id_sha256 = $1 and expires_at > $2 and seen_at > $3)sql",
            postgres::Params().add_bytes(id_sha256).add(now).add(now - idle_));
        if (rows.rows() == 0) return std::nullopt;
        BrowserSession found{.session_id = rows.text(0, 0),
                             .subject = rows.text(0, 1),
                             .grants = texts_in(rows.text(0, 2)),
                             .began_at = rows.time(0, 3),
                             .seen_at = rows.time(0, 4),
                             .expires_at = rows.time(0, 5)};
        if (now - found.seen_at >= std::min<Micros>(kSeenEvery, idle_ / 4)) {
            database.query(
                "update browser_sessions set seen_at = greatest(seen_at, $2) "
                "where id_sha256 = $1",
                postgres::Params().add_bytes(id_sha256).add(now));
            found.seen_at = now;
        }
        return found;
    });
}

// The fact first here too. While the log cannot be written, the row stays and the caller hears that
// it must try again: nobody believes to be logged out who is not.
void StoredSessions::end(std::string_view id_sha256, const BrowserSession& session,
                         const rpc::Caller& by) {
    v1::SessionEnded ended;
    ended.set_session_id(session.session_id);
    tell(store_, session.session_id, 1, ended, clock_.now(), by);
    store_.pool().with([&](postgres::Session& database) {
        database.query("delete from browser_sessions where id_sha256 = $1",
                       postgres::Params().add_bytes(id_sha256));
    });
}

}  // namespace flowstack::gateway
