#include "services/gateway/adapters/content.h"

#include "common/text/fold.h"

namespace flowstack::gateway {

common::v1::MessageContent with_plain_parameters(common::v1::MessageContent content) {
    if (content.has_template_())
        for (auto& parameter : *content.mutable_template_()->mutable_body_parameters())
            parameter = text::one_line(parameter);
    return content;
}

}  // namespace flowstack::gateway
