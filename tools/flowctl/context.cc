#include "tools/flowctl/context.h"

#include <filesystem>
#include <iostream>

#include "common/rpc/error.h"
#include "tools/stack/sandbox.h"

namespace flowstack::flowctl {
namespace {

// The first place where `./flowstack up` has written down where its stack is.
stack::Environment find_stack() {
    stack::Environment own;
    if (!own.get("GATEWAY_GRPC").empty()) return own;
    const auto run_dir = own.get("FLOWSTACK_RUN_DIR");
    const auto file = (run_dir.empty() ? std::string(".run") : run_dir) + "/env";
    if (!std::filesystem::exists(file)) return own;
    return stack::Environment::from_file(file);
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

const stack::Environment& Context::environment() {
    if (!environment_) {
        if (!env_file.empty() && !std::filesystem::exists(env_file))
            throw UsageError("--env-file: there is no " + env_file);
        environment_ = env_file.empty() ? find_stack() : stack::Environment::from_file(env_file);
    }
    return *environment_;
}

stack::Api& Context::api() {
    if (!api_) {
        if (environment().get("GATEWAY_GRPC").empty())
            throw UsageError(
                "which stack? GATEWAY_GRPC is not set and there is no .run/env here; "
                "give --env-file <run directory>/env");
        api_ = std::make_unique<stack::Api>(environment());
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
    } catch (const stack::SandboxError& error) {
        std::cerr << "flowctl: " << error.what() << "\n";
        return kUnavailable;
    } catch (const std::exception& error) {
        std::cerr << "flowctl: " << error.what() << "\n";
        return kUnexpected;
    }
}

}  // namespace flowstack::flowctl
