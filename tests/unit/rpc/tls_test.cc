#include "common/rpc/tls.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/rpc/admission.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/peer_names.h"
#include "common/rpc/server.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/common/v1/event_log.grpc.pb.h"
#include "tests/support/certificates.h"

// Real handshakes at a gRPC door, with certificates that are made here.
namespace flowstack::rpc {
namespace {

namespace v1 = common::v1;
using flowstack::testing::TestCa;
using flowstack::testing::TestFolder;
using std::chrono::seconds;
using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr seconds kPatience{60};
constexpr const char* kPattern = "spiffe://shop.example/ns/flowstack/sa/{service}";

std::string uri_of(const std::string& service) {
    return "spiffe://shop.example/ns/flowstack/sa/" + service;
}

PeerNames names() {
    auto all = PeerNames::of_services(kPattern, {"gateway", "payment"});
    all.add_caller("operator:ops=spiffe://shop.example/ns/ops/sa/flowctl");
    return all;
}

class Service final : public v1::EventLog::CallbackService {
public:
    explicit Service(Server& door) : door_(door) {}
    // Answers who called, and from which of its ports.
    grpc::ServerUnaryReactor* Heads(grpc::CallbackServerContext* context,
                                    const v1::HeadsRequest* request,
                                    v1::HeadsResponse* response) override {
        return door_.unary(context, *request, [this, context, response](Call&) {
            response->set_service(caller().actor);
            const std::lock_guard lock(mutex_);
            connections_.insert(context->peer());
        });
    }
    std::size_t connections() {
        const std::lock_guard lock(mutex_);
        return connections_.size();
    }

private:
    Server& door_;
    std::mutex mutex_;
    std::set<std::string> connections_;
};

struct Answer {
    grpc::Status status;
    std::string actor;
    std::string reason() const {
        const auto failure = failure_of(status);
        return failure ? reason_text(failure->reason) : "OK";
    }
};

// OpenSSL's own client: what a door shows, and which versions it takes.
class RawHandshake {
public:
    RawHandshake(std::uint16_t port, const std::string& ca_file, int version)
        : context_(SSL_CTX_new(TLS_client_method())), fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        // Without it OpenSSL itself would refuse to offer the old versions.
        SSL_CTX_set_security_level(context_, 0);
        SSL_CTX_set_min_proto_version(context_, version);
        SSL_CTX_set_max_proto_version(context_, version);
        SSL_CTX_load_verify_file(context_, ca_file.c_str());
        SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
        static constexpr unsigned char kHttp2[] = "\x02h2";
        SSL_CTX_set_alpn_protos(context_, kHttp2, sizeof kHttp2 - 1);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
            throw std::runtime_error("RawHandshake: cannot connect");
        const timeval patience{kPatience.count(), 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        ssl_ = SSL_new(context_);
        SSL_set_fd(ssl_, fd_);
        done_ = SSL_connect(ssl_) == 1;
        if (const auto* why = ERR_reason_error_string(ERR_peek_error())) why_ = why;
        ERR_clear_error();
    }
    ~RawHandshake() {
        SSL_free(ssl_);
        SSL_CTX_free(context_);
        ::close(fd_);
    }
    RawHandshake(const RawHandshake&) = delete;

    bool done() const { return done_; }
    const std::string& why() const { return why_; }
    // Tells one certificate from another.
    std::string shown() const {
        const std::unique_ptr<X509, void (*)(X509*)> certificate(SSL_get1_peer_certificate(ssl_),
                                                                 X509_free);
        std::string digest(EVP_MAX_MD_SIZE, '\0');
        unsigned int size = 0;
        X509_digest(certificate.get(), EVP_sha256(),
                    reinterpret_cast<unsigned char*>(digest.data()), &size);
        return digest.substr(0, size);
    }

private:
    SSL_CTX* context_;
    SSL* ssl_ = nullptr;
    int fd_;
    bool done_ = false;
    std::string why_;
};

// What a TlsIdentity tells of its files, in order.
class News {
public:
    TlsIdentity::Listener listener() {
        return [this](std::string_view failure) {
            const std::lock_guard lock(mutex_);
            all_.emplace_back(failure);
            changed_.notify_all();
        };
    }
    // Waits for the next one.
    std::string next() {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, kPatience, [&] { return all_.size() > read_; }))
            return "nothing was told";
        return all_[read_++];
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::string> all_;
    std::size_t read_ = 0;
};

class GrpcTls : public ::testing::Test {
protected:
    void TearDown() override {
        if (server) server->drain(seconds(1));
    }

