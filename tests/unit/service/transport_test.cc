#include "common/service/transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "tests/support/certificates.h"

// What settings of gRPC fit together, and what a mistake is called.
namespace flowstack::service {
namespace {

using flowstack::testing::TestCa;
using flowstack::testing::TestFolder;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TransportSettings : public ::testing::Test {
protected:
    TransportSettings() {
        const auto own = ca.issue("URI:spiffe://shop.example/sa/payment");
        set = {{"INTERNAL_KEY", "the key"},
               {"GRPC_AUTH", "certificate"},
               {"GRPC_TLS_CERT_FILE", folder.write("own.pem", own.certificate)},
               {"GRPC_TLS_KEY_FILE", folder.write("own.key", own.key)},
               {"GRPC_TLS_CA_FILE", folder.write("ca.pem", ca.certificate())},
               {"GRPC_TLS_ID", "spiffe://shop.example/sa/{service}"}};
    }

    Transport read() {
        std::vector<std::string> lines;
        for (const auto& [name, value] : set) lines.push_back(name + "=" + value);
        std::vector<const char*> environment;
        for (const auto& line : lines) environment.push_back(line.c_str());
        environment.push_back(nullptr);
        const char* program = "payment";
        config::Reader reader(1, &program, environment.data());
        Transport transport(reader, "payment", {"gateway", "payment"});
        mistakes = reader.mistakes();
        return transport;
    }

    TestFolder folder;
    TestCa ca{"FlowStack test CA"};
    std::map<std::string, std::string> set;
    std::vector<std::string> mistakes;
};

TEST_F(TransportSettings, WithCertificatesNoKeyIsShown) {
    auto transport = read();
    ASSERT_THAT(mistakes, IsEmpty());
    transport.open();
    EXPECT_NE(transport.tls(), nullptr);
    const auto to_gateway = transport.to("gateway");
    EXPECT_TRUE(to_gateway.internal_key.empty());
    EXPECT_EQ(to_gateway.peer_uri, "spiffe://shop.example/sa/gateway");
    EXPECT_EQ(to_gateway.actor, "service:payment");
    EXPECT_EQ(transport.internal_key().reveal(), "the key") << "it signs page tokens";
}

TEST_F(TransportSettings, WhileChangingOverBothAreShown) {
    set["GRPC_AUTH"] = "either";
    auto transport = read();
    ASSERT_THAT(mistakes, IsEmpty());
    transport.open();
    EXPECT_FALSE(transport.to("gateway").internal_key.empty());
    EXPECT_NE(transport.to("gateway").tls, nullptr);
}

TEST_F(TransportSettings, WithTheKeyAloneAllIsAsItWas) {
    set = {{"INTERNAL_KEY", "the key"}};
    auto transport = read();
    ASSERT_THAT(mistakes, IsEmpty());
    transport.open();
    EXPECT_EQ(transport.tls(), nullptr);
    const auto to_gateway = transport.to("gateway");
    EXPECT_EQ(to_gateway.internal_key.reveal(), "the key");
    EXPECT_EQ(to_gateway.peer_uri, "");
    EXPECT_EQ(to_gateway.tls, nullptr);
}

TEST_F(TransportSettings, TheKeyCanBeShownByTls) {
    set["GRPC_AUTH"] = "key";
    auto transport = read();
    ASSERT_THAT(mistakes, IsEmpty());
    transport.open();
    EXPECT_NE(transport.tls(), nullptr);
    EXPECT_FALSE(transport.to("gateway").internal_key.empty());
}

TEST_F(TransportSettings, EverySettingOfTlsIsNeededOrNone) {
    for (const auto* missing :
         {"GRPC_TLS_CERT_FILE", "GRPC_TLS_KEY_FILE", "GRPC_TLS_CA_FILE", "GRPC_TLS_ID"}) {
        const auto value = set[missing];
        set[missing] = "";
        read();
        EXPECT_THAT(mistakes, ElementsAre(HasSubstr(std::string(missing) + ": must be set with")));
        set[missing] = value;
    }
}

TEST_F(TransportSettings, CertificatesAreShownByTlsOnly) {
    for (const auto* proof : {"certificate", "either"}) {
        set = {{"INTERNAL_KEY", "the key"}, {"GRPC_AUTH", proof}};
        read();
        EXPECT_THAT(mistakes, ElementsAre(HasSubstr("GRPC_AUTH: certificates are shown by TLS")));
    }
}

TEST_F(TransportSettings, OtherCallersNeedACertificateToShow) {
    set["GRPC_TLS_CALLERS"] = "operator:ops=spiffe://shop.example/ops";
    read();
    EXPECT_THAT(mistakes, IsEmpty());
    set["GRPC_AUTH"] = "key";
    read();
    EXPECT_THAT(mistakes, ElementsAre(HasSubstr("GRPC_TLS_CALLERS: is not used")));
    set = {{"INTERNAL_KEY", "the key"}, {"GRPC_TLS_CALLERS", "operator:ops=spiffe://x/ops"}};
    read();
    EXPECT_THAT(mistakes, ElementsAre(HasSubstr("GRPC_TLS_CALLERS: is not used")));
}

TEST_F(TransportSettings, NamesThatNameNobodyAreMistakes) {
    set["GRPC_TLS_CALLERS"] = "operator:ops=nobody,ann=spiffe://shop.example/ann";
    read();
    EXPECT_THAT(mistakes, ElementsAre(HasSubstr("GRPC_TLS_CALLERS: nobody does not begin"),
                                      HasSubstr("GRPC_TLS_CALLERS: 'ann' must be")));
    set["GRPC_TLS_CALLERS"] = "";
    set["GRPC_TLS_ID"] = "spiffe://shop.example/sa/payment";
    read();
    EXPECT_THAT(mistakes, ElementsAre(HasSubstr("GRPC_TLS_ID: must hold {service} once")));
}

TEST_F(TransportSettings, ACertificateOfAnotherServiceIsNoticedAtTheStart) {
    set["GRPC_TLS_ID"] = "spiffe://other.example/sa/{service}";
    read();
    EXPECT_THAT(mistakes,
                ElementsAre(HasSubstr("must have spiffe://other.example/sa/payment as its one")));
}

TEST_F(TransportSettings, FilesThatCannotBeUsedAreMistakes) {
    set["GRPC_TLS_KEY_FILE"] = "/no/such/file";
    read();
    EXPECT_THAT(mistakes, ElementsAre(HasSubstr("cannot read /no/such/file")));
}

}  // namespace
}  // namespace flowstack::service
