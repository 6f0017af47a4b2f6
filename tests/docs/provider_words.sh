#!/usr/bin/env bash
# A provider's own words stand in its folder (services/*/providers/<name>/), in a service's
# configuration and in prose; everything else speaks no provider's language. What does not follow
# this rule yet is listed in provider_words_allowed.txt: the list may shrink and must not grow.
#
#   provider_words.sh <root of the repository>
set -euo pipefail
cd "$1"

words='META_CLOUD|META_APPS|META_BASE_URL|META_API_VERSION|meta_parser|meta_signature|meta_renderer|graph|graph_[a-z_]+|waba|waba_id|wamid|phone_number_id|biz_opaque_callback_data|mpesa|mpesa_[a-z_]+|m-pesa|daraja|daraja_[a-z_]+|checkout_request|checkout_request_id|merchant_request|merchant_request_id|stk|stkpush|AccountSid|ContentSid|ContentVariables|MessageSid|MessagingServiceSid|X-Twilio-Signature'
allowed=tests/docs/provider_words_allowed.txt

# The sandbox plays the providers, so it speaks as they do.
found=$(grep -rliwE "$words" services common proto --include='*.cc' --include='*.h' \
    --include='*.proto' --include='CMakeLists.txt' |
    grep -vE '^services/sandbox/|/providers/[a-z_]+/|/config\.(cc|h)$' | LC_ALL=C sort)
listed=$({ grep -v '^#' "$allowed" || true; } | LC_ALL=C sort)

status=0
new=$(comm -23 <(echo "$found") <(echo "$listed"))
if [ -n "$new" ]; then
    echo "These files use words of a provider; they belong into services/*/providers/<name>/:"
    for file in $new; do grep -nwiE "$words" "$file" | head -3 | sed "s|^|  $file:|"; done
    status=1
fi
gone=$(comm -13 <(echo "$found") <(echo "$listed"))
if [ -n "$gone" ]; then
    echo "These files use no provider's words any more; take them off $allowed, please:"
    sed 's/^/  /' <<< "$gone"
fi
exit $status
