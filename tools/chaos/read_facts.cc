#include "tools/chaos/read_facts.h"

#include <libpq-fe.h>

#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <memory>
#include <stdexcept>

#include "flowstack/common/v1/recorded_event.pb.h"

namespace flowstack::chaos {
namespace {

namespace json = boost::json;

std::string upper(std::string text) {
    for (auto& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
}

class Database {
public:
    Database(const Setting& setting, const std::string& service)
        : connection_(PQconnectdb(setting(upper(service) + "_MIGRATE_URL").c_str()), PQfinish) {
        if (PQstatus(connection_.get()) != CONNECTION_OK)
            throw std::runtime_error("cannot read the log of " + service + ": " +
                                     PQerrorMessage(connection_.get()));
    }

    // Row by row; columns as text.
    void rows(const std::string& sql, const std::function<void(PGresult*, int)>& each) {
        if (PQsendQuery(connection_.get(), sql.c_str()) != 1 ||
            PQsetSingleRowMode(connection_.get()) != 1)
            throw std::runtime_error(PQerrorMessage(connection_.get()));
        std::string failure;
        while (auto* raw = PQgetResult(connection_.get())) {
            const std::unique_ptr<PGresult, void (*)(PGresult*)> result(raw, PQclear);
            const auto status = PQresultStatus(result.get());
            if (status == PGRES_FATAL_ERROR) failure = PQresultErrorMessage(result.get());
            for (int row = 0; row < PQntuples(result.get()); ++row) each(result.get(), row);
        }
        if (!failure.empty()) throw std::runtime_error(failure);
    }

private:
    std::unique_ptr<PGconn, void (*)(PGconn*)> connection_;
};

std::string text(PGresult* result, int row, int column) {
    return {PQgetvalue(result, row, column),
            static_cast<std::size_t>(PQgetlength(result, row, column))};
}
std::int64_t number(PGresult* result, int row, int column) {
    return std::stoll(text(result, row, column));
}
// PostgreSQL's \x… of a bytea.
std::string bytes(PGresult* result, int row, int column) {
    std::size_t size = 0;
    const std::unique_ptr<unsigned char, void (*)(void*)> raw(
        PQunescapeBytea(reinterpret_cast<const unsigned char*>(PQgetvalue(result, row, column)),
                        &size),
        PQfreemem);
    if (!raw) throw std::runtime_error("out of memory");
    return {reinterpret_cast<const char*>(raw.get()), size};
}
std::string plain_uuid(std::string id) {
    std::erase(id, '-');
    return id;
}

constexpr const char* kMicros = "(extract(epoch from %) * 1000000)::bigint";
std::string micros(const std::string& column) {
    std::string sql = kMicros;
    return sql.replace(sql.find('%'), 1, column);
}

void read_service(const Setting& setting, const std::string& service, Facts& facts) {
    Database database(setting, service);
    database.rows(
        "select lane, position, stream, version, event_id, tenant, category, key, type, " +
            micros("recorded_at") + ", meta, payload from events order by lane, position",
        [&](PGresult* r, int row) {
            Event event;
            event.service = service;
            event.lane = static_cast<int>(number(r, row, 0));
            event.position = number(r, row, 1);
            event.stream = plain_uuid(text(r, row, 2));
            event.version = number(r, row, 3);
            event.event_id = plain_uuid(text(r, row, 4));
            event.tenant = text(r, row, 5);
            event.category = text(r, row, 6);
            event.key = text(r, row, 7);
            event.type = text(r, row, 8);
            event.recorded_at_us = number(r, row, 9);
            common::v1::EventMeta meta;
            if (!meta.ParseFromString(bytes(r, row, 10)))
                throw std::runtime_error(service + ": an event's meta does not decode");
            event.routing_kind = meta.routing_kind();
            event.routing_key = meta.routing_key();
            // Raw webhooks are large, and no check looks into them.
            if (event.category != "webhook") event.payload = bytes(r, row, 11);
            facts.events.push_back(std::move(event));
        });
    auto& tables = facts.tables[service];
    database.rows("select lane, position from lanes", [&](PGresult* r, int row) {
        tables.lanes[static_cast<int>(number(r, row, 0))] = number(r, row, 1);
    });
    database.rows("select lane, published from lane_relay", [&](PGresult* r, int row) {
        tables.published[static_cast<int>(number(r, row, 0))] = number(r, row, 1);
    });
    database.rows("select stream, version from heads", [&](PGresult* r, int row) {
        tables.heads[plain_uuid(text(r, row, 0))] = number(r, row, 1);
    });
    database.rows("select id, scope, kind, key, holder from claims", [&](PGresult* r, int row) {
        tables.claims.push_back({plain_uuid(text(r, row, 0)), text(r, row, 1), text(r, row, 2),
                                 text(r, row, 3), plain_uuid(text(r, row, 4))});
    });
    database.rows("select kind, " + micros("due_at") + " from work", [&](PGresult* r, int row) {
        tables.work.emplace_back(text(r, row, 0), number(r, row, 1));
    });
    database.rows("select source, lane, position, routing_key, reason from parked", [&](PGresult* r,
                                                                                        int row) {
        facts.parked.push_back({service, text(r, row, 0), static_cast<int>(number(r, row, 1)),
                                number(r, row, 2), text(r, row, 3), text(r, row, 4)});
    });
    database.rows("select source, lane, position from cursors", [&](PGresult* r, int row) {
        facts.cursors.push_back(
            {service, text(r, row, 0), static_cast<int>(number(r, row, 1)), number(r, row, 2)});
    });
}

std::vector<json::value> json_lines(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot read " + path);
    std::vector<json::value> lines;
    for (std::string line; std::getline(file, line);)
        if (!line.empty()) lines.push_back(json::parse(line));
    return lines;
}

}  // namespace

Facts read_facts(const Setting& setting, const std::string& chats_file) {
    Facts facts;
    for (const auto& service : kLogs) read_service(setting, service, facts);
    facts.record = json_lines(setting("SANDBOX_RECORD"));
    if (!chats_file.empty())
        for (const auto& line : json_lines(chats_file)) {
            const auto text_of = [&](const char* member) {
                return std::string(line.at(member).as_string());
            };
            facts.chats.push_back({text_of("phone"), text_of("phone_number_id"), text_of("kind"),
                                   line.at("ended").as_bool(), text_of("expected")});
        }
    facts.now_us = std::chrono::duration_cast<std::chrono::microseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
    return facts;
}

Documents read_documents(const Setting& setting, const std::string& service) {
    Documents documents;
    Database(setting, service)
        .rows("select tenant, kind, id, parent, state, sort_at, body from read_model",
              [&](PGresult* r, int row) {
                  std::string all;
                  for (int column = 3; column < 7; ++column) all += text(r, row, column) + "\n";
                  documents[{service, text(r, row, 0), text(r, row, 1), text(r, row, 2)}] =
                      std::move(all);
              });
    return documents;
}

std::string unfinished(const Setting& setting) {
    std::map<std::string, std::map<int, std::int64_t>> heads;
    std::string words;
    const auto add = [&](const std::string& what) {
        if (words.size() < 400) words += (words.empty() ? "" : "; ") + what;
    };
    std::vector<Cursor> cursors;
    for (const auto& service : kLogs) {
        Database database(setting, service);
        database.rows(
            "select l.lane, l.position, coalesce(r.published, 0) from lanes l "
            "left join lane_relay r using (lane)",
            [&](PGresult* r, int row) {
                heads[service][static_cast<int>(number(r, row, 0))] = number(r, row, 1);
                if (number(r, row, 1) != number(r, row, 2))
                    add(service + " lane " + text(r, row, 0) + " is published up to " +
                        text(r, row, 2) + " of " + text(r, row, 1));
            });
        database.rows("select source, lane, position from cursors", [&](PGresult* r, int row) {
            cursors.push_back(
                {service, text(r, row, 0), static_cast<int>(number(r, row, 1)), number(r, row, 2)});
        });
        database.rows(
            "select kind, count(*) from work where due_at <= now() + interval '60 s' group by kind",
            [&](PGresult* r, int row) {
                add(service + " has " + text(r, row, 1) + " rows of work " + text(r, row, 0));
            });
    }
    for (const auto& cursor : cursors)
        if (const auto source = heads.find(cursor.source);
            source != heads.end() && source->second[cursor.lane] != cursor.position)
            add(cursor.service + " stands at " + std::to_string(cursor.position) + " of " +
                std::to_string(source->second[cursor.lane]) + " in " + cursor.source + " lane " +
                std::to_string(cursor.lane));
    return words;
}

}  // namespace flowstack::chaos
