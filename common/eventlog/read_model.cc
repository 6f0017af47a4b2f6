#include "common/eventlog/read_model.h"

#include <algorithm>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"

namespace flowstack::eventlog {
namespace {

constexpr std::size_t kMacBytes = 16;

// Names the list that a token was made for.
std::string scope_of(const ListQuery& query) {
    std::string scope;
    for (const auto* part : {&query.tenant, &query.kind, &query.parent, &query.state}) {
        scope += *part;
        scope.push_back('\0');
    }
    return scope;
}

// The same for a list that is not in the tables; no query begins like this.
std::string scope_of(const std::string& question) { return '\1' + question + '\0'; }

std::string mac_of(const std::string& key, const std::string& scope, const std::string& place) {
    const auto digest = crypto::hmac_sha256(key, scope + place);
    return std::string(crypto::bytes_of(digest).substr(0, kMacBytes));
}

std::string signed_place(const std::string& key, const std::string& scope,
                         const std::string& place) {
    return crypto::base64url_encode(mac_of(key, scope, place) + place);
}

std::string verified_place(const std::string& key, const std::string& scope,
                           const std::string& token) {
    const auto raw = crypto::base64url_decode(token);
    if (!raw || raw->size() <= kMacBytes) throw BadPageToken("page_token is not one of ours");
    auto place = raw->substr(kMacBytes);
    if (!crypto::constant_time_equal(raw->substr(0, kMacBytes), mac_of(key, scope, place)))
        throw BadPageToken("page_token belongs to another query");
    return place;
}

struct Place {
    Time sort_at{};
    std::string id;
};

std::string token_of(const std::string& key, const ListQuery& query, const Place& place) {
    const auto text = std::to_string(place.sort_at.time_since_epoch().count()) + " " + place.id;
    return signed_place(key, scope_of(query), text);
}

Place place_of(const std::string& key, const ListQuery& query) {
    const auto text = verified_place(key, scope_of(query), query.page_token);
    const auto space = text.find(' ');
    return {Time{std::chrono::microseconds{std::stoll(text.substr(0, space))}},
            text.substr(space + 1)};
}

// The conditions of a query, with its parameters; the same for pages and counts.
std::string conditions(const ListQuery& query, postgres::Params& params) {
    std::string sql = " where kind = $1";
    params.add(query.kind);
    const auto also = [&](const char* column, const std::string& value) {
        if (value.empty()) return;
        params.add(value);
        sql += std::string(" and ") + column + " = $" + std::to_string(params.size());
    };
    also("tenant", query.tenant);
    also("parent", query.parent);
    also("state", query.state);
    return sql;
}

}  // namespace

std::optional<std::string> ReadModel::get(const std::string& tenant, const std::string& kind,
                                          const std::string& id) {
    const auto result = store_.pool().with([&](postgres::Session& session) {
        return session.query(
            "select body from read_model where tenant = $1 and kind = $2 and id = $3",
            postgres::Params().add(tenant).add(kind).add(id));
    });
    if (result.rows() == 0) return std::nullopt;
    return result.text(0, 0);
}

ListPage ReadModel::list(const ListQuery& query) {
    const int size =
        std::clamp(query.page_size == 0 ? kPageSizeDefault : query.page_size, 1, kPageSizeMax);
    postgres::Params params;
    std::string sql = "select id, sort_at, body from read_model" + conditions(query, params);
    if (!query.page_token.empty()) {
        const auto after = place_of(signing_key_, query);
        params.add(after.sort_at).add(after.id);
        const auto n = params.size();
        sql += " and (sort_at < $" + std::to_string(n - 1) + " or (sort_at = $" +
               std::to_string(n - 1) + " and id > $" + std::to_string(n) + "))";
    }
    params.add(static_cast<std::int64_t>(size) + 1);
    sql += " order by sort_at desc, id limit $" + std::to_string(params.size());
    const auto result =
        store_.pool().with([&](postgres::Session& session) { return session.query(sql, params); });
    ListPage page;
    for (int row = 0; row < std::min(result.rows(), size); ++row)
        page.bodies.push_back(result.text(row, 2));
    if (result.rows() > size)
        page.next_page_token =
            token_of(signing_key_, query, {result.time(size - 1, 1), result.text(size - 1, 0)});
    return page;
}

std::int64_t ReadModel::count(const ListQuery& query) {
    postgres::Params params;
    const auto sql = "select count(*) from read_model" + conditions(query, params);
    return store_.pool()
        .with([&](postgres::Session& session) { return session.query(sql, params); })
        .int8(0, 0);
}

// A cursor is written in one transaction with the documents of its events.
std::string ReadModel::position() {
    postgres::Params params;
    params.add(store_.options().service);
    const auto result = store_.pool().with([&](postgres::Session& session) {
        return session.query(
            "select source, lane, position from cursors where consumer = $1 order by source, lane",
            params);
    });
    std::string text, source;
    for (int row = 0; row < result.rows(); ++row) {
        const bool first = row == 0 || result.bytes(row, 0) != source;
        if (first) source = result.text(row, 0);
        text += (first ? (row == 0 ? "" : ";") + source + "=" : ",") +
                std::to_string(result.int4(row, 1)) + ":" + std::to_string(result.int8(row, 2));
    }
    return text;
}

std::string ReadModel::token_for(const std::string& question, const std::string& place) const {
    return signed_place(signing_key_, scope_of(question), place);
}

std::string ReadModel::place_in(const std::string& question, const std::string& token) const {
    return verified_place(signing_key_, scope_of(question), token);
}

}  // namespace flowstack::eventlog
