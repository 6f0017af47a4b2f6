#pragma once

#include <memory>

#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/eventlog/read_model.h"
#include "common/eventlog/store.h"
#include "common/service/contacts.h"
#include "common/service/tenants.h"

namespace flowstack::metrics {
class Registry;
}
namespace grpc {
class Service;
}
namespace flowstack::rpc {
class Server;
}

// flowstack.campaign.v1.CampaignService. The answers' shapes and errors are in
// campaign_service.proto.
namespace flowstack::campaign {

inline constexpr const char* kCampaignServiceName = "flowstack.campaign.v1.CampaignService";

// What the service's RPCs work with; it must outlive them.
struct Doors {
    rpc::Server& rpc;
    eventlog::Store& store;
    eventlog::ReadModel& read_model;
    service::Tenants& tenants;
    service::Contacts& contacts;
    const Clock& clock;
    IdSource& ids;
    metrics::Registry& metrics;
};

std::shared_ptr<grpc::Service> make_campaign_rpc(const Doors& doors);

}  // namespace flowstack::campaign
