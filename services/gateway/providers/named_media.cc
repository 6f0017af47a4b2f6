#include "services/gateway/providers/named_media.h"

#include <set>

#include "flowstack/common/v1/message_content.pb.h"

namespace flowstack::gateway {

std::vector<std::string> named_media(const common::v1::MessageContent& content) {
    if (content.has_text()) return {};
    std::set<std::string> ids;
    const auto add = [&](const common::v1::MediaContent& media) {
        if (!media.media_id().empty()) ids.insert(media.media_id());
    };
    add(content.media());
    add(content.buttons().header_media());
    add(content.template_().header().media());
    for (const auto& card : content.template_().cards()) add(card.header_media());
    return {ids.begin(), ids.end()};
}

}  // namespace flowstack::gateway
