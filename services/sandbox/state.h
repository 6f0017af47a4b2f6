#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "services/sandbox/daraja.h"
#include "services/sandbox/faults.h"
#include "services/sandbox/graph.h"
#include "services/sandbox/limits.h"
#include "services/sandbox/stripe.h"
#include "services/sandbox/templates.h"
#include "services/sandbox/twilio.h"

// What the stand-ins know, as plain structs. It lives in memory and is lost when the process ends;
// only the record stays.
namespace flowstack::sandbox {

// One business number on Meta's side.
struct Number {
    std::string id;  // phone_number_id
    std::string waba_id;
    std::string token;
    std::string app_secret;
    std::string webhook_url;           // several with commas: each delivery takes the next
    std::string display_phone_number;  // digits
    std::string name;                  // verified name, shown on the phone
    std::string country_code;          // put before a `to` that has no '+' and does not begin so

    int throughput_per_s_max = 80;
    Milliseconds pair_interval{6'000};
    int pair_burst_max = 45;
    std::string window = "reject";  // outside the 24 h: reject | status (fails later) | off
    Milliseconds window_length{24LL * 3600 * 1000};
    bool allow_list_on = false;  // then people who are not on the list get 131030
    std::set<std::string> allow_list;

    // When statuses follow the accepted send; nothing: never.
    std::optional<Milliseconds> sent_after{20};
    std::optional<Milliseconds> delivered_after{60};
    std::optional<Milliseconds> read_after{150};

    Throughput throughput;
    std::map<std::string, PairRate> pairs;  // by customer key
};

// One WhatsApp sender on Twilio's side.
struct TwilioSender {
    std::string number;  // "+14155238886"
    std::string account_sid;
    std::string auth_token;            // makes calls, and signs every webhook
    std::string secondary_auth_token;  // makes calls too; empty: there is none
    std::string api_key_sid;
    std::string api_key_secret;
    std::string messaging_service_sid;  // empty: the sender is in none
    std::string webhook_url;            // as it is configured, so as it is signed
    std::string name;

    int throughput_per_s_max = 80;
    Milliseconds pair_interval{6'000};
    int pair_burst_max = 45;
    std::string window = "status";  // outside the 24 h: status (undelivered, 63016) | off
    Milliseconds window_length{24LL * 3600 * 1000};
    bool allow_list_on = false;  // then people who have not joined get 63015
    std::set<std::string> allow_list;
    std::map<std::string, TwilioContent> contents;  // by SID

    // When statuses follow the accepted send; nothing: never.
    std::optional<Milliseconds> sent_after{20};
    std::optional<Milliseconds> delivered_after{60};
    std::optional<Milliseconds> read_after{150};

    Throughput throughput;
    std::map<std::string, PairRate> pairs;  // by customer key
};

// A person with a phone. The key is the digits of the phone, or the business-scoped id while no
// phone is known.
struct Customer {
    std::string key;
    std::string phone;    // empty: not known
    std::string user_id;  // empty: has none
    std::string username;
    std::string name;
    bool phone_hidden = false;  // webhooks then carry the user id only
};

struct ChatMessage {
    std::int64_t seq = 0;
    Time at{};
    bool from_customer = false;
    std::string wamid;
    std::string type;
    json::object content;    // the typed member: {"body":…}, the interactive object …
    std::string text;        // what a person reads
    std::string context_id;  // wamid answered to
    std::string status;      // of the business's: accepted, sent, delivered, read, failed
    std::string biz_opaque_callback_data;
    int http_status = 0;    // of the customer's: how the webhook was answered, 0 = not yet
    std::string chosen_id;  // the button or row that was tapped
};

struct Chat {
    static constexpr std::size_t kMessagesMax = 2'000;

