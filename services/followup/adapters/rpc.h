#pragma once

#include <memory>

#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/eventlog/folds.h"
#include "common/eventlog/read_model.h"
#include "common/service/contacts.h"
#include "common/service/tenants.h"
#include "services/followup/adapters/task_codec.h"

namespace grpc {
class Service;
}
namespace flowstack::rpc {
class Server;
}

// flowstack.followup.v1.TaskService. The answers' shapes and errors are in task_service.proto.
namespace flowstack::followup {

inline constexpr const char* kTaskServiceName = "flowstack.followup.v1.TaskService";

struct TaskRpcParts {
    rpc::Server& door;
    eventlog::Store& store;
    eventlog::ReadModel& read_model;
    service::Tenants& tenants;
    service::Contacts& contacts;
    const Clock& clock;
    IdSource& ids;
};

// The parts must outlive the service.
std::shared_ptr<grpc::Service> make_task_rpc(const TaskRpcParts& parts);

}  // namespace flowstack::followup
