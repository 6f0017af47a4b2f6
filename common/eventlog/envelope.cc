#include "common/eventlog/envelope.h"

#include <cstring>
#include <optional>
#include <stdexcept>

#include "common/eventlog/store.h"
#include "flowstack/common/v1/recorded_event.pb.h"

namespace flowstack::eventlog {
namespace {

std::int64_t micros(Time at) { return at.time_since_epoch().count(); }
Time from_micros(std::int64_t us) { return Time{std::chrono::microseconds{us}}; }

// Protobuf's wire format, as much of it as an envelope needs.
void put_varint(std::string& out, std::uint64_t value) {
    while (value >= 0x80) {
        out.push_back(static_cast<char>(value | 0x80));
        value >>= 7;
    }
    out.push_back(static_cast<char>(value));
}
void put_number(std::string& out, std::uint32_t field, std::int64_t value) {
    if (value == 0) return;
    put_varint(out, field << 3);
    put_varint(out, static_cast<std::uint64_t>(value));
}
void put_bytes(std::string& out, std::uint32_t field, std::string_view bytes) {
    put_varint(out, field << 3 | 2);
    put_varint(out, bytes.size());
    out.append(bytes);
}
void put_text(std::string& out, std::uint32_t field, std::string_view text) {
    if (!text.empty()) put_bytes(out, field, text);
}

// Takes a varint off the front.
std::optional<std::uint64_t> take_varint(std::string_view& bytes) {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
        const auto byte = static_cast<unsigned char>(bytes.front());
        bytes.remove_prefix(1);
        value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) return value;
    }
    return std::nullopt;
}

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
    meta.role = proto.role();
    meta.reason = proto.reason();
    meta.source_address = proto.source_address();
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
    proto.set_role(meta.role);
    proto.set_reason(meta.reason);
    proto.set_source_address(meta.source_address);
    return proto.SerializeAsString();
}

void read_meta(Recorded& event) {
    common::v1::EventMeta proto;
    if (!proto.ParseFromString(event.meta_bytes))
        throw std::invalid_argument("envelope: meta does not decode");
    read(proto, event);
}

std::string to_bus(const Recorded& event) {
    // Written field by field: `meta` and `payload` are spliced in as they are stored, so nothing is
    // parsed and serialised again. A test holds it equal to protobuf's own bytes.
    const bool omitted =
        event.is_private || event.payload_omitted || event.payload.size() > kBusEventBytesMax;
    std::string out;
    out.reserve(192 + event.meta_bytes.size() + (omitted ? 0 : event.payload.size()));
    put_text(out, 1, event.service);
    put_number(out, 2, event.lane);
    put_number(out, 3, event.epoch);
    put_number(out, 4, event.position);
    put_text(out, 5, event.stream.tenant);
    put_text(out, 6, event.stream.category);
    put_text(out, 7, event.stream.key);
    put_number(out, 8, event.version);
    put_text(out, 9, event.event_id.raw());
    put_text(out, 10, event.type);
    put_number(out, 11, micros(event.recorded_at));
    put_number(out, 12, micros(event.occurred_at));
    put_text(out, 13, event.command_id);
    put_bytes(out, 14, event.meta_bytes);  // a message field is there even when it is empty
    if (!omitted) put_text(out, 15, event.payload);
    if (omitted) put_number(out, 16, 1);
    return out;
}

std::int64_t position_of(std::string_view bytes) {
    constexpr std::uint64_t kService = 1 << 3 | 2, kPosition = 4 << 3;
    while (const auto tag = take_varint(bytes)) {
        const auto value = take_varint(bytes);
        if (!value || *tag > kPosition) return 0;
        if (*tag == kPosition) return static_cast<std::int64_t>(*value);
        if (*tag != kService) continue;  // lane and epoch are numbers too
        if (*value > bytes.size()) return 0;
        bytes.remove_prefix(*value);
    }
    return 0;
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
