#include "tools/isolation/rpcs.h"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/client_unary_call.h>

#include <fstream>
#include <map>
#include <optional>
#include <set>

#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "google/api/annotations.pb.h"
#include "tools/stack/api.h"
#include "tools/stack/reach.h"

namespace flowstack::isolation {
namespace {

namespace pb = google::protobuf;
using stack::kServices;

// One call and what came back, whatever it was.
struct Reply {
    grpc::StatusCode code = grpc::StatusCode::UNKNOWN;
    std::string bytes;  // of the answer, or the words of the refusal
};

class Caller {
public:
    enum class Shows { internal_key, bearer };
    // Somebody without a certificate, who shows this.
    Caller(const stack::Environment& environment, const stack::Reach& reach, Shows shows,
           const std::string& key) {
        for (const auto& service : kServices)
            connect(environment, service,
                    shows == Shows::bearer ? reach.to_with_token(service, key)
                                           : reach.to_with_key(service, key));
    }
    // Whoever may call.
    Caller(const stack::Environment& environment, const stack::Reach& reach) {
        for (const auto& service : kServices) connect(environment, service, reach.to(service));
    }
    Reply call(const std::string& service, const pb::MethodDescriptor& method,
               const std::string& request) {
        const auto path = "/" + method.service()->full_name() + "/" + method.name();
        grpc::ClientContext context;
        rpc::set_timeout(context, stack::kCallTimeout);
        const grpc::Slice slice(request);
        const grpc::ByteBuffer in(&slice, 1);
        grpc::ByteBuffer out;
        const auto status = grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer>(
            channels_.at(service).get(),
            grpc::internal::RpcMethod(path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC),
            &context, in, &out);
        if (!status.ok())
            return {status.error_code(), status.error_message() + status.error_details()};
        grpc::Slice whole;
        if (!out.DumpToSingleSlice(&whole).ok()) return {grpc::StatusCode::OK, ""};
        return {grpc::StatusCode::OK, {reinterpret_cast<const char*>(whole.begin()), whole.size()}};
    }

private:
    void connect(const stack::Environment& environment, const std::string& service,
                 rpc::ChannelOptions options) {
        channels_[service] = rpc::make_channel(
            environment.required(stack::upper(service) + "_GRPC"), std::move(options));
    }

