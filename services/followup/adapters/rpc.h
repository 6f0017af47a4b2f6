#pragma once

#include <memory>

#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/eventlog/folds.h"
#include "common/eventlog/read_model.h"
#include "common/service/contacts.h"
#include "common/service/tenants.h"
#include "services/followup/adapters/codec.h"

namespace grpc {
class Service;
}
namespace flowstack::rpc {
class Server;
}

// flowstack.followup.v1.TaskService. The answers' shapes and errors are in task_service.proto.
namespace flowstack::followup {

inline constexpr const char* kTaskServiceName = "flowstack.followup.v1.TaskService";

// What the service's RPCs work with; it must outlive them.
struct Doors {
    rpc::Server& rpc;
    eventlog::Store& store;
    eventlog::ReadModel& read_model;
    service::Tenants& tenants;
    service::Contacts& contacts;
    const Clock& clock;
    IdSource& ids;
};

std::shared_ptr<grpc::Service> make_task_rpc(const Doors& doors);

}  // namespace flowstack::followup
