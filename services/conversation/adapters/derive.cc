#include "services/conversation/adapters/derive.h"

#include "services/conversation/adapters/codec.h"

namespace flowstack::conversation {

void derive(const eventlog::StreamName& stream, int, const eventlog::NewEvent&,
            eventlog::Derived& out) {
    const auto& c = stream.category;
    if (c == category::kProduct || c == category::kPromotion || c == category::kTemplate ||
        c == category::kFlow || c == category::kTopic)
        out.settings.push_back({stream.tenant, kContentChange, c + "/" + stream.key});
}

}  // namespace flowstack::conversation
