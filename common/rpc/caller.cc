#include "common/rpc/caller.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace flowstack::rpc {
namespace {

thread_local const Caller* current = nullptr;

}  // namespace

Caller caller_named(const std::optional<std::string>& name, bool trusted) {
    if (!trusted) return {"anonymous"};
    const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7F; };
    if (!name || name->empty() || name->size() > kActorBytesMax ||
        std::ranges::any_of(*name, control))
        return {kNamelessActor};
    return {*name};
}

bool is_limited(const Caller& caller) {
    return !caller.actor.starts_with("service:") && caller.actor != "operator" &&
           !caller.actor.starts_with("operator:");
}

const Caller& caller() {
    if (current == nullptr)
        throw std::logic_error("this thread answers no call, so nobody is its caller");
    return *current;
}

const Caller* caller_if_any() { return current; }

CallerScope::CallerScope(Caller caller) : mine_(std::move(caller)), before_(current) {
    current = &mine_;
}
CallerScope::~CallerScope() { current = before_; }

}  // namespace flowstack::rpc
