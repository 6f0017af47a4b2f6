#include "services/conversation/adapters/content.h"

#include <algorithm>

#include "common/observability/log.h"
#include "services/conversation/domain/flow/text.h"

namespace flowstack::conversation {
namespace {

constexpr std::size_t kFlowsKept = 1'000;

// Fits a shared_ptr of something that lives as long as the process.
std::shared_ptr<const Flow> unowned(const Flow& flow) {
    return {std::shared_ptr<const Flow>{}, &flow};
}

void reread(Books& books, const std::string& tenant, const std::string& key, Snapshot& s) {
    const auto slash = key.find('/');
    const auto what = key.substr(0, slash);
    const auto id = key.substr(slash + 1);
    const auto name = stream(tenant, what, id);
    if (what == category::kProduct) {
        auto folded = books.products.load(name);
        if (folded.state.product.exists())
            s.stored_products[id] = {std::move(folded.state), folded.version};
    } else if (what == category::kPromotion) {
        auto folded = books.promotions.load(name);
        if (folded.state) s.stored_promotions[id] = {std::move(*folded.state), folded.version};
    } else if (what == category::kTopic) {
        auto folded = books.topics.load(name);
        if (folded.version > 0) s.stored_topics[id] = {std::move(folded.state), folded.version};
    } else if (what == category::kService) {
        auto folded = books.services.load(name);
        if (folded.version > 0) s.stored_services[id] = {std::move(folded.state), folded.version};
    } else if (what == category::kBookingSettings) {
        auto folded = books.booking_settings.load(name);
        s.booking_settings = {std::move(folded.state), folded.version};
    } else if (what == category::kCalendar) {
        s.calendars[id] = books.calendars.load(name).state;
    } else if (what == category::kTemplate) {
        auto folded = books.templates.load(name);
        if (folded.state.exists())
            s.stored_templates[id] = std::move(folded.state);
        else
            s.stored_templates.erase(id);
    } else if (what == category::kFlow) {
        auto folded = books.flows.load(name);
        if (folded.version > 0) s.flows[id] = std::move(folded.state);
    }
}

}  // namespace

void ContentCache::touch(const std::string& tenant, const std::string& key) {
    const std::lock_guard lock(mutex_);
    tenants_[tenant].dirty.insert(key);
}

std::shared_ptr<const Snapshot> ContentCache::of(const std::string& tenant) {
    std::set<std::string> dirty;
    std::shared_ptr<const Snapshot> last;
    {
        const std::lock_guard lock(mutex_);
        auto& known = tenants_[tenant];
        if (known.dirty.empty()) return known.snapshot;
        dirty.swap(known.dirty);
        last = known.snapshot;
    }
    auto next = std::make_shared<Snapshot>(*last);
    try {
        for (const auto& key : dirty) reread(books_, tenant, key, *next);
    } catch (...) {
        const std::lock_guard lock(mutex_);
        tenants_[tenant].dirty.insert(dirty.begin(), dirty.end());
        throw;
    }
    next->products.clear();
    for (const auto& [id, stored] : next->stored_products)
        next->products.push_back(stored.value.product);
    std::stable_sort(
        next->products.begin(), next->products.end(),
        [](const Product& a, const Product& b) { return plain(a.name) < plain(b.name); });
    next->promotions.clear();
    for (const auto& [id, stored] : next->stored_promotions)
        next->promotions.push_back(stored.value);
    next->topics.clear();
    for (const auto& [id, stored] : next->stored_topics) next->topics.push_back(stored.value.topic);
    next->services.clear();
    for (const auto& [id, stored] : next->stored_services)
        next->services.push_back(stored.value.service);
    next->templates.clear();
    for (const auto& [key, stored] : next->stored_templates) next->templates[key] = stored.current;

    const std::lock_guard lock(mutex_);
    auto& known = tenants_[tenant];
    // Two readers may have reread different keys at once: the second one's are simply reread again.
    if (known.snapshot != last) known.dirty.insert(dirty.begin(), dirty.end());
    known.snapshot = next;
    return next;
}

ContentCache::Current ContentCache::current(const std::string& tenant, const std::string& pack) {
    const auto snapshot = of(tenant);
    if (const auto own = snapshot->flows.find(pack); own != snapshot->flows.end())
        return {pack, own->second.version, flow(tenant, pack, own->second.version)};
    return {pack, 0, flow(tenant, pack, 0)};
}

std::shared_ptr<const Flow> ContentCache::flow(const std::string& tenant, const std::string& key,
                                               std::int64_t version) {
    if (version == 0) {
        const auto pack = packs_.flows.find(key);
        return pack == packs_.flows.end() ? nullptr : unowned(pack->second);
    }
    const std::tuple id{tenant, key, version};
    {
        const std::lock_guard lock(mutex_);
        if (const auto known = flows_.find(id); known != flows_.end()) return known->second;
    }
    const auto snapshot = of(tenant);
    std::string document;
    if (const auto latest = snapshot->flows.find(key);
        latest != snapshot->flows.end() && latest->second.version == version) {
        document = latest->second.document_json;
    } else {
        const auto events = store_.read_stream(stream(tenant, category::kFlow, key), version);
        if (events.empty() || events.front().version != version) return nullptr;
        document = decode_flow(events.front().type, events.front().payload).document_json;
    }
    std::shared_ptr<const Flow> flow;
    try {
        flow = std::make_shared<const Flow>(with_base(parse_flow(document), packs_.base));
    } catch (const BadDocument& bad) {
        // It was good when it was published: a format that this build no longer reads.
        log::error("a published flow cannot be read", {{"tenant", tenant},
                                                       {"flow", key},
                                                       {"version", version},
                                                       {"error", std::string(bad.what())}});
        return nullptr;
    }
    const std::lock_guard lock(mutex_);
    if (flows_.size() >= kFlowsKept) flows_.clear();
    flows_[id] = flow;
    return flow;
}

}  // namespace flowstack::conversation
