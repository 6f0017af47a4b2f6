#include "services/gateway/providers/webhook.h"

namespace flowstack::gateway {

std::string_view text_of(ParsedWebhook::Shape shape) {
    switch (shape) {
        case ParsedWebhook::Shape::well_formed:
            return "well_formed";
        case ParsedWebhook::Shape::repaired:
            return "repaired";
        case ParsedWebhook::Shape::malformed_json:
            return "malformed_json";
        case ParsedWebhook::Shape::unknown_shape:
            return "unknown_shape";
    }
    return "unknown_shape";
}

}  // namespace flowstack::gateway
