#include "common/eventlog/turn.h"

#include <set>
#include <utility>

#include "common/eventlog/loop_statements.h"
#include "common/observability/span.h"

namespace flowstack::eventlog {
namespace {

DocumentKey key_of(const Document& document) {
    return {document.tenant, document.kind, document.id};
}

// From a row of kDocument or kDocuments.
Document document_of(const DocumentKey& key, const postgres::Result& row, int at) {
    return {.tenant = std::get<0>(key),
            .kind = std::get<1>(key),
            .id = std::get<2>(key),
            .parent = row.text(at, 0),
            .state = row.text(at, 1),
            .sort_at = row.time(at, 2),
            .body = row.text(at, 3)};
}

}  // namespace

const Document* DocumentCache::find(const DocumentKey& key, int lane) const {
    if (const auto found = unsaved_.find(key); found != unsaved_.end()) return &found->second;
    const auto found = saved_.find(key);
    return found == saved_.end() || found->second.lane != lane ? nullptr : &found->second;
}

void DocumentCache::put_unsaved(const Documents& documents) {
    for (const auto& [key, document] : documents) unsaved_[key] = document;
}

void DocumentCache::saved(const Documents& documents) {
    keep(unsaved_);
    unsaved_.clear();
    keep(documents);
}

void DocumentCache::keep(const Documents& documents) {
    if (saved_.size() + documents.size() > entries_max_) saved_.clear();
    for (const auto& [key, document] : documents) saved_[key] = document;
}

void DocumentCache::clear() {
    unsaved_.clear();
    saved_.clear();
}

void Fates::settle() {
    for (const auto& [command, listener] : std::exchange(listeners_, {})) listener(assumed_, {});
}

void Fates::written(std::span<const Verdict> verdicts) {
    for (const auto& [command, listener] : std::exchange(listeners_, {}))
        listener(Fate::written, verdicts[command]);
}

void Pending::add(const Command& command) {
    commands.push_back(command);
    note(command.parts);
}

void Pending::add_to_last(std::vector<Part> parts) {
    note(parts);
    auto& last = commands.back().parts;
    for (auto& part : parts) last.push_back(std::move(part));
}

void Pending::note(const std::vector<Part>& parts) {
    for (const auto& part : parts) {
        auto& events = events_[part.stream];
        events.insert(events.end(), part.events.begin(), part.events.end());
    }
}

std::span<const NewEvent> Pending::events(const StreamName& stream) const {
    const auto found = events_.find(stream);
    if (found == events_.end()) return {};
    return found->second;
}

void Turn::append(Command command, std::string_view handler, FateListener listener) {
    if (appended_) throw std::logic_error("a second command in one turn, on " + event_.type);
    appended_ = true;
    if (command.id.empty()) command.id = derived_id(handler, 0).text();
    auto& meta = command.meta;
    if (!meta.causation) meta.causation = event_.where();
    if (meta.correlation_id.empty())
        meta.correlation_id = event_.meta.correlation_id.empty() ? event_.event_id.text()
                                                                 : event_.meta.correlation_id;
    if (meta.traceparent.empty()) meta.traceparent = event_.meta.traceparent;
    if (trace::on()) listener = traced(command, std::move(listener));
    if (meta.settings_version == 0) meta.settings_version = event_.meta.settings_version;
    // Ids of events must be the same at every try, whatever time a handler has put on them.
    int n = 0;
    for (auto& part : command.parts)
        for (auto& event : part.events)
            if (!event.id) event.id = derive_id(event_.event_id, command.id, ++n);
    if (listener) pending_.fates.add(pending_.commands.size(), std::move(listener));
    pending_.add(command);
}

const Routing& Turn::routing() const {
    return appended_ ? pending_.commands.back().meta.routing : event_.meta.routing;
}

void Turn::join(std::vector<Part> parts) {
    if (!appended_) {
        Command command;
        command.tenant = event_.stream.tenant;
        command.meta.routing = event_.meta.routing;
        command.parts = std::move(parts);
        return append(std::move(command), "join");
    }
    int n = 0;
    for (auto& part : parts)
        for (auto& event : part.events)
            if (!event.id) event.id = derive_id(event_.event_id, "join", ++n);
    pending_.add_to_last(std::move(parts));
}

FateListener Turn::traced(Command& command, FateListener listener) const {
    const auto parent = trace::parse(command.meta.traceparent);
    if (!parent) return listener;
    const auto topic = "flowstack." + event_.service + ".events";
    const auto span = std::make_shared<trace::Span>(
        trace::Span::begin(trace::SpanKind::consumer, "process " + topic, *parent));
    span->set("messaging.system", "kafka");
    span->set("messaging.operation.name", "process");
    span->set("messaging.operation.type", "process");
    span->set("messaging.destination.name", topic);
    span->set("messaging.destination.partition.id", std::to_string(event_.lane));
    span->set("messaging.message.id", event_.event_id.text());
    span->set("flowstack.event.type", event_.type);
    command.meta.traceparent = span->context().traceparent();
    return [span, context = span->context(), listener = std::move(listener)](
               Fate fate, const Verdict& verdict) {
        if (fate != Fate::written) span->fail(fate == Fate::unknown ? "unknown" : "not_written");
        span->end();
        const trace::Scope scope(context);
        if (listener) listener(fate, verdict);
    };
}

Uuid Turn::derived_id(std::string_view handler, int n) const {
    return derive_id(event_.event_id, handler, n);
}

const Document* Pending::known(const DocumentKey& key, int lane) const {
    if (const auto found = documents.find(key); found != documents.end()) return &found->second;
    return cache == nullptr ? nullptr : cache->find(key, lane);
}

void read_ahead(Store& store, Pending& pending, std::span<const WantedDocument> wanted) {
    std::set<DocumentKey> missing;
    for (const auto& [key, lane] : wanted)
        if (!pending.known(key, lane) && !pending.documents_read.contains(key)) missing.insert(key);
    if (missing.empty()) return;
    std::vector<std::string> tenants, kinds, ids;
    for (const auto& key : missing) {
        tenants.push_back(std::get<0>(key));
        kinds.push_back(std::get<1>(key));
        ids.push_back(std::get<2>(key));
        pending.documents_read[key] = std::nullopt;
    }
    const auto result = store.pool().with([&](postgres::Session& session) {
        return session.query(loops::kDocuments.sql,
                             postgres::Params().add_array(tenants).add_array(kinds).add_array(ids));
    });
    for (int row = 0; row < result.rows(); ++row) {
        auto document = document_of({result.text(row, 4), result.text(row, 5), result.text(row, 6)},
                                    result, row);
        pending.documents_read[key_of(document)] = std::move(document);
    }
}

std::optional<Document> Turn::get(const std::string& tenant, const std::string& kind,
                                  const std::string& id) {
    const DocumentKey key{tenant, kind, id};
    if (const auto* document = pending_.known(key, event_.lane)) {
        if (document->deleted) return std::nullopt;
        return *document;
    }
    if (const auto read = pending_.documents_read.find(key); read != pending_.documents_read.end())
        return read->second;
    const auto result = store_.pool().with([&](postgres::Session& session) {
        return session.query(loops::kDocument.sql,
                             postgres::Params().add(tenant).add(kind).add(id));
    });
    auto& document = pending_.documents_read[key];
    if (result.rows() != 0) document = document_of(key, result, 0);
    return document;
}

std::optional<Document> Turn::own(const std::string& kind) {
    const auto& stream = event_.stream;
    if (event_.version == 1 &&
        pending_.known({stream.tenant, kind, stream.key}, event_.lane) == nullptr)
        return std::nullopt;
    return get(stream.tenant, kind, stream.key);
}

void Turn::put(Document document) {
    document.lane = event_.lane;
    document.position = event_.position;
    auto key = key_of(document);
    pending_.documents[std::move(key)] = std::move(document);
}

}  // namespace flowstack::eventlog
