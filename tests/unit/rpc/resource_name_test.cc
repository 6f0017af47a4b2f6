#include "common/rpc/resource_name.h"

#include <gtest/gtest.h>

#include "common/rpc/error.h"
#include "common/rpc/timestamp.h"

namespace flowstack::rpc {
namespace {

TEST(ResourceName, IsTakenApartAsItWasPutTogether) {
    const auto name = resource_name("duka", "orders", "o1");
    EXPECT_EQ(name, "tenants/duka/orders/o1");
    EXPECT_EQ(parse_name(name, "orders"), (ResourceName{.tenant = "duka", .id = "o1"}));
    EXPECT_EQ(parse_parent(tenant_name("duka")), "duka");
}

TEST(ResourceName, OfAnotherFormNamesTheFieldAndTheForm) {
    const auto refused = [](const std::string& name) {
        try {
            parse_name(name, "orders", "order");
        } catch (const Failure& failure) {
            return failure.fields.at(0).field + " " + failure.fields.at(0).description;
        }
        return std::string("taken");
    };
    for (const auto& name :
         {"", "tenants", "tenants/", "tenants/duka", "tenants/duka/orders", "tenants/duka/orders/",
          "tenants//orders/o1", "tenants/duka/ordersx/o1", "tenants/duka/invoices/o1",
          "tenants/duka/orders/o1/x", "orders/o1", "/tenants/duka/orders/o1"})
        EXPECT_EQ(refused(name), "order must be tenants/{tenant}/orders/{id}") << name;
    EXPECT_NE(refused("tenants/duka/orders/" + std::string(kResourceIdBytesMax + 1, 'x')), "taken");
    EXPECT_EQ(refused("tenants/duka/orders/" + std::string(kResourceIdBytesMax, 'x')), "taken");
    for (const auto& parent : {"", "tenants/", "tenants/duka/", "duka", "tenants/duka/orders/o1"})
        EXPECT_THROW(parse_parent(parent), Failure) << parent;
    try {
        parse_parent("duka", "name");
        FAIL() << "taken";
    } catch (const Failure& failure) {
        EXPECT_EQ(failure.fields.at(0).field, "name");
    }
}

TEST(Timestamp, KeepsMicrosecondsAlsoBefore1970) {
    for (const std::int64_t micros : {1'750'000'000'123'456LL, 0LL, -1LL, -1'000'001LL}) {
        google::protobuf::Timestamp wire;
        set_time(wire, from_unix_micros(micros));
        EXPECT_GE(wire.nanos(), 0) << micros;
        EXPECT_EQ(unix_micros(time_of(wire)), micros);
    }
}

}  // namespace
}  // namespace flowstack::rpc
