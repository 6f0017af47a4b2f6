#include "services/gateway/inbound/rpc_notices.h"

#include <google/protobuf/timestamp.pb.h>
#include <grpcpp/grpcpp.h>

#include "common/rpc/resource_name.h"
#include "common/rpc/server.h"
#include "common/service/pages.h"
#include "flowstack/gateway/v1/notice_service.grpc.pb.h"
#include "services/gateway/adapters/projections.h"

namespace flowstack::gateway {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

class NoticeRpc final : public v1::NoticeService::CallbackService {
public:
    explicit NoticeRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* ListNotices(CallbackServerContext* context,
                                    const v1::ListNoticesRequest* request,
                                    v1::ListNoticesResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto kind = request->kind() == v1::NOTICE_KIND_UNSPECIFIED
                                  ? std::string()
                                  : v1::NoticeKind_Name(request->kind());
            response->set_next_page_token(service::list<v1::Notice>(
                doors_.read_model, *request,
                {.tenant = rpc::parse_parent(request->parent()),
                 .kind = kNoticeDocument,
                 .state = kind},
                [&](v1::Notice notice) { *response->add_notices() = std::move(notice); }));
        });
    }

private:
    Doors doors_;
};

}  // namespace

NamedService make_notice_service(const Doors& doors) {
    return {std::make_unique<NoticeRpc>(doors), v1::NoticeService::service_full_name()};
}

}  // namespace flowstack::gateway
