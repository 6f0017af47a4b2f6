#!/usr/bin/env bash
# Fills the phone page without the product: registers a shop, plays both sides of a purchase up to
# the M-Pesa prompt. The shop's webhook is the sandbox's own /health, which says 200 to everything.
#
#   services/sandbox/try_page.sh http://127.0.0.1:18003
set -euo pipefail
sandbox=${1:?usage: try_page.sh <address of the sandbox>}
number=106540352242922
phone=254712345678

put() { curl -sS --fail-with-body -X PUT "$sandbox/control/$1" -d "$2" >/dev/null; }
says() { curl -sS --fail-with-body "$sandbox/control/customers/$phone/say" -d "{\"phone_number_id\":\"$number\",\"name\":\"Asha Mwangi\",$1}" >/dev/null; }
shop() {
    curl -sS --fail-with-body "$sandbox/v25.0/$number/messages" -H 'Authorization: Bearer mock_shop' \
        -H 'Content-Type: application/json' \
        -d "{\"messaging_product\":\"whatsapp\",\"to\":\"+$phone\",$1}" >/dev/null
}

put numbers "{\"phone_number_id\":\"$number\",\"token\":\"mock_shop\",\"app_secret\":\"s\",\"webhook_url\":\"$sandbox/health\",\"display_phone_number\":\"254700000001\",\"name\":\"Duka la Asha\"}"
put shortcodes '{"shortcode":"174379","name":"Duka la Asha","passkey":"pk","consumer_key":"ck","consumer_secret":"cs","same_amount_window_ms":0}'

says '"text":"Hi"'
shop '"type":"interactive","interactive":{"type":"button","header":{"type":"text","text":"Duka la Asha"},"body":{"text":"Karibu, Asha! 👋 Fresh coffee and soap, delivered in Nairobi.\n\nWhat would you like to see?"},"footer":{"text":"Open 8:00 to 18:00"},"action":{"buttons":[{"type":"reply","reply":{"id":"m1:0","title":"View Products"}},{"type":"reply","reply":{"id":"m1:1","title":"View Promotions"}}]}}'
says '"button":"View Products"'
shop '"type":"interactive","interactive":{"type":"list","body":{"text":"Here is what we have today."},"action":{"button":"View Products","sections":[{"title":"Coffee","rows":[{"id":"p1","title":"Premium Coffee","description":"KES 1,500.00 · 500 g, Nyeri"},{"id":"p2","title":"House Blend","description":"KES 900.00 · 500 g"}]},{"title":"Home","rows":[{"id":"p3","title":"Soap","description":"KES 120.00 · bar of 200 g"}]}]}}'
says '"row":"Premium Coffee"'
shop '"type":"text","text":{"body":"*Premium Coffee*, KES 1,500.00 each.\nPlease enter quantity (e.g., 2)"}'
says '"text":"2"'
shop '"type":"text","text":{"body":"Please provide delivery address or reply '"'skip'"'"}'
says '"text":"Kilimani, Argwings Kodhek Rd 12, gate B"'
shop '"type":"interactive","interactive":{"type":"button","body":{"text":"*Order summary*\n2 × Premium Coffee  KES 3,000.00\nDelivery: Kilimani, Argwings Kodhek Rd 12, gate B\n*Total: KES 3,000.00*"},"action":{"buttons":[{"type":"reply","reply":{"id":"m2:0","title":"M-Pesa"}},{"type":"reply","reply":{"id":"m2:1","title":"Card"}}]}}'

if [ "${2:-}" = pay ]; then
    says '"button":"M-Pesa"'
    shop '"type":"text","text":{"body":"Processing payment…"}'
    token=$(curl -sS -u ck:cs "$sandbox/oauth/v1/generate?grant_type=client_credentials" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
    password=$(printf %s 174379pk20260102030405 | base64 -w0)
    curl -sS --fail-with-body "$sandbox/mpesa/stkpush/v1/processrequest" -H "Authorization: Bearer $token" \
        -H 'Content-Type: application/json' \
        -d "{\"BusinessShortCode\":174379,\"Password\":\"$password\",\"Timestamp\":\"20260102030405\",\"TransactionType\":\"CustomerPayBillOnline\",\"Amount\":3000,\"PartyA\":\"$phone\",\"PartyB\":\"174379\",\"PhoneNumber\":\"$phone\",\"CallBackURL\":\"$sandbox/health\",\"AccountReference\":\"ORD-1042\",\"TransactionDesc\":\"Order\"}" >/dev/null
fi
echo "$sandbox/?number=$number&phone=$phone"
