#include "common/keys/data_keys.h"

#include <set>

namespace flowstack::keys {
namespace {

std::string owner_of(const std::string& tenant) {
    return tenant.empty() ? "this service's own data key" : "the data key of tenant " + tenant;
}

std::string what_to_do() {
    return "Give the key as MASTER_KEY_OTHER (or VAULT_ADDRESS, where a KMS wrapped it), let "
           "`flowctl data-keys rewrap` run until none is left, and take it out again then.";
}

constexpr const char* kFind = "select wrapped from data_keys where tenant = $1";

}  // namespace

std::shared_ptr<const crypto::Envelope> DataKeys::kept(const std::string& tenant) const {
    return kept_.with([&](const auto& all) -> std::shared_ptr<const crypto::Envelope> {
        const auto found = all.find(tenant);
        return found == all.end() ? nullptr : found->second;
    });
}

std::shared_ptr<const crypto::Envelope> DataKeys::opened(const std::string& tenant,
                                                         const std::string& wrapped) {
    const std::string version(crypto::version_of(wrapped));
    if (!wrapper_.opens(version))
        throw crypto::KeysRefused(owner_of(tenant) + " is wrapped under " + version +
                                  ", which is not given here. " + what_to_do());
    auto envelope = crypto::Envelope::load(wrapper_, tenant, wrapped);
    if (!envelope)
        throw crypto::KeysRefused(owner_of(tenant) +
                                  " does not open: its row in data_keys is not "
                                  "what " +
                                  version + " wrapped");
    auto made = std::make_shared<const crypto::Envelope>(std::move(*envelope));
    kept_.with([&](auto& all) {
        if (all.size() >= kKeptMax) all.clear();
        all[tenant] = made;
    });
    return made;
}

std::shared_ptr<const crypto::Envelope> DataKeys::find(const std::string& tenant) {
    if (auto known = kept(tenant)) return known;
    const auto row = pool_.with([&](postgres::Session& session) {
        return session.query(kFind, postgres::Params().add(tenant));
    });
    return row.rows() == 0 ? nullptr : opened(tenant, row.text(0, 0));
}

std::shared_ptr<const crypto::Envelope> DataKeys::of(const std::string& tenant) {
    if (auto known = find(tenant)) return known;
    // Two processes may make one at the same time: what is stored first counts for both.
    const auto created = crypto::Envelope::create(wrapper_, tenant);
    const auto row = pool_.with([&](postgres::Session& session) {
        session.query(
            "insert into data_keys (tenant, wrapped) values ($1, $2) on conflict (tenant) do "
            "nothing",
            postgres::Params().add(tenant).add(created.wrapped_key));
        return session.query(kFind, postgres::Params().add(tenant));
    });
    return opened(tenant, row.text(0, 0));
}

Status DataKeys::status() {
    Status status{.wraps = wrapper_.version(), .versions = {}, .left = 0};
    const auto rows = pool_.with([&](postgres::Session& session) {
        return session.query("select wrapped_under, count(*) from data_keys group by 1");
    });
    std::map<std::string, std::int64_t> counts;
    for (auto& version : wrapper_.versions()) counts[std::move(version)] = 0;
    for (int row = 0; row < rows.rows(); ++row) counts[rows.text(row, 0)] = rows.int8(row, 1);
    for (const auto& [name, count] : counts) {
        status.versions.push_back({name, count, wrapper_.opens(name)});
        if (name != status.wraps) status.left += count;
    }
    return status;
}

void DataKeys::check_all_open() {
    std::string closed;
    for (const auto& version : status().versions)
        if (version.data_keys > 0 && !version.opens)
            closed += (closed.empty() ? "" : ", ") + std::to_string(version.data_keys) +
                      " wrapped under " + version.name;
    if (!closed.empty())
        throw crypto::KeysRefused("data keys do not open with the keys that are given: " + closed +
                                  ". " + what_to_do());
}

std::int64_t DataKeys::rewrap(int limit) {
    std::vector<std::string> old;
    for (const auto& version : status().versions)
        if (version.opens && version.name != wrapper_.version()) old.push_back(version.name);
    if (old.empty()) return 0;
    const auto rows = pool_.with([&](postgres::Session& session) {
        return session.query(
            "select tenant, wrapped from data_keys where wrapped_under = any($1) order by tenant "
            "limit $2",
            postgres::Params().add_array(std::span<const std::string>(old)).add(limit));
    });
    std::int64_t rewrapped = 0;
    for (int row = 0; row < rows.rows(); ++row) {
        const auto tenant = rows.text(row, 0), before = rows.text(row, 1);
        const auto now = wrapper_.rewrap(before, tenant);
        if (!now)
            throw crypto::KeysRefused(owner_of(tenant) +
                                      " does not open: its row in data_keys is not what " +
                                      std::string(crypto::version_of(before)) + " wrapped");
        rewrapped += pool_.with([&](postgres::Session& session) {
            return session
                .query(
                    "update data_keys set wrapped = $3, wrapped_at = now() where tenant = $1 and "
                    "wrapped = $2",
                    postgres::Params().add(tenant).add(before).add(*now))
                .affected();
        });
    }
    return rewrapped;
}

}  // namespace flowstack::keys
