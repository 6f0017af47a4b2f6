#include "common/eventlog/envelope.h"

#include <cstring>
#include <stdexcept>

#include "common/eventlog/store.h"
#include "flowstack/common/v1/recorded_event.pb.h"

namespace flowstack::eventlog {
namespace {

std::int64_t micros(Time at) { return at.time_since_epoch().count(); }
Time from_micros(std::int64_t us) { return Time{std::chrono::microseconds{us}}; }

void read(const common::v1::EventMeta& proto, Recorded& event) {
    auto& meta = event.meta;
    const auto kind = routing_kind_from(proto.routing_kind());
    if (!kind) throw std::invalid_argument("envelope: routing kind '" + proto.routing_kind() + "'");
    meta.routing = {*kind, proto.routing_key()};
    meta.actor = proto.actor();
    meta.request_hash = proto.request_hash();
    meta.correlation_id = proto.correlation_id();
    if (proto.has_causation())
        meta.causation = Position{proto.causation().service(), proto.causation().lane(),
                                  proto.causation().position()};
    meta.settings_version = proto.settings_version();
    meta.traceparent = proto.traceparent();
    event.is_private = proto.private_();
}

}  // namespace

const char* const kEventColumns =
    "lane, position, epoch, tenant, category, key, version, event_id, type, recorded_at, "
    "occurred_at, "
    "command_id, meta, payload";

Recorded recorded_from(const postgres::Result& result, int row, const std::string& service) {
    Recorded event;
    event.service = service;
    event.lane = result.int4(row, 0);
    event.position = result.int8(row, 1);
    event.epoch = result.int4(row, 2);
    event.stream = {result.text(row, 3), result.text(row, 4), result.text(row, 5)};
    event.version = result.int8(row, 6);
    event.event_id = result.uuid(row, 7);
    event.type = result.text(row, 8);
    event.recorded_at = result.time(row, 9);
    event.occurred_at = result.time(row, 10);
    event.command_id = result.text(row, 11);
    event.meta_bytes = result.text(row, 12);
    event.payload = result.text(row, 13);
    read_meta(event);
    return event;
}

std::string meta_bytes(const Meta& meta, bool is_private, const std::string& build_id) {
    common::v1::EventMeta proto;
    proto.set_routing_kind(std::string(text_of(meta.routing.kind)));
    proto.set_routing_key(meta.routing.key);
    proto.set_actor(meta.actor);
    proto.set_request_hash(meta.request_hash);
    proto.set_correlation_id(meta.correlation_id);
    if (meta.causation) {
        proto.mutable_causation()->set_service(meta.causation->service);
        proto.mutable_causation()->set_lane(meta.causation->lane);
        proto.mutable_causation()->set_position(meta.causation->position);
    }
    proto.set_settings_version(meta.settings_version);
    proto.set_traceparent(meta.traceparent);
    proto.set_build_id(build_id);
    proto.set_private_(is_private);
    return proto.SerializeAsString();
}

void read_meta(Recorded& event) {
    common::v1::EventMeta proto;
    if (!proto.ParseFromString(event.meta_bytes))
        throw std::invalid_argument("envelope: meta does not decode");
    read(proto, event);
}

std::string to_bus(const Recorded& event) {
    common::v1::RecordedEvent proto;
    proto.set_service(event.service);
    proto.set_lane(event.lane);
    proto.set_epoch(event.epoch);
    proto.set_position(event.position);
    proto.set_tenant(event.stream.tenant);
    proto.set_category(event.stream.category);
    proto.set_key(event.stream.key);
    proto.set_version(event.version);
    proto.set_event_id(event.event_id.bytes.data(), event.event_id.bytes.size());
    proto.set_type(event.type);
    proto.set_recorded_at_us(micros(event.recorded_at));
    proto.set_occurred_at_us(micros(event.occurred_at));
    proto.set_command_id(event.command_id);
    if (!proto.mutable_meta()->ParseFromString(event.meta_bytes))
        throw std::invalid_argument("envelope: meta does not decode");
    if (event.is_private || event.payload.size() > kBusEventBytesMax)
        proto.set_payload_omitted(true);
    else
        proto.set_payload(event.payload);
    return proto.SerializeAsString();
}

Recorded from_bus(std::string_view bytes) {
    common::v1::RecordedEvent proto;
    if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
        throw std::invalid_argument("envelope: the record does not decode");
    if (proto.event_id().size() != 16 || proto.position() < 1)
        throw std::invalid_argument("envelope: no event id or position");
    Recorded event;
    event.service = proto.service();
    event.lane = proto.lane();
    event.epoch = proto.epoch();
    event.position = proto.position();
    event.stream = {proto.tenant(), proto.category(), proto.key()};
    event.version = proto.version();
    std::memcpy(event.event_id.bytes.data(), proto.event_id().data(), 16);
    event.type = proto.type();
    event.recorded_at = from_micros(proto.recorded_at_us());
    event.occurred_at = from_micros(proto.occurred_at_us());
    event.command_id = proto.command_id();
    event.meta_bytes = proto.meta().SerializeAsString();
    read(proto.meta(), event);
    event.payload_omitted = proto.payload_omitted();
    event.payload = std::move(*proto.mutable_payload());
    return event;
}

}  // namespace flowstack::eventlog
