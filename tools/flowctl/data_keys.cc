#include "tools/flowctl/data_keys.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <iostream>

#include "common/rpc/error.h"
#include "tools/flowctl/output.h"

namespace flowstack::flowctl {
namespace {

namespace v1 = common::v1;

constexpr std::array kSealingServices{"gateway", "payment"};
constexpr int kRewrapPage = 100;
// A KMS is asked twice for each data key.
constexpr std::chrono::milliseconds kRewrapTimeout{120'000};

v1::DataKeyStatus ask_status(Context& context, const std::string& service) {
    return context.api().call<v1::DataKeyStatus>(service, "common:DataKeyService/GetDataKeyStatus",
                                                 v1::GetDataKeyStatusRequest());
}

int show_data_key_status(Context& context) {
    Sheet sheet({{"SERVICE"}, {"WRAPPED UNDER"}, {"DATA KEYS", true}, {"OPENS"}, {"WRAPS"}});
    std::size_t answered = 0;
    const auto all = data_keys_of_all(context);
    for (const auto& [service, keys] : all) {
        if (!keys.answered) {
            std::cerr << "flowctl: " << service << " does not tell: " << keys.why_not << "\n";
            continue;
        }
        ++answered;
        for (const auto& version : keys.status.versions())
            sheet.add({service, version.version(), std::to_string(version.data_keys()),
                       version.opens() ? "yes" : "NO",
                       version.version() == keys.status.wraps() ? "now" : ""});
    }
    print(sheet, context.format, "versions of wrapping keys");
    if (answered == all.size()) return kOk;
    return answered == 0 ? kUnavailable : kPartial;
}

// True when every data key of the service is wrapped under the version that wraps now.
bool rewrap(Context& context, const std::string& service) {
    v1::RewrapDataKeysRequest request;
    request.set_limit(kRewrapPage);
    std::int64_t rewrapped = 0;
    while (true) {
        const auto answer = context.api().call<v1::RewrapDataKeysResponse>(
            service, "common:DataKeyService/RewrapDataKeys", request, kRewrapTimeout);
        rewrapped += answer.rewrapped();
        const auto& status = answer.status();
        std::cerr << service << ": " << rewrapped << " wrapped again under " << status.wraps()
                  << ", " << status.left() << " left\n";
        if (status.left() == 0) return true;
        // Another one may have taken the page; what nothing opens stays.
        const bool something_opens = std::ranges::any_of(status.versions(), [&](const auto& v) {
            return v.opens() && v.data_keys() > 0 && v.version() != status.wraps();
        });
        if (something_opens) continue;
        for (const auto& version : status.versions())
            if (!version.opens() && version.data_keys() > 0)
                std::cerr << service << ": " << version.data_keys() << " are wrapped under "
                          << version.version()
                          << ", which the service was not given: set MASTER_KEY_OTHER to it\n";
        return false;
    }
}

int rewrap_all(Context& context, const std::vector<std::string>& wanted) {
    std::size_t done = 0, failed = 0, asked = 0;
    for (const std::string service : kSealingServices) {
        if (!wanted.empty() && std::ranges::find(wanted, service) == wanted.end()) continue;
        ++asked;
        try {
            (rewrap(context, service) ? done : failed) += 1;
        } catch (const rpc::Failure& failure) {
            std::cerr << service << ": " << failure.message << "\n";
            ++failed;
        }
    }
    if (done == asked) return kOk;
    return done == 0 ? kUnexpected : kPartial;
}

}  // namespace

std::map<std::string, DataKeysOf> data_keys_of_all(Context& context) {
    std::map<std::string, DataKeysOf> all;
    for (const std::string service : kSealingServices) {
        auto& keys = all[service];
        try {
            keys.status = ask_status(context, service);
            keys.answered = true;
        } catch (const rpc::Failure& failure) {
            keys.why_not = failure.message;
        } catch (const std::runtime_error& error) {
            keys.why_not = error.what();
        }
    }
    return all;
}

void add_data_key_commands(CLI::App& app, Context& context) {
    auto* keys = app.add_subcommand(
        "data-keys",
        "what seals credentials, and the rotation of what wraps it (docs/security.md)");
    keys->require_subcommand(1);
    keys->add_subcommand("status", "under which versions of MASTER_KEY or the KMS they are wrapped")
        ->callback(
            [&context] { context.run = [&context] { return show_data_key_status(context); }; });
    const auto services = std::make_shared<std::vector<std::string>>();
    auto* again = keys->add_subcommand(
        "rewrap",
        "wrap them again under the version that wraps now, while the services serve. It may be "
        "interrupted and repeated; exit code 0 when none is left");
    again->add_option("-s,--service", *services, "only of this service")
        ->check(CLI::IsMember(
            std::vector<std::string>(kSealingServices.begin(), kSealingServices.end())))
        ->option_text("SERVICE ...");
    again->callback([&context, services] {
        context.run = [&context, services] { return rewrap_all(context, *services); };
    });
}

}  // namespace flowstack::flowctl