    std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
};

bool is_refusal(grpc::StatusCode code) {
    switch (code) {
        case grpc::StatusCode::NOT_FOUND:
        case grpc::StatusCode::INVALID_ARGUMENT:
        case grpc::StatusCode::ALREADY_EXISTS:
        case grpc::StatusCode::FAILED_PRECONDITION:
        case grpc::StatusCode::PERMISSION_DENIED:
            return true;
        default:
            return false;
    }
}

// What is wrong with a reply; empty when it is as expected.
std::string judged(const Reply& reply, Expect expect, const Tenant& attacker, const Tenant& victim,
                   const std::string& question) {
    if (auto leak = found_in(reply.bytes, victim, question); !leak.empty())
        return "the answer holds " + leak;
    const auto code = "answered with code " + std::to_string(static_cast<int>(reply.code)) + " " +
                      (reply.code == grpc::StatusCode::OK ? "" : reply.bytes.substr(0, 200));
    switch (expect) {
        case Expect::not_found:
            return reply.code == grpc::StatusCode::NOT_FOUND ? "" : code;
        case Expect::refused:
            return is_refusal(reply.code) ? "" : code;
        case Expect::own:
            if (reply.code != grpc::StatusCode::OK) return code;
            return reply.bytes.find(attacker.word) == std::string::npos
                       ? "the answer has not even the asker's own things"
                       : "";
        case Expect::nothing:
            return reply.code == grpc::StatusCode::OK || is_refusal(reply.code) ? "" : code;
        case Expect::tenant_only:
        case Expect::platform:
            return "";
    }
    return "";
}

// The same of a reply to a tenant's own API key, which opens less than a service does.
std::string judged_by_key(const Reply& reply, Expect expect, const Tenant& attacker,
                          const Tenant& victim, const std::string& question) {
    if (auto leak = found_in(reply.bytes, victim, question); !leak.empty())
        return "the answer holds " + leak;
    const bool closed = reply.code == grpc::StatusCode::PERMISSION_DENIED ||
                        reply.code == grpc::StatusCode::NOT_FOUND;
    if (closed && expect != Expect::own) return "";
    if (expect == Expect::platform || expect == Expect::tenant_only)
        return "answered with code " + std::to_string(static_cast<int>(reply.code));
    return judged(reply, expect, attacker, victim, question);
}

}  // namespace

struct Schema::State {
    pb::DescriptorPool pool;
};

Schema::Schema(const std::string& path) : state_(std::make_unique<State>()) {
    pb::FileDescriptorSet set;
    std::ifstream in(path, std::ios::binary);
    if (!in || !set.ParseFromIstream(&in)) throw std::runtime_error("cannot read " + path);
    for (const auto& each : set.file()) {  // a file comes after those that it imports
        const auto* file = state_->pool.BuildFile(each);
        if (file == nullptr) throw std::runtime_error(path + ": " + each.name() + " is broken");
        if (file->package().rfind("flowstack.", 0) != 0) continue;
        for (int s = 0; s < file->service_count(); ++s)
            for (int m = 0; m < file->service(s)->method_count(); ++m) {
                Method method;
                method.descriptor = file->service(s)->method(m);
                // flowstack.payment.v1.OrderService → payment
                const auto full = file->service(s)->full_name().substr(10);
                method.rpc = full + "/" + method.descriptor->name();
                const auto service = full.substr(0, full.find('.'));
                method.services =
                    service == "common" ? kServices : std::vector<std::string>{service};
                // Only these two seal something.
                if (full == "common.v1.DataKeyService") method.services = {"gateway", "payment"};
                if (method.descriptor->options().HasExtension(google::api::http)) {
                    const auto& rule = method.descriptor->options().GetExtension(google::api::http);
                    const std::pair<const char*, const std::string*> verbs[] = {
                        {"GET", &rule.get()},
                        {"POST", &rule.post()},
                        {"PUT", &rule.put()},
                        {"PATCH", &rule.patch()},
                        {"DELETE", &rule.delete_()}};
                    for (const auto& [verb, route] : verbs)
                        if (!route->empty()) {
                            method.verb = verb;
                            method.path = *route;
                        }
                }
                methods_.push_back(std::move(method));
            }
    }
}
Schema::~Schema() = default;

void check_rpcs(const stack::Environment& environment, const Schema& schema, const Tenant& attacker,
                const Tenant& victim, Report& report) {
    const stack::Reach reach(environment);
    Caller nobody(environment, reach, Caller::Shows::internal_key, "");
    Caller tenant(environment, reach, Caller::Shows::internal_key, attacker.key);
    Caller bearer(environment, reach, Caller::Shows::bearer, attacker.key);
    Caller service(environment, reach);
    pb::DynamicMessageFactory factory;
    const auto bytes_of = [&](const Schema::Method& method, const std::string& json) {
        const std::unique_ptr<pb::Message> message(
            factory.GetPrototype(method.descriptor->input_type())->New());
        const auto parsed = pb::util::JsonStringToMessage(json, message.get());
        if (!parsed.ok())
            throw std::runtime_error(method.rpc + ": " + std::string(parsed.message()));
        return message->SerializeAsString();
    };

    std::map<std::string, std::vector<const Attack*>> known;
    for (const auto& attack : attacks()) known[attack.rpc].push_back(&attack);
    int calls = 0;
    std::map<std::string, int> per_service;
    for (const auto& method : schema.methods()) {
        const auto rows = known.find(method.rpc);
        if (rows == known.end()) {
            report.bad(method.rpc +
                       ": this check does not know it. Say in rpcs_table.cc how it is "
                       "attacked.");
            continue;
        }
        for (const auto& where : method.services) {
            const auto wrong = [&](const std::string& what) {
                report.bad(where + " " + method.rpc + ": " + what);
            };
            for (const auto* attack : rows->second) {
                const auto question = fill(attack->request, attacker, victim);
                const auto request = bytes_of(method, question);
                for (auto* stranger : {&nobody, &tenant}) {
                    ++calls;
                    const auto reply = stranger->call(where, *method.descriptor, request);
                    if (reply.code != grpc::StatusCode::UNAUTHENTICATED)
                        wrong(std::string(stranger == &nobody ? "no key"
                                                              : "a tenant's key as the internal "
                                                                "one") +
                              " is let in");
                }
                ++calls;
                if (const auto problem =
                        judged_by_key(bearer.call(where, *method.descriptor, request),
                                      attack->expect, attacker, victim, question);
                    !problem.empty())
                    wrong("with another tenant's API key, " + question + ": " + problem);
                if (attack->expect == Expect::platform || attack->expect == Expect::tenant_only ||
                    method.descriptor->server_streaming())
                    continue;
                ++calls;
                const auto reply = service.call(where, *method.descriptor, request);
                const auto problem = judged(reply, attack->expect, attacker, victim, question);
                if (!problem.empty()) wrong(question + ": " + problem);
                if (!attack->victim_may) continue;
                // The victim's own question is answered, so the attacker's could have been.
                ++calls;
                const auto own = fill(attack->request, victim, victim);
                const auto answer = service.call(where, *method.descriptor, bytes_of(method, own));
                if (answer.code != grpc::StatusCode::OK || answer.bytes.empty())
                    wrong(own + ": its owner does not get it either, so this proves nothing");
            }
            ++per_service[where];
        }
    }
    std::set<std::string> there;
    for (const auto& method : schema.methods()) there.insert(method.rpc);
    for (const auto& [rpc, rows] : known)
        if (!there.contains(rpc)) report.bad(rpc + ": is in rpcs_table.cc and in no proto file");
    if (report.failures() == 0)
        for (const auto& [name, count] : per_service)
            report.good(name + ": " + std::to_string(count) +
                        " RPCs give another tenant nothing, and strangers nothing at all");
    (void)calls;
}

}  // namespace flowstack::isolation