    // Writes the pair, the key first, and the CA beside it.
    TlsFiles files(const std::string& name, const TestCa::Pem& pem, const std::string& ca_pem) {
        folder.write(name + ".key", pem.key);
        return {folder.write(name + ".pem", pem.certificate), folder.path(name + ".key"),
                folder.write(name + ".ca", ca_pem)};
    }
    TlsFiles files_of(const std::string& name) {
        return files(name, ca.issue("URI:" + uri_of(name)), ca.certificate());
    }
    std::shared_ptr<TlsIdentity> identity(const std::string& name) {
        return std::make_shared<TlsIdentity>(files_of(name));
    }

    void open(Proof proof, std::shared_ptr<const TlsIdentity> tls,
              std::chrono::milliseconds age = std::chrono::hours(1)) {
        server = std::make_unique<Server>(ServerOptions{
            .admission = {.proof = proof, .internal_key = Secret("right key"), .names = names()},
            .tls = std::move(tls),
            .tls_connection_age = age});
        service = std::make_unique<Service>(*server);
        server->add(*service, v1::EventLog::service_full_name());
        server->start();
        server->set_ready(true);
    }
    void open(Proof proof) { open(proof, identity("payment")); }
    std::string address() const { return "127.0.0.1:" + std::to_string(server->port()); }

    static Answer ask(v1::EventLog::Stub& stub, const std::string& actor = "") {
        grpc::ClientContext context;
        set_timeout(context, kPatience);
        if (!actor.empty()) context.AddMetadata(std::string(kActorHeader), actor);
        v1::HeadsResponse response;
        auto status = stub.Heads(&context, {}, &response);
        return {std::move(status), response.service()};
    }
    std::unique_ptr<v1::EventLog::Stub> stub(ChannelOptions options) const {
        return v1::EventLog::NewStub(make_channel(address(), std::move(options)));
    }
    // Each on a connection of its own.
    Answer ask(std::shared_ptr<const TlsIdentity> tls, const std::string& actor = "",
               const std::string& key = "") const {
        return ask(*stub({.internal_key = Secret(key),
                          .tls = std::move(tls),
                          .peer_uri = uri_of("payment"),
                          .attempts_max = 1}),
                   actor);
    }
    // A client that is not ours and sends whatever certificate it has, or none.
    Answer ask_plainly(const TestCa::Pem& pem) const {
        grpc::ChannelArguments arguments;
        arguments.SetSslTargetNameOverride("payment");
        const auto channel = grpc::CreateCustomChannel(
            address(), grpc::SslCredentials({ca.certificate(), pem.key, pem.certificate}),
            arguments);
        return ask(*v1::EventLog::NewStub(channel));
    }

