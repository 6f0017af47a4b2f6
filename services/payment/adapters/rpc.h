#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/core/clock.h"
#include "common/core/ids.h"
#include "common/eventlog/read_model.h"
#include "services/payment/adapters/accounts.h"
#include "services/payment/adapters/settlement.h"
#include "services/payment/config.h"
#include "services/payment/providers/provider.h"

namespace grpc {
class Service;
}
namespace flowstack::rpc {
class Server;
}

// The gRPC doors of this service: proto/flowstack/payment/v1/*_service.proto.
namespace flowstack::payment {

struct Doors {
    rpc::Server& rpc;
    eventlog::Store& store;
    eventlog::ReadModel& read_model;
    Books& books;
    Accounts& accounts;
    const Providers& providers;
    const Clock& clock;
    IdSource& ids;
    const PaymentConfig& config;
};

struct NamedService {
    std::unique_ptr<grpc::Service> service;
    std::string full_name;
};

// Orders, invoices, ledger: what is only read (rpc_reads.cc).
std::vector<NamedService> make_read_services(const Doors& doors);
// Payments and provider accounts (rpc_payments.cc).
std::vector<NamedService> make_payment_services(const Doors& doors);

// "tenants/{tenant}/orders/{order}" taken apart. Throws rpc::Failure that names `field`.
struct ResourceName {
    std::string tenant;
    std::string id;
};
ResourceName parse_name(const std::string& name, const std::string& collection,
                        const std::string& field = "name");
// "tenants/{tenant}"
std::string parse_parent(const std::string& parent);

}  // namespace flowstack::payment
