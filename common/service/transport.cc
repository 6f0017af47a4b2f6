#include "common/service/transport.h"

#include <algorithm>
#include <stdexcept>

#include "common/config/config.h"
#include "common/observability/log.h"

namespace flowstack::service {
namespace {

const std::vector<std::string> kProofs{"key", "certificate", "either"};

rpc::Proof proof_of(const std::string& word) {
    if (word == "certificate") return rpc::Proof::certificate;
    return word == "either" ? rpc::Proof::either : rpc::Proof::key;
}

void log_files(std::string_view failure) {
    if (failure.empty())
        log::info("gRPC uses new certificates");
    else
        log::error(
            "the new files of GRPC_TLS_* cannot be used: the door goes on with those before, and "
            "no new connections to neighbours are made",
            {{"error", std::string(failure)}});
}

}  // namespace

Transport::Transport(config::Reader& reader, const std::string& name,
                     const std::vector<std::string>& services)
    : name_(name) {
    admission_.internal_key = reader.required_secret(
        "INTERNAL_KEY",
        "key that our services show each other in every gRPC call, unless GRPC_AUTH=certificate; "
        "it also signs page tokens");
    admission_.proof = proof_of(reader.choice(
        "GRPC_AUTH", kProofs.front(), kProofs,
        "by what gRPC callers, our services too, show who they are: INTERNAL_KEY, or a client "
        "certificate whose name GRPC_TLS_ID or GRPC_TLS_CALLERS has; either is for changing over"));
    rpc::TlsFiles files;
    files.certificate = reader.text(
        "GRPC_TLS_CERT_FILE", "",
        "PEM file of this service's certificate and its chain: its gRPC door then speaks TLS only, "
        "and it reaches the others by TLS. Read again when it changes");
    files.key =
        reader.text("GRPC_TLS_KEY_FILE", "", "PEM file of its private key, without a password");
    files.ca = reader.text(
        "GRPC_TLS_CA_FILE", "",
        "PEM file of the CAs that sign the certificates of our services and of gRPC callers");
    const auto pattern =
        reader.text("GRPC_TLS_ID", "",
                    "the name (URI, a SPIFFE ID) in the certificates of our services, with "
                    "{service} in place of "
                    "the service's: spiffe://shop.example/ns/flowstack/sa/{service}");
    const auto callers = reader.list(
        "GRPC_TLS_CALLERS", "",
        "other gRPC callers that are let in by their certificates, each with the actor that it is "
        "in events: operator:ops=spiffe://shop.example/ns/ops/sa/flowctl");
    connection_age_ = reader.duration_ms(
        "GRPC_TLS_CONNECTION_AGE_MS", 3'600'000,
        "a TLS connection to the gRPC door is ended in order at this age, so that its caller shows "
        "its certificate again",
        1000);

    const auto say = [&](const std::string& text) { reader.mistake(text); };
    const std::pair<const char*, const std::string*> together[] = {
        {"GRPC_TLS_CERT_FILE", &files.certificate},
        {"GRPC_TLS_KEY_FILE", &files.key},
        {"GRPC_TLS_CA_FILE", &files.ca},
        {"GRPC_TLS_ID", &pattern}};
    const auto given = std::ranges::count_if(
        together, [](const auto& setting) { return !setting.second->empty(); });
    if (given == 0) {
        if (admission_.proof != rpc::Proof::key)
            say("GRPC_AUTH: certificates are shown by TLS: set GRPC_TLS_CERT_FILE, "
                "GRPC_TLS_KEY_FILE, GRPC_TLS_CA_FILE and GRPC_TLS_ID");
        if (!callers.empty()) say("GRPC_TLS_CALLERS: is not used without GRPC_TLS_CERT_FILE");
        return;
    }
    if (!callers.empty() && admission_.proof == rpc::Proof::key)
        say("GRPC_TLS_CALLERS: is not used with GRPC_AUTH=key; leave it out or choose certificate "
            "or either");
    bool complete = true;
    for (const auto& [setting, value] : together)
        if (value->empty()) {
            complete = false;
            say(std::string(setting) +
                ": must be set with the others of GRPC_TLS_CERT_FILE, GRPC_TLS_KEY_FILE, "
                "GRPC_TLS_CA_FILE and GRPC_TLS_ID");
        }
    if (!complete) return;
    try {
        auto all = services;
        if (std::ranges::find(all, name) == all.end()) all.push_back(name);
        admission_.names = rpc::PeerNames::of_services(pattern, all);
    } catch (const std::invalid_argument& error) {
        say(std::string("GRPC_TLS_ID: ") + error.what());
        return;
    }
    for (const auto& caller : callers) try {
            admission_.names.add_caller(caller);
        } catch (const std::invalid_argument& error) {
            say(std::string("GRPC_TLS_CALLERS: ") + error.what());
        }
    try {
        const auto uris = rpc::TlsIdentity(files).uris();
        const auto own = admission_.names.uri_of(name);
        if (uris != std::vector{own})
            say("GRPC_TLS_CERT_FILE: the certificate must have " + own +
                " as its one URI, which GRPC_TLS_ID makes of the name " + name);
    } catch (const std::runtime_error& error) {
        say(std::string("GRPC_TLS_CERT_FILE: ") + error.what());
    }
    files_ = std::move(files);
}

void Transport::open(std::function<void(const std::string& file)> loaded) {
    if (!files_) return;
    if (loaded) loaded(files_->certificate);
    tls_ = std::make_shared<rpc::TlsIdentity>(
        *files_,
        [loaded = std::move(loaded), file = files_->certificate](std::string_view failure) {
            log_files(failure);
            if (failure.empty() && loaded) loaded(file);
        });
}

rpc::ChannelOptions Transport::to(const std::string& service) const {
    rpc::ChannelOptions options{.tls = tls_, .actor = "service:" + name_};
    // A key that is not asked for is not shown: it would let whoever got it sign page tokens.
    if (admission_.proof != rpc::Proof::certificate) options.internal_key = admission_.internal_key;
    if (tls_) options.peer_uri = admission_.names.uri_of(service);
    return options;
}

}  // namespace flowstack::service
