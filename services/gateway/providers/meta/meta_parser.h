#pragma once

#include <string_view>

#include "services/gateway/providers/webhook.h"

// A Meta webhook's body, taken apart: every message, status and preference of a batch is an element
// of its own. Shapes: the Cloud API sheet, section 3; what is not known is an element too, so that
// it is counted and can be read again later from the raw event.
namespace flowstack::gateway {

// One bad element does not cost the others. Text that is no UTF-8, escapes that mean nothing and
// halves of surrogate pairs become U+FFFD; an element that is no JSON even then is `broken`. A body
// whose brackets and quotes do not close has no elements.
ParsedWebhook parse_meta_webhook(std::string_view body);

}  // namespace flowstack::gateway
