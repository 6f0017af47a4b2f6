#pragma once

#include <memory>

namespace grpc {
class Service;
}
namespace flowstack::rpc {
class Server;
}

namespace flowstack::keys {

class DataKeys;

// flowstack.common.v1.DataKeyService. Both must outlive it.
std::unique_ptr<grpc::Service> make_data_key_service(rpc::Server& door, DataKeys& data_keys);

}  // namespace flowstack::keys