    TestFolder folder;
    TestCa ca{"FlowStack test CA"};
    TestCa other_ca{"A CA that nobody knows"};
    std::unique_ptr<Server> server;
    std::unique_ptr<Service> service;
};

// ------------------------------------------------------------------------ who is let in

TEST_F(GrpcTls, ACertificateSaysWhoCalls) {
    open(Proof::certificate);
    EXPECT_EQ(ask(identity("gateway")).actor, "service:gateway");
    const auto ops = std::make_shared<TlsIdentity>(
        files("ops", ca.issue("URI:spiffe://shop.example/ns/ops/sa/flowctl"), ca.certificate()));
    EXPECT_EQ(ask(ops).actor, "operator:ops");
}

TEST_F(GrpcTls, NoHeaderMakesAnotherServiceOfACaller) {
    open(Proof::certificate);
    const auto gateway = identity("gateway");
    for (const auto* claimed : {"service:payment", "service:", "anonymous", "root"})
        EXPECT_EQ(ask(gateway, claimed).actor, "service:gateway") << claimed;
}

TEST_F(GrpcTls, OnlyOurServicesSpeakForPeopleAndKeys) {
    open(Proof::certificate);
    const auto gateway = identity("gateway");
    for (const auto* named : {"key:7", "operator:ann", "operator", "internal-key"})
        EXPECT_EQ(ask(gateway, named).actor, named);
    const auto ops = std::make_shared<TlsIdentity>(
        files("ops", ca.issue("URI:spiffe://shop.example/ns/ops/sa/flowctl"), ca.certificate()));
    for (const auto* claimed : {"operator:ann", "key:7", "service:gateway"})
        EXPECT_EQ(ask(ops, claimed).actor, "operator:ops") << claimed;
}

TEST_F(GrpcTls, WithoutACertificateACallerIsToldSo) {
    open(Proof::certificate);
    folder.write("ca.pem", ca.certificate());
    const auto nobody = std::make_shared<TlsIdentity>(TlsFiles{"", "", folder.path("ca.pem")});
    // The right key opens nothing here.
    const auto answer = ask(nobody, "service:gateway", "right key");
    EXPECT_EQ(answer.reason(), "UNAUTHENTICATED");
    EXPECT_THAT(answer.status.error_message(), HasSubstr("client certificate"));
}

TEST_F(GrpcTls, ANameThatIsNotKnownMayNothing) {
    open(Proof::certificate);
    for (const auto& name : {"URI:spiffe://shop.example/ns/flowstack/sa/stranger",
                             "URI:spiffe://other.example/ns/flowstack/sa/gateway",
                             "URI:spiffe://shop.example/ns/flowstack/sa/gateway/x"}) {
        const auto stranger =
            std::make_shared<TlsIdentity>(files("stranger", ca.issue(name), ca.certificate()));
        const auto answer = ask(stranger, "", "right key");
        EXPECT_EQ(answer.reason(), "PERMISSION_DENIED") << name;
        EXPECT_THAT(answer.status.error_message(), HasSubstr(std::string(name).substr(4)));
    }
}

TEST_F(GrpcTls, ACertificateHasOneUriOrIsNobodys) {
    open(Proof::certificate);
    for (const auto& wrong : {"DNS:gateway", "DNS:spiffe://shop.example/ns/flowstack/sa/gateway",
                              "URI:spiffe://shop.example/ns/flowstack/sa/gateway,"
                              "URI:spiffe://shop.example/ns/flowstack/sa/payment"}) {
        const auto answer =
            ask(std::make_shared<TlsIdentity>(files("wrong", ca.issue(wrong), ca.certificate())));
        EXPECT_EQ(answer.reason(), "PERMISSION_DENIED") << wrong;
        EXPECT_THAT(answer.status.error_message(), HasSubstr("one URI")) << wrong;
    }
}

TEST_F(GrpcTls, ACertificateOfAnotherCaGetsNoConnection) {
    open(Proof::certificate);
    const auto stranger = std::make_shared<TlsIdentity>(
        files("stranger", other_ca.issue("URI:" + uri_of("gateway")), ca.certificate()));
    EXPECT_EQ(ask(stranger).status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(service->connections(), 0u);
}

TEST_F(GrpcTls, AnExpiredCertificateGetsNoConnection) {
    // The same client with a certificate that is in time comes in.
    auto pem = ca.issue("URI:" + uri_of("payment") + ",DNS:payment");
    open(Proof::certificate, std::make_shared<TlsIdentity>(files("door", pem, ca.certificate())));
    const auto good = ca.issue("URI:" + uri_of("gateway"));
    EXPECT_EQ(ask_plainly(good).actor, "service:gateway");
    const auto expired = ca.issue("URI:" + uri_of("gateway"), seconds(-60));
    EXPECT_EQ(ask_plainly(expired).status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_EQ(service->connections(), 1u);
}

TEST_F(GrpcTls, WhileChangingOverACertificateOrTheKeyIsEnough) {
    open(Proof::either);
    EXPECT_EQ(ask(identity("gateway")).actor, "service:gateway");
    folder.write("ca.pem", ca.certificate());
    const auto nobody = std::make_shared<TlsIdentity>(TlsFiles{"", "", folder.path("ca.pem")});
    EXPECT_EQ(ask(nobody, "service:campaign", "right key").actor, "service:campaign");
    EXPECT_EQ(ask(nobody, "", "wrong key").reason(), "UNAUTHENTICATED");
    EXPECT_EQ(ask(nobody).reason(), "UNAUTHENTICATED");
    // Whoever shows a certificate is its holder, whatever key comes with it.
    const auto stranger = std::make_shared<TlsIdentity>(
        files("stranger", ca.issue("URI:" + uri_of("stranger")), ca.certificate()));
    EXPECT_EQ(ask(stranger, "", "right key").reason(), "PERMISSION_DENIED");
}

TEST_F(GrpcTls, WithTheKeyNoCertificateIsAskedFor) {
    open(Proof::key);
    EXPECT_EQ(ask(identity("gateway"), "service:campaign", "right key").actor, "service:campaign");
    EXPECT_EQ(ask(identity("gateway"), "", "wrong key").reason(), "UNAUTHENTICATED");
    EXPECT_EQ(ask(identity("gateway")).reason(), "UNAUTHENTICATED");
}

TEST_F(GrpcTls, ADoorWithTlsHearsNobodyInTheClear) {
    open(Proof::key);
    const auto answer = ask(*stub({.internal_key = Secret("right key"), .attempts_max = 1}));
    EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

// ------------------------------------------------------------------- whom a caller believes

TEST_F(GrpcTls, ACallerBelievesTheServiceThatItCallsAndNoOther) {
    open(Proof::certificate);
    const auto gateway = identity("gateway");
    const auto asked = [&](const std::string& peer) {
        return ask(*stub({.tls = gateway, .peer_uri = peer, .attempts_max = 1}));
    };
    EXPECT_TRUE(asked(uri_of("payment")).status.ok());
    for (const auto& other : {uri_of("gateway"), uri_of("pay"), uri_of("payments")}) {
        const auto answer = asked(other);
        EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::UNAVAILABLE) << other;
        EXPECT_THAT(answer.status.error_message(), HasSubstr(other));
    }
    // A caller without a name to look for wants the host's.
    EXPECT_FALSE(asked("").status.ok());
}

TEST_F(GrpcTls, ACallerWithoutNamesWantsTheHostsOne) {
    open(Proof::certificate,
         std::make_shared<TlsIdentity>(files(
             "door", ca.issue("URI:" + uri_of("payment") + ",IP:127.0.0.1"), ca.certificate())));
    EXPECT_TRUE(ask(*stub({.tls = identity("gateway"), .attempts_max = 1})).status.ok());
}

TEST_F(GrpcTls, ACallerBelievesNoOtherCa) {
    open(Proof::certificate);
    const auto fooled = std::make_shared<TlsIdentity>(
        files("fooled", ca.issue("URI:" + uri_of("gateway")), other_ca.certificate()));
    EXPECT_EQ(ask(fooled).status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(GrpcTls, ACallerBelievesNoCertificateThatHasExpired) {
    const auto pem = ca.issue("URI:" + uri_of("payment"), seconds(-60));
    grpc::SslServerCredentialsOptions credentials;
    credentials.pem_key_cert_pairs.push_back({pem.key, pem.certificate});
    v1::EventLog::Service old_service;
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(credentials), &port);
    builder.RegisterService(&old_service);
    const auto old_server = builder.BuildAndStart();
    const auto to_it = v1::EventLog::NewStub(make_channel(
        "127.0.0.1:" + std::to_string(port),
        {.tls = identity("gateway"), .peer_uri = uri_of("payment"), .attempts_max = 1}));
    EXPECT_EQ(ask(*to_it).status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

// ---------------------------------------------------------------------------- versions

TEST_F(GrpcTls, VersionsBefore12AreRefused) {
    open(Proof::key);
    folder.write("ca.pem", ca.certificate());
    for (const int old : {TLS1_VERSION, TLS1_1_VERSION}) {
        const RawHandshake raw(server->port(), folder.path("ca.pem"), old);
        EXPECT_FALSE(raw.done());
        // By the door, and not by OpenSSL at our side.
        EXPECT_THAT(raw.why(), AnyOf(HasSubstr("unexpected eof"), HasSubstr("protocol version")));
    }
    for (const int good : {TLS1_2_VERSION, TLS1_3_VERSION})
        EXPECT_TRUE(RawHandshake(server->port(), folder.path("ca.pem"), good).done());
}

// ------------------------------------------------------------------------------ new files

TEST_F(GrpcTls, NewFilesAreUsedWithoutADroppedCall) {
    News news;
    const auto door = std::make_shared<TlsIdentity>(files_of("payment"), news.listener());
    open(Proof::certificate, door);
    const auto gateway = identity("gateway");
    folder.write("raw.ca", ca.certificate());
    const auto shown = [&] {
        return RawHandshake(server->port(), folder.path("raw.ca"), TLS1_2_VERSION).shown();
    };
    const auto before = shown();

    std::atomic<bool> over{false};
    std::atomic<int> answered{0}, dropped{0};
    std::vector<std::thread> callers;
    for (int i = 0; i < 4; ++i)
        callers.emplace_back([&, i] {
            const ChannelOptions options{
                .tls = gateway, .peer_uri = uri_of("payment"), .attempts_max = 1};
            auto open_channel = stub(options);
            while (!over) {
                // Half of them connect anew each time, and so shake hands while files change.
                if (i % 2 == 0) open_channel = stub(options);
                const auto answer = ask(*open_channel);
                ++(answer.status.ok() && answer.actor == "service:gateway" ? answered : dropped);
            }
        });
    for (int round = 0; round < 3; ++round) {
        const int so_far = answered;
        files_of("payment");
        EXPECT_EQ(news.next(), "");
        EXPECT_NE(shown(), before) << "the door shows the old certificate";
        while (answered < so_far + 20) std::this_thread::yield();
    }
    over = true;
    for (auto& caller : callers) caller.join();
    EXPECT_EQ(dropped, 0);
    EXPECT_GE(answered, 60);
}

TEST_F(GrpcTls, FilesThatDoNotFitLeaveTheDoorAsItIs) {
    News news;
    open(Proof::certificate, std::make_shared<TlsIdentity>(files_of("payment"), news.listener()));
    const auto gateway = identity("gateway");
    // The certificate comes before its key, and for a while there is half of it only.
    const auto next = ca.issue("URI:" + uri_of("payment"));
    folder.write("payment.pem", next.certificate);
    EXPECT_THAT(news.next(), HasSubstr("is not the key of"));
    EXPECT_EQ(ask(gateway).actor, "service:gateway");
    folder.write("payment.pem", next.certificate.substr(0, next.certificate.size() / 2));
    EXPECT_THAT(news.next(), HasSubstr("is no certificate"));
    EXPECT_EQ(ask(gateway).actor, "service:gateway");
    folder.write("payment.pem", next.certificate);
    EXPECT_THAT(news.next(), HasSubstr("is not the key of"));
    folder.write("payment.key", next.key);
    EXPECT_EQ(news.next(), "");
    EXPECT_EQ(ask(gateway).actor, "service:gateway");
}

TEST_F(GrpcTls, ANewCaIsBelievedAndTheOldOneNoLonger) {
    News news;
    open(Proof::certificate, std::make_shared<TlsIdentity>(files_of("payment"), news.listener()));
    const auto gateway = identity("gateway");
    EXPECT_TRUE(ask(gateway).status.ok());
    folder.write("payment.ca", other_ca.certificate());
    EXPECT_EQ(news.next(), "");
    EXPECT_EQ(ask(gateway).status.error_code(), grpc::StatusCode::UNAVAILABLE);
    const auto renewed = std::make_shared<TlsIdentity>(
        files("renewed", other_ca.issue("URI:" + uri_of("gateway")), ca.certificate()));
    EXPECT_EQ(ask(renewed).actor, "service:gateway");
}

TEST_F(GrpcTls, ACallersNewFilesAreUsedForItsNextConnection) {
    open(Proof::certificate);
    folder.write("ca.pem", other_ca.certificate());
    // Believes the wrong CA at first, and has the wrong name.
    News news;
    const auto caller = std::make_shared<TlsIdentity>(
        files("caller", ca.issue("URI:" + uri_of("stranger")), other_ca.certificate()),
        news.listener());
    const auto to_door = stub({.tls = caller, .peer_uri = uri_of("payment"), .attempts_max = 1});
    EXPECT_EQ(ask(*to_door).status.error_code(), grpc::StatusCode::UNAVAILABLE);
    files("caller", ca.issue("URI:" + uri_of("gateway")), ca.certificate());
    EXPECT_EQ(news.next(), "");
    Answer answer;
    const auto until = std::chrono::steady_clock::now() + kPatience;
    do answer = ask(*to_door);
    while (!answer.status.ok() && std::chrono::steady_clock::now() < until);
    EXPECT_EQ(answer.actor, "service:gateway");
}

TEST_F(GrpcTls, AnOldConnectionIsEndedWithoutADroppedCall) {
    open(Proof::certificate, identity("payment"), seconds(1));
    const auto to_door =
        stub({.tls = identity("gateway"), .peer_uri = uri_of("payment"), .attempts_max = 1});
    while (service->connections() < 3) ASSERT_TRUE(ask(*to_door).status.ok());
}

TEST_F(GrpcTls, FilesThatCannotBeUsedAreNamed) {
    const auto why = [](const TlsFiles& files) {
        try {
            const TlsIdentity usable(files);
            return std::string();
        } catch (const std::runtime_error& error) {
            return std::string(error.what());
        }
    };
    const auto good = files_of("payment");
    EXPECT_EQ(why(good), "");
    EXPECT_THAT(why({good.certificate, good.key, "/no/such/file"}),
                HasSubstr("cannot read /no/such/file"));
    EXPECT_THAT(why({good.certificate, good.certificate, good.ca}),
                HasSubstr("is no private key without a password"));
    EXPECT_THAT(why({good.key, good.key, good.ca}), HasSubstr("is no certificate"));
    EXPECT_THAT(why({good.certificate, files_of("gateway").key, good.ca}),
                HasSubstr("is not the key of"));
    EXPECT_THAT(
        why(files("old", ca.issue("URI:" + uri_of("payment"), seconds(-1)), ca.certificate())),
        HasSubstr("has expired"));
    EXPECT_EQ(TlsIdentity(good).uris(), std::vector{uri_of("payment")});
}

// ------------------------------------------------------------------------------ names

std::string mistake_in(const std::string& pattern, const std::vector<std::string>& callers = {}) {
    try {
        auto all = PeerNames::of_services(pattern, {"gateway", "payment"});
        for (const auto& caller : callers) all.add_caller(caller);
        return "";
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

TEST(PeerNames, AreMadeOfAPattern) {
    const auto all = names();
    ASSERT_NE(all.find(uri_of("payment")), nullptr);
    EXPECT_EQ(*all.find(uri_of("payment")), (PeerNames::Peer{"service:payment", true}));
    EXPECT_EQ(*all.find("spiffe://shop.example/ns/ops/sa/flowctl"),
              (PeerNames::Peer{"operator:ops", false}));
    EXPECT_EQ(all.find(uri_of("{service}")), nullptr);
    EXPECT_EQ(all.find(""), nullptr);
    EXPECT_EQ(all.uri_of("gateway"), uri_of("gateway"));
    EXPECT_EQ(all.uri_of("campaign"), "");
    EXPECT_EQ(mistake_in("spiffe://x/flowstack-{service}"), "");
}

TEST(PeerNames, APatternThatNamesNobodyIsAMistake) {
    for (const auto& [pattern, what] : std::vector<std::pair<std::string, std::string>>{
             {"spiffe://x/sa/payment", "{service} once"},
             {"spiffe://x/{service}/{service}", "{service} once"},
             {"https://x/{service}", "spiffe://"},
             {"spiffe:///{service}", "trust domain"},
             {"spiffe://X/{service}", "trust domain"},
             {"spiffe://x:1/{service}", "trust domain"},
             {"spiffe://{service}", "no path"},
             {"spiffe://x//{service}", "part of its path"},
             {"spiffe://x/../{service}", "part of its path"},
             {"spiffe://x/{service}/", "part of its path"},
             {"spiffe://x/{service}?a", "part of its path"},
             {"spiffe://x/%41/{service}", "part of its path"}})
        EXPECT_THAT(mistake_in(pattern), HasSubstr(what)) << pattern;
    EXPECT_THAT(spiffe_mistake("spiffe://x/" + std::string(2100, 'a')), HasSubstr("2048"));
}

TEST(PeerNames, ACallerIsSomebodyElse) {
    const auto mistake = [](const std::string& caller) { return mistake_in(kPattern, {caller}); };
    EXPECT_EQ(mistake("service:reports=spiffe://x/reports"), "");
    EXPECT_EQ(mistake("operator:ann=spiffe://x/ann"), "");
    EXPECT_THAT(mistake("operator:ann"), HasSubstr("operator:ops=spiffe://"));
    for (const auto* wrong : {"=spiffe://x/y", "ann=spiffe://x/y", "key:7=spiffe://x/y",
                              "operator:=spiffe://x/y", "operator:a b=spiffe://x/y"})
        EXPECT_THAT(mistake(wrong), HasSubstr("must be service:<name> or operator:<name>"))
            << wrong;
    EXPECT_THAT(mistake("service:payment=spiffe://x/y"), HasSubstr("is one of our services"));
    EXPECT_THAT(mistake("operator:x=" + uri_of("payment")),
                HasSubstr("stands for service:payment"));
    EXPECT_THAT(mistake("operator:x=http://x/y"), HasSubstr("spiffe://"));
}

TEST(Admission, WhoeverShowsATokenIsItsHolder) {
    AdmissionRules rules{.internal_key = Secret("right key"), .names = names()};
    rules.holder_of = [](std::string_view token) {
        if (token != "good") throw unauthenticated("the token has expired");
        return Caller{"user:ann", identity::Grants{.tenants = {{"demo", {identity::Role::agent}}}}};
    };
    for (const auto proof : {Proof::key, Proof::certificate, Proof::either}) {
        rules.proof = proof;
        // Neither a key nor a certificate makes more of a token's holder, and no header another
        // one.
        for (const auto& shown :
             {Credentials{.token = "good"},
              Credentials{.key = "right key", .token = "good", .actor = "operator:bob"},
              Credentials{.token = "good",
              .actor = "operator:bob",
              .has_certificate = true,
              .certificate_uris = {uri_of("gateway")}}}) {
            const auto caller = admitted(rules, shown);
            EXPECT_EQ(caller.actor, "user:ann");
            ASSERT_TRUE(caller.grants);
            EXPECT_FALSE(caller.grants->platform_admin);
        }
        EXPECT_THROW(admitted(rules, {.key = "right key", .token = "bad"}), Failure);
    }
    // A service may name a token's holder as the one for whom it calls.
    rules.proof = Proof::certificate;
    const auto passed_on = admitted(
        rules,
        {.actor = "user:ann", .has_certificate = true, .certificate_uris = {uri_of("gateway")}});
    EXPECT_EQ(passed_on.actor, "user:ann");
    EXPECT_FALSE(passed_on.grants);
}

TEST(Admission, WithNothingToProveNobodyIsBelieved) {
    EXPECT_EQ(admitted({}, {.key = {}, .actor = "operator:ann"}).actor, "anonymous");
    // Certificates are asked for and there is no key: an empty key is not the right one.
    for (const auto proof : {Proof::certificate, Proof::either})
        EXPECT_THROW(admitted({.proof = proof, .names = names()}, {.key = "", .actor = "x"}),
                     Failure);
}

}  // namespace
}  // namespace flowstack::rpc
