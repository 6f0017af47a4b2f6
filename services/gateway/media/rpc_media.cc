#include "services/gateway/media/rpc_media.h"

#include <google/protobuf/timestamp.pb.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "common/eventlog/payload.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/server.h"
#include "common/service/pages.h"
#include "flowstack/gateway/v1/media_events.pb.h"
#include "flowstack/gateway/v1/media_service.grpc.pb.h"
#include "services/gateway/adapters/codec.h"
#include "services/gateway/adapters/projections.h"
#include "services/gateway/adapters/resources.h"
#include "services/gateway/media/media_store.h"

namespace flowstack::gateway {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr std::size_t kMimeTypeMax = 120;

// "image/jpeg", "audio/ogg; codecs=opus": it goes into headers of HTTP.
bool is_mime_type(std::string_view text) {
    const auto slash = text.find('/');
    return slash != std::string_view::npos && slash > 0 && slash + 1 < text.size() &&
           text.size() <= kMimeTypeMax && std::ranges::all_of(text, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      std::string_view("/.+-; =_").find(c) != std::string_view::npos;
           });
}

v1::Media resource_of(const std::string& tenant, const v1::MediaUploaded& uploaded, Time at) {
    v1::Media media;
    media.set_name(rpc::resource_name(tenant, "media", uploaded.sha256()));
    media.set_media_id(uploaded.sha256());
    media.set_state("STORED");
    media.set_mime_type(uploaded.mime_type());
    media.set_size_bytes(uploaded.size_bytes());
    set_time(*media.mutable_create_time(), at);
    return media;
}

class MediaRpc final : public v1::MediaService::CallbackService {
public:
    explicit MediaRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* UploadMedia(CallbackServerContext* context,
                                    const v1::UploadMediaRequest* request,
                                    v1::Media* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call& call) { upload(call, *request, *response); });
    }
    ServerUnaryReactor* GetMedia(CallbackServerContext* context, const v1::GetMediaRequest* request,
                                 v1::Media* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            *response = known(rpc::parse_name(request->name(), "media"));
        });
    }
    ServerUnaryReactor* ListMedia(CallbackServerContext* context,
                                  const v1::ListMediaRequest* request,
                                  v1::ListMediaResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            response->set_next_page_token(service::list<v1::Media>(
                doors_.read_model, *request,
                {.tenant = rpc::parse_parent(request->parent()),
                 .kind = kMediaDocument,
                 .parent = request->customer_id()},
                [&](v1::Media media) { *response->add_media() = std::move(media); }));
        });
    }

private:
    void upload(rpc::Call& call, const v1::UploadMediaRequest& request, v1::Media& response) {
        const auto tenant = rpc::parse_parent(request.parent());
        if (!doors_.directory.tenant(tenant)) throw rpc::not_found(rpc::tenant_name(tenant));
        if (!is_mime_type(request.mime_type()))
            throw rpc::invalid_field("mime_type", "must be a media type, e.g. image/jpeg");
        if (request.content().empty() || request.content().size() > kUploadBytesMax)
            throw rpc::invalid_field("content", "must have 1 to 3145728 bytes");
        auto effect =
            one_effect(doors_, call, "UploadMedia", tenant, request.request_id(), request);
        v1::MediaUploaded uploaded;
        uploaded.set_mime_type(request.mime_type());
        uploaded.set_size_bytes(static_cast<std::int64_t>(request.content().size()));
        // The bytes first: what is recorded is there.
        uploaded.set_sha256(doors_.media->keep(
            tenant, {.bytes = request.content(), .mime_type = request.mime_type()}));
        Time at = doors_.clock.now();
        const auto events = effect.run([&]() -> std::optional<eventlog::Command> {
            eventlog::Command command;
            command.meta.routing = by_tenant(tenant);
            command.parts.push_back({media_stream(tenant, uploaded.sha256()),
                                     eventlog::kAny,
                                     {eventlog::stored(uploaded, at)}});
            return command;
        });
        if (!events.empty()) at = events.front().recorded_at;
        response = resource_of(tenant, uploaded, at);
    }

    v1::Media known(const ResourceName& name) {
        v1::Media media;
        if (const auto body = doors_.read_model.get(name.tenant, kMediaDocument, name.id);
            body && media.ParseFromString(*body))
            return media;
        // Uploaded a moment ago.
        for (const auto& event : doors_.store.read_stream(media_stream(name.tenant, name.id)))
            if (eventlog::is<v1::MediaUploaded>(event))
                return resource_of(name.tenant, eventlog::parsed<v1::MediaUploaded>(event),
                                   event.recorded_at);
        throw rpc::not_found(rpc::resource_name(name.tenant, "media", name.id));
    }

    Doors doors_;
};

}  // namespace

NamedService make_media_service(const Doors& doors) {
    return {std::make_unique<MediaRpc>(doors), v1::MediaService::service_full_name()};
}

}  // namespace flowstack::gateway
