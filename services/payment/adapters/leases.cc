#include "services/payment/adapters/leases.h"

namespace flowstack::payment {

bool Leases::take(const std::string& name, std::chrono::milliseconds duration) {
    return pool_.with([&](postgres::Session& session) {
        const auto result = session.query(
            "insert into leases (name, holder, version, value, expires_at) "
            "values ($1, $2, 1, '', clock_timestamp() + $3 * interval '1 millisecond') "
            "on conflict (name) do update set holder = excluded.holder, "
            "version = leases.version + 1, expires_at = excluded.expires_at "
            "where leases.expires_at <= clock_timestamp() returning version",
            postgres::Params().add(name).add(holder_).add(
                static_cast<std::int64_t>(duration.count())));
        return result.rows() == 1;
    });
}

void Leases::release(const std::string& name) {
    pool_.with([&](postgres::Session& session) {
        session.query(
            "update leases set expires_at = clock_timestamp() where name = $1 and "
            "holder = $2",
            postgres::Params().add(name).add(holder_));
    });
}

std::optional<Leases::Value> Leases::read(const std::string& name) {
    return pool_.with([&](postgres::Session& session) -> std::optional<Value> {
        const auto result = session.query(
            "select value, version, expires_at > clock_timestamp() from leases where name = $1",
            postgres::Params().add(name));
        if (result.rows() == 0) return {};
        return Value{result.text(0, 0), result.int8(0, 1), result.boolean(0, 2)};
    });
}

std::int64_t Leases::write(const std::string& name, const std::string& bytes,
                           std::chrono::milliseconds lifetime) {
    return pool_.with([&](postgres::Session& session) {
        const auto result = session.query(
            "insert into leases (name, holder, version, value, expires_at) "
            "values ($1, $2, 1, $3, clock_timestamp() + $4 * interval '1 millisecond') "
            "on conflict (name) do update set holder = excluded.holder, value = excluded.value, "
            "version = leases.version + 1, expires_at = excluded.expires_at returning version",
            postgres::Params().add(name).add(holder_).add_bytes(bytes).add(
                static_cast<std::int64_t>(lifetime.count())));
        return result.int8(0, 0);
    });
}

}  // namespace flowstack::payment
