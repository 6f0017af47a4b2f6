#include <stdexcept>

#include "flowstack/common/v1/method.pb.h"
#include "tools/docs/descriptors.h"
#include "tools/docs/documents.h"

// docs/access.md: which role may call which method.
namespace flowstack::docs {
namespace {

constexpr const char* kHead =
    R"(# Who may call what

Made from the option `access` of each method in `proto/` (`flowstack-docs write .`); a test holds it equal. Both doors decide by it, REST and gRPC, in one place
([`common/rpc/access.h`](../common/rpc/access.h)). What a method does not say is closed.

A role is what a token grants in a tenant ([security.md](security.md#tokens-of-people-and-machines)); a tenant's API key may what its admin may. Another tenant's resource is NOT_FOUND for
everybody but operators (`ADMIN_KEY`, `platform_admin`), whatever the method; in the own tenant a method that is not for the role is PERMISSION_DENIED. Our own services may call everything.
)";

// The cells of viewer, auditor, agent and admin.
const char* cells_of(common::v1::Access access) {
    switch (access) {
        case common::v1::ACCESS_VIEWERS:
            return " yes | yes | yes | yes |";
        case common::v1::ACCESS_AUDITORS:
            return " – | yes | – | yes |";
        case common::v1::ACCESS_AGENTS:
            return " – | – | yes | yes |";
        case common::v1::ACCESS_ADMINS:
            return " – | – | – | yes |";
        case common::v1::ACCESS_OPERATORS:
        case common::v1::ACCESS_UNSPECIFIED:
            return " – | – | – | – |";
        default:
            throw std::runtime_error("docs/access.md does not know this access");
    }
}

}  // namespace

void add_access(const std::filesystem::path& root, Documents& out) {
    const Protos protos(root, "flowstack/*/v1/*.proto");
    std::string text = kHead;
    for (const auto* file : protos.files())
        for (int s = 0; s < file->service_count(); ++s) {
            const auto* service = file->service(s);
            text += "\n## " + service->full_name().substr(std::string("flowstack.").size()) +
                    "\n\n| method | viewer | auditor | agent | admin, API key "
                    "|\n|---|---|---|---|---|\n";
            for (int m = 0; m < service->method_count(); ++m) {
                const auto& method = *service->method(m);
                text += "| " + method.name() + " |" +
                        cells_of(method.options().GetExtension(common::v1::access)) + "\n";
            }
        }
    out["docs/access.md"] = text;
}

}  // namespace flowstack::docs
