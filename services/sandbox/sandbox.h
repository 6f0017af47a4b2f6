#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "services/sandbox/record.h"
#include "services/sandbox/state.h"
#include "services/sandbox/values.h"

// The stand-ins for Meta, Twilio, Safaricom and Stripe, the customers' phones, and the control API:
// everything behind the sandbox's one HTTP port, without the port.
//
// Thread-safe: one lock over the state, held for microseconds; answers, posts and timers are
// collected while it is held and let go afterwards. The world must stop calling back before this
// object goes.
namespace flowstack::sandbox {

// `file` of what a customer says; nothing when its kind or its bytes cannot be read.
struct CustomerFile {
    std::string kind;
    std::string mime_type;
    std::string caption;
    std::string bytes;
};
std::optional<CustomerFile> customer_file(const json::value& described);
inline constexpr const char* kCustomerFileRule =
    "file: kind (image, audio, video, document, sticker) and base64 are required";

class Sandbox {
public:
    static constexpr Milliseconds kLongPollMax{25'000};
    static constexpr std::size_t kWaitersMax = 1'000;

    Sandbox(World& world, Record& record);

    // `answer` is called exactly once, from any thread.
    void handle(Call call, Answer answer);

private:
    using Effects = std::vector<std::function<void()>>;
    using Path = std::vector<std::string>;

    // Runs `step` under the lock, then what it asked for without the lock.
    void run(const std::function<void(Effects&)>& step);
    void later(Effects& fx, Milliseconds delay, std::function<void(Effects&)> step);
    void post(Effects& fx, Outgoing what, std::function<void(PostResult, Effects&)> step);
    void reply(Effects& fx, const Answer& answer, Reply what, Milliseconds delay = {});
    void note(Effects& fx, std::string kind, json::object what);

    std::string random_text(std::size_t size, std::string_view alphabet);
    std::string new_wamid(const std::string& phone);
    std::string new_request_id();

    // Meta (meta_door.cc)
    void graph(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void messages(const Call& call, Number& number, const Answer& answer, Effects& fx);
    // Templates (templates_door.cc)
    TemplateAccount& template_account(const std::string& waba_id);
    const Number* number_of_account(const std::string& waba_id, const std::string& token);
    Template* find_template_by_id(const std::string& id, std::string* waba_id);
    bool templates(const Call& call, const Path& path, const std::string& token,
                   const Answer& answer, Effects& fx);
    // Files (media_door.cc)
    void upload_media(const Call& call, const Number& number, const Answer& answer, Effects& fx);
    void media_by_id(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void media_content(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    // By Meta's kind of id unless one is given.
    MediaFile& keep_media(const std::string& number_id, std::string mime_type, std::string bytes,
                          Milliseconds kept_for, std::string id = {});
    MediaFile* find_media(const std::string& id);
    std::optional<GraphError> judge_files(const Number& number, const json::value& body);
    void accept_send(const Call& call, Number& number, const json::value& body, SendRequest send,
                     const Effect& effect, const Answer& answer, Effects& fx);
    std::optional<GraphError> judge_state(Number& number, const json::value& body,
                                          const SendRequest& send, const std::string& key,
                                          bool* fails_later);
    void refuse(const Number& number, const json::value* body, const GraphError& error,
                const Effect& effect, const Answer& answer, Effects& fx);
    struct StatusPlan {
        std::string number_id, customer_key, wamid, biz;
        bool template_message = false;
        StatusFault fault;
    };
    void plan_statuses(const Number& number, const StatusPlan& plan, bool early_sent, Effects& fx);
    json::object status_value(const Number& number, const Customer& customer,
                              const StatusPlan& plan, const std::string& status,
                              std::optional<int> error);
    void send_status(const StatusPlan& plan, const std::string& status, std::optional<int> error,
                     int copies, std::function<void(Effects&)> then, Effects& fx);
    Chat& chat(const std::string& number_id, const std::string& customer_key);
    void add_message(Chat& chat, ChatMessage message, Effects& fx);

    // Webhooks (meta_door.cc)
    struct Delivery {
        std::string number_id;  // for the record
        std::string phone;
        std::string url;
        std::string body;
        std::string signature;  // whole header value; empty: no header
        std::string what;       // "message", "status:sent", "raw" …
        std::vector<std::string> wamids;
        bool retry = true;
        std::size_t attempt = 0;
    };
    void deliver(Delivery delivery, std::function<void(PostResult, Effects&)> first, Effects& fx);

    // Twilio (twilio_door.cc)
    void twilio(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void twilio_file(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void twilio_store(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void accept_twilio_send(TwilioSender& sender, const TwilioSend& send, const Form& form,
                            const Effect& effect, const Answer& answer, Effects& fx);
    int judge_twilio_state(TwilioSender& sender, const TwilioSend& send, const std::string& key);
    struct TwilioPlan {
        std::string number, customer_key, sid, status_callback;
        StatusFault fault;
    };
    void plan_twilio_statuses(const TwilioSender& sender, const TwilioPlan& plan, bool early_sent,
                              Effects& fx);
    void send_twilio_status(const TwilioPlan& plan, const std::string& status, int copies,
                            std::function<void(Effects&)> then, Effects& fx);
    struct TwilioDelivery {
        std::string number, phone, url, body, signature, what, sid, idempotency_token;
        bool again = false;
    };
    void deliver_twilio(TwilioDelivery delivery, std::function<void(PostResult, Effects&)> first,
                        Effects& fx);
    void say_by_twilio(TwilioSender& sender, const std::string& key, const json::value& body,
                       const Answer& answer, Effects& fx);

    // Daraja (daraja_door.cc)
    void daraja(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void oauth(const Call& call, const Answer& answer, Effects& fx);
    void stk_push(const Call& call, const Answer& answer, Effects& fx);
    void stk_query(const Call& call, const Answer& answer, Effects& fx);
    std::optional<DarajaError> judge_token(const Call& call, std::string* consumer_key);
    std::optional<DarajaError> judge_shortcode(const std::string& code, const std::string& password,
                                               const std::string& timestamp,
                                               const std::string& consumer_key);
    void answer_prompt(Prompt& prompt, const std::string& result_code, const std::string& how,
                       std::function<void(Effects&)> then, Effects& fx);
    void behave(Prompt& prompt, const std::string& behaviour, Effects& fx);
    void send_callback(const Prompt& prompt, std::function<void(Effects&)> then, Effects& fx);
    void post_callback(const Prompt& prompt, const std::string& url, const std::string& body,
                       const std::string& what, std::function<void(Effects&)> then, Effects& fx);

    // Stripe (stripe_door.cc)
    void stripe(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void stripe_page(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    // One thing that the payer, the bank or the clock does: pay, pay_later, decline, expire,
    // succeed, fail. False when the session's state has no place for it.
    bool end_stripe(StripeSession& session, const std::string& action,
                    std::function<void(Effects&)> then, Effects& fx);
    struct StripeEvent {
        std::string session, account, id, type, body;
        std::string what = "callback";
        std::string sign;  // "", "wrong_signature", "old_signature", "no_signature"
        int tries = 0;
    };
    void post_stripe(StripeEvent event, std::function<void(Effects&)> then, Effects& fx);
    json::object describe(const StripeSession& session) const;

    // Control (control_door.cc, customers.cc)
    void control(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void control_numbers(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void control_senders(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void control_shortcodes(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void control_accounts(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void control_checkouts(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void control_payers(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void control_templates(const Call& call, const Answer& answer, Effects& fx);
    void control_faults(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void control_customers(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void control_prompts(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void control_chats(const Call& call, const Path& path, const Answer& answer, Effects& fx);
    void control_record(const Call& call, const Answer& answer, Effects& fx);
    void control_webhooks(const Call& call, const Answer& answer, Effects& fx);
    void control_callbacks(const Call& call, const Answer& answer, Effects& fx);
    void say(const std::string& key, const json::value& body, const Answer& answer, Effects& fx);
    Customer& customer(const std::string& key_or_alias);
    void introduce(Customer& customer, const json::value& described);
    std::string customer_key(const std::string& phone_or_user_id) const;
    // The two names are one person from now on; what was said under `name` moves over.
    void unite(const std::string& name, const Customer& into);
    void remember_inbound(const std::string& wamid, const std::string& number_id,
                          const std::string& customer_key);
    json::object describe(const Chat& chat) const;
    json::object describe(const Prompt& prompt) const;

    // A long poll is answered as soon as `ready` gives a body, or at its end with what there is.
    struct Waiter {
        std::uint64_t id;
        std::function<std::optional<std::string>(bool last_chance)> ready;
        Answer answer;
    };
    void wait(Milliseconds at_most, std::function<std::optional<std::string>(bool)> ready,
              const Answer& answer, Effects& fx);
    void wake(Effects& fx);

    World& world_;
    Record& record_;
    std::mutex mutex_;
    State state_;
    std::vector<Waiter> waiters_;
    std::uint64_t last_waiter_ = 0;
};

}  // namespace flowstack::sandbox