    std::string number_id;
    std::string customer_key;
    Time last_inbound{};
    Time typing_until{};
    std::vector<ChatMessage> messages;
};

// How a payer answers prompts.
struct Payer {
    std::string behaviour =
        "manual";  // manual | pay | cancel | insufficient | no_answer | wrong_pin
    std::vector<std::string> script;  // the next answers, before `behaviour` applies
    Milliseconds delay{200};
    std::string pin = "1234";
    std::optional<std::int64_t> balance;  // whole shillings; nothing: enough
};

// One short code on Safaricom's side.
struct Shortcode {
    std::string code;
    std::string name;  // shown on the prompt
    std::string passkey;
    std::string consumer_key;
    std::string consumer_secret;
    bool expires_in_is_text = true;
    std::int64_t token_ttl_s = 3599;
    Milliseconds callback_delay{300};
    Milliseconds prompt_timeout{60'000};       // then 1037
    Milliseconds same_amount_window{120'000};  // result 17; 0 = off
    std::string pending_query =
        "processing_500";       // 4999 | processing_500 | processing_200 | empty_500
    int queries_per_s_max = 0;  // spike arrest; 0 = off
    bool https_only = false;    // callback URLs
    std::string last_receipt;
    Throughput queries;
};

struct Token {
    std::string text;
    Time expires_at{};
};

// One STK push that was accepted.
struct Prompt {
    std::string id;  // CheckoutRequestID
    std::string merchant_request_id;
    PushRequest push;
    std::string business;
    Time at{};
    bool open = true;  // shown on the phone
    std::optional<StkResult> result;
    std::string receipt;
    Time ended_at{};
    CallbackFault callback;
};

// One account on Stripe's side, with the one endpoint that its events go to.
struct StripeAccount {
    std::string id;  // "acct_…"
    std::string secret_key;
    std::string webhook_secret;
    std::string webhook_secret_other;  // signs too, while a secret is rolled; empty: there is none
    std::string webhook_url;
    std::string payer = "manual";  // manual | pay
    Milliseconds payer_delay{200};
    Milliseconds webhook_delay{50};
};

// A Checkout Session.
struct StripeSession {
    std::string id;
    std::string account;
    StripeAsk ask;
    std::string url;
    bool live = false;
    std::int64_t created = 0;  // unix seconds
    std::string status = "open";
    std::string payment_status = "unpaid";
    std::string payment_intent;
    int declines = 0;
    CallbackFault callback;
};

// The first result of an idempotency key.
struct StripeReply {
    std::string asked;  // path and body
    int status = 0;
    std::string body;
};

// A file that a provider keeps. Meta: uploaded by a business for 30 days, sent by a customer for 7.
struct MediaFile {
    std::string id;
    std::string number_id;     // Twilio's sender number
    std::string message_id{};  // at Twilio: whose file it is
    std::string mime_type;
    std::string bytes;
    Time until{};
    std::string address;  // of the last address that was given out for it
    Time address_until{};
};

struct State {
    static constexpr std::size_t kMediaMax = 500;  // the oldest are forgotten
    static constexpr std::size_t kInboundMax = 200'000;
    static constexpr std::size_t kPromptsMax = 50'000;
    static constexpr std::size_t kPromptsOfPhoneMax = 20;  // shown; the rest is in the record

    std::map<std::string, Number> numbers;
    std::map<std::string, TemplateAccount> accounts;            // by WABA id
    std::map<std::string, MediaFile> media;                     // by id
    std::deque<std::string> media_order;                        // the oldest first
    std::map<std::string, TwilioSender> senders;                // by number, with its +
    std::uint64_t deliveries = 0;                               // of webhooks, repeats included
    std::map<std::string, Customer> customers;                  // by key
    std::map<std::string, std::string> customer_aliases;        // phone or user id → key
    std::map<std::pair<std::string, std::string>, Chat> chats;  // (number id, customer key)
    std::map<std::string, Shortcode> shortcodes;
    std::map<std::string, StripeAccount> stripe_accounts;                       // by id
    std::map<std::string, StripeSession> stripe_sessions;                       // by id
    std::deque<std::string> stripe_order;                                       // the oldest first
    std::map<std::pair<std::string, std::string>, StripeReply> stripe_replies;  // (account, key)
    std::map<std::string, Token> tokens;                                        // by consumer key
    std::map<std::string, Payer> payers;                            // by phone; "default"
    std::map<std::string, Prompt> prompts;                          // by CheckoutRequestID
    std::map<std::string, std::string> open_prompts;                // phone → CheckoutRequestID
    std::map<std::string, std::map<std::int64_t, Time>> last_push;  // phone → amount → when
    // wamid → (number id, customer key), for mark-as-read
    std::map<std::string, std::pair<std::string, std::string>> inbound_wamids;
    std::deque<std::string> inbound_order;  // the oldest first, to forget them
    std::deque<std::string> prompt_order;
    std::map<std::string, std::vector<std::string>> phone_prompts;  // phone → its prompts
    FaultTable faults;
    std::int64_t sequence = 0;
    std::uint64_t receipts = 0;
};

}  // namespace flowstack::sandbox
