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

// What the service's RPCs work with; it must outlive them.
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
    const crypto::RootKey& root_key;
};

struct NamedService {
    std::unique_ptr<grpc::Service> service;
    std::string full_name;
};

// Orders (rpc_orders.cc).
std::vector<NamedService> make_order_services(const Doors& doors);
// Refunds (rpc_refunds.cc).
std::vector<NamedService> make_refund_services(const Doors& doors);
// Invoices, ledger: what is only read (rpc_reads.cc).
std::vector<NamedService> make_read_services(const Doors& doors);
// Payments and provider accounts (rpc_payments.cc).
std::vector<NamedService> make_payment_services(const Doors& doors);

}  // namespace flowstack::payment
