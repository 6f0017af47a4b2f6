#include "tools/flowctl/context.h"

#include <filesystem>
#include <fstream>
#include <iostream>

#include "common/core/clock.h"
#include "common/rpc/error.h"
#include "tools/flowctl/login.h"
#include "tools/stack/sandbox.h"

namespace flowstack::flowctl {
namespace {

// Finds the first place where `./flowstack up` has written where its stack is.
stack::Environment find_stack() {
    stack::Environment own;
    if (!own.get("GATEWAY_GRPC").empty()) return own;
    const auto run_dir = own.get("FLOWSTACK_RUN_DIR");
    const auto file = (run_dir.empty() ? std::string(".run") : run_dir) + "/env";
    if (!std::filesystem::exists(file)) return own;
    return stack::Environment::from_file(file);
}

constexpr int kLivingTimeoutMs = 700;
constexpr int kReplicasMax = 9;

// gRPC spreads calls over the replicas that take a connection, and a process that stands still
// takes one too. So of each service a replica is asked that answers a probe.
stack::Environment with_living(stack::Environment environment) {
    stack::Http http;
    for (const auto& service : stack::kServices) {
        const auto name = stack::upper(service);
        if (environment.get(name + "_1_GRPC").empty()) continue;
        for (int replica = 0; replica < kReplicasMax; ++replica) {
            const auto number = std::to_string(replica);
            const auto address = environment.get(name + "_" + number + "_GRPC");
            const auto admin = environment.get(name + "_" + number + "_ADMIN");
            if (address.empty() || admin.empty()) continue;
            if (http.send("GET", "http://" + admin + "/livez", "", {}, kLivingTimeoutMs).status !=
                200)
                continue;
            environment.set(name + "_GRPC", address);
            break;
        }
    }
    return environment;
}

std::string token_in(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(path == "-" ? std::cin : file, line);
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) throw UsageError("--token: the first line of " + path + " is no token");
    return line;
}

int exit_code_of(grpc::StatusCode code) {
    switch (code) {
        case grpc::NOT_FOUND:
            return kNotFound;
        case grpc::ALREADY_EXISTS:
        case grpc::ABORTED:
        case grpc::FAILED_PRECONDITION:
            return kConflict;
        case grpc::PERMISSION_DENIED:
        case grpc::UNAUTHENTICATED:
            return kPermission;
        case grpc::UNAVAILABLE:
        case grpc::DEADLINE_EXCEEDED:
        case grpc::RESOURCE_EXHAUSTED:
            return kUnavailable;
        case grpc::INVALID_ARGUMENT:
        case grpc::OUT_OF_RANGE:
            return kUsage;
        case grpc::CANCELLED:
            return kInterrupted;
        default:
            return kUnexpected;
    }
}

}  // namespace

const stack::Environment& Context::environment_before_login() {
    if (!before_login_) {
        if (!env_file.empty() && !std::filesystem::exists(env_file))
            throw UsageError("--env-file: there is no " + env_file);
        before_login_ = env_file.empty() ? find_stack() : stack::Environment::from_file(env_file);
        for (const auto& [name, given] :
             {std::pair{"GRPC_TLS_CA_FILE", &tls_ca}, std::pair{"GRPC_TLS_CERT_FILE", &tls_cert},
              std::pair{"GRPC_TLS_KEY_FILE", &tls_key}})
            if (!given->empty()) before_login_->set(name, *given);
        // It is a person's and not the stack's, so it comes from where that person sits.
        const auto mine =
            token_file.empty() ? stack::Environment().get("FLOWCTL_TOKEN") : token_in(token_file);
        if (!mine.empty()) before_login_->set("FLOWCTL_TOKEN", mine);
    }
    return *before_login_;
}

const stack::Environment& Context::environment() {
    if (!environment_) {
        environment_ = environment_before_login();
        if (environment_->get("FLOWCTL_TOKEN").empty())
            if (const auto kept =
                    LoginFile().token_for(environment_->get("GATEWAY_GRPC"), SystemClock().now()))
                environment_->set("FLOWCTL_TOKEN", *kept);
    }
    return *environment_;
}

stack::Api& Context::api() {
    if (!api_) {
        if (environment().get("GATEWAY_GRPC").empty())
            throw UsageError(
                "which stack? GATEWAY_GRPC is not set and there is no .run/env here; "
                "give --env-file <run directory>/env");
        api_ = std::make_unique<stack::Api>(with_living(environment()));
    }
    return *api_;
}

int guarded(const std::function<int()>& run) {
    try {
        return run();
    } catch (const rpc::Failure& failure) {
        std::cerr << "flowctl: " << failure.message << " (" << rpc::reason_text(failure.reason)
                  << ")\n";
        for (const auto& field : failure.fields)
            std::cerr << "  " << field.field << ": " << field.description << "\n";
        for (const auto& violation : failure.preconditions)
            std::cerr << "  " << violation.subject << ": " << violation.description << "\n";
        return exit_code_of(failure.code);
    } catch (const UsageError& error) {
        std::cerr << "flowctl: " << error.what() << "\n";
        return kUsage;
    } catch (const NotFound& error) {
        std::cerr << "flowctl: " << error.what() << "\n";
        return kNotFound;
    } catch (const stack::NoSuchReplica& error) {
        std::cerr << "flowctl: " << error.what() << "\n";
        return kUnavailable;
    } catch (const stack::SandboxError& error) {
        std::cerr << "flowctl: " << error.what() << "\n";
        return kUnavailable;
    } catch (const std::exception& error) {
        std::cerr << "flowctl: " << error.what() << "\n";
        return kUnexpected;
    }
}

}  // namespace flowstack::flowctl
