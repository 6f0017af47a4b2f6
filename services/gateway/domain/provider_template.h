#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/decision.h"
#include "common/core/id.h"
#include "common/core/time.h"
#include "services/gateway/domain/ids.h"
#include "services/gateway/domain/send_error.h"

// A template that a messaging provider keeps and judges, as far as we know: what we asked for, what
// was answered, and what the provider's list and its news say. It belongs to an account of the
// business at the provider and has a name and a language there.
//
// The provider has no idempotency key, so a request whose answer was lost is unknown and is not
// made again: the provider's list tells what became of it. News comes twice, late and out of order;
// each thing that it says has a time, and what is older than what we know changes nothing.
//
// This file is the vocabulary, provider_template.cc the rulebook; both are pure.
namespace flowstack::gateway {

struct TemplateKey {
    std::string business_account_id;
    std::string name;
    std::string language_code;
    friend auto operator<=>(const TemplateKey&, const TemplateKey&) = default;
};
// For people: "order_ready (en_US)".
std::string text_of(const TemplateKey& key);

// ---- What a template is made of. Words that we do not know are kept as the provider wrote them.

struct TemplateExample {
    std::string name;  // empty: a variable with a number
    std::string value;
    friend bool operator==(const TemplateExample&, const TemplateExample&) = default;
};
struct TemplateHeaderPart {
    std::string format;  // text | image | video | document | location | …; empty: no header
    std::string text;
    std::vector<TemplateExample> examples;
    std::string sample_handle;
    friend bool operator==(const TemplateHeaderPart&, const TemplateHeaderPart&) = default;
};
struct TemplateButtonPart {
    std::string kind;  // quick_reply | url | phone_number | copy_code | flow | catalog | …
    std::string text;
    std::string url;
    std::string url_example;
    std::string phone_number;
    std::string code_example;
    std::string flow_id;
    std::string screen;
    friend bool operator==(const TemplateButtonPart&, const TemplateButtonPart&) = default;
};
struct TemplateParts {
    TemplateHeaderPart header;
    std::string body;
    std::vector<TemplateExample> body_examples;
    std::string footer;
    std::vector<TemplateButtonPart> buttons;
    int cards = 0;
    std::vector<std::string> other_parts;
    friend bool operator==(const TemplateParts&, const TemplateParts&) = default;
};

// The variables of a text, without their braces, in order: "1", "2" or "first_name". A pair of
// braces around anything else is text.
std::vector<std::string> variables_of(std::string_view text);
bool is_numbered(std::string_view variable);
// Whether the customer sees the same: examples and sample files do not count.
bool shows_the_same(const TemplateParts& one, const TemplateParts& other);

// The one status with which a template may be sent.
inline constexpr std::string_view kTemplateApproved = "APPROVED";
// Statuses of a template that the provider has given up.
bool is_on_its_way_out(std::string_view status);

// ---- Intentions.

enum class TemplateOperation { create, edit, remove };

struct RequestTemplate {
    TemplateOperation operation = TemplateOperation::create;
    TemplateKey key;
    ChannelId channel_id;
    std::string category;
    TemplateParts parts;
    Time answer_until{};  // who has no answer by then does not know it
};
// The provider took the request. Of a creation, what it said about the template.
struct TemplateTaken {
    std::string provider_template_id;
    std::string status;
    std::string category;
    friend bool operator==(const TemplateTaken&, const TemplateTaken&) = default;
};
struct TemplateNotTaken {
    SendError error;  // of no class: it never left
    std::string reason;
};
struct TemplateAnswerLost {
    std::string reason;
};
struct RecordTemplateAnswer {
    TemplateOperation operation = TemplateOperation::create;
    std::variant<TemplateTaken, TemplateNotTaken, TemplateAnswerLost> answer;
    Time now{};
};

// A template in the provider's list.
struct ListedTemplate {
    TemplateKey key;
    std::string provider_template_id;
    std::string status;
    std::string reason;
    std::string category;
    std::string quality;
    TemplateParts parts;
};
struct RecordListed {
    ListedTemplate listed;
    Time as_of{};  // the moment at which the first page was asked for
};
// The whole list was read, and the template is not in it.
struct RecordNotListed {
    Time as_of{};
    // A list may be so much older than it looks: what was made within this time before it may be
    // missing there.
    std::chrono::milliseconds lag{};
};
// News. What it does not say is empty.
struct RecordTemplateNews {
    TemplateKey key;
    std::string provider_template_id;
    std::string status;  // the status from now on, where the news says it
    std::string reason;
    std::string category;
    std::string quality;
    Time as_of{};      // by the provider's clock, in whole seconds
    Time listed_at{};  // the account's list was read then, by our clock; epoch: never
};
using TemplateCommand = std::variant<RequestTemplate, RecordTemplateAnswer, RecordListed,
                                     RecordNotListed, RecordTemplateNews>;

// ---- Facts.

struct TemplateRequested {
    RequestTemplate request;
};
struct TemplateRequestAccepted {
    TemplateOperation operation = TemplateOperation::create;
    TemplateKey key;
    bool by_listing = false;
    friend bool operator==(const TemplateRequestAccepted&,
                           const TemplateRequestAccepted&) = default;
};
struct TemplateRequestRefused {
    TemplateOperation operation = TemplateOperation::create;
    TemplateKey key;
    SendError error;
    std::string reason;
    friend bool operator==(const TemplateRequestRefused&, const TemplateRequestRefused&) = default;
};
struct TemplateRequestUnknown {
    TemplateOperation operation = TemplateOperation::create;
    TemplateKey key;
    std::string reason;
    friend bool operator==(const TemplateRequestUnknown&, const TemplateRequestUnknown&) = default;
};
enum class TemplateSource { answer, listing, notice };
// What is known from now on, whole but for the parts, which stay when they are not said.
struct TemplateReported {
    TemplateKey key;
    TemplateSource source = TemplateSource::listing;
    std::string provider_template_id;
    std::string status;
    std::string reason;
    std::string category;
    std::string quality;
    // When the provider said it: news and lists come out of order.
    Time status_as_of{};
    Time category_as_of{};
    Time quality_as_of{};
    std::optional<TemplateParts> parts;
    bool status_changed = false;
    friend bool operator==(const TemplateReported&, const TemplateReported&) = default;
};
struct TemplateGone {
    TemplateKey key;
    std::string reason;
    friend bool operator==(const TemplateGone&, const TemplateGone&) = default;
};
using TemplateEvent =
    std::variant<TemplateRequested, TemplateRequestAccepted, TemplateRequestRefused,
                 TemplateRequestUnknown, TemplateReported, TemplateGone>;

// ---- State.

struct OpenTemplateRequest {
    RequestTemplate request;
    bool unknown = false;
    std::string reason;  // why it is unknown
    Time requested_at{};
};
struct RefusedTemplateRequest {
    TemplateOperation operation = TemplateOperation::create;
    SendError error;
    std::string reason;
    Time requested_at{};
};
struct ProviderTemplate {
    TemplateKey key;  // empty name: nobody has heard of it
    bool at_provider = false;
    std::string provider_template_id;
    std::string status;
    std::string reason;
    std::string category;
    std::string quality;
    std::optional<TemplateParts> parts;
    Time status_as_of{};
    Time category_as_of{};
    Time quality_as_of{};
    TemplateSource status_source = TemplateSource::listing;  // of status_as_of
    Time seen_at{};                                          // when we last heard that it is there
    Time status_time{};                                      // when it got its status
    std::optional<OpenTemplateRequest> open;
    std::optional<RefusedTemplateRequest> refused;
    Time created_at{};
    Time updated_at{};
};

enum class TemplateRejection {
    request_open,     // another request has no answer yet
    exists,           // the provider has it
    not_at_provider,  // the provider does not have it
    stale_answer,     // the request is settled already
};

Decision<TemplateEvent, TemplateRejection> decide(const ProviderTemplate& state,
                                                  const TemplateCommand& command);
// `at`: when the fact was stored. Throws CorruptStream.
ProviderTemplate evolve(ProviderTemplate state, const TemplateEvent& event, Time at);

// Whether the provider's list must be asked: the news alone does not tell what counts now.
// `clock_margin`: how far the provider's clock and ours may be apart.
bool needs_listing(const ProviderTemplate& before, const RecordTemplateNews& news,
                   std::chrono::milliseconds clock_margin);

// Why a template may not be sent; nothing when it may. `account_listed`: all templates of the
// account are known, so one that is not known does not exist.
std::optional<std::string> reason_not_to_send(const ProviderTemplate& state, const TemplateKey& key,
                                              bool account_listed);

// ---- An account of the business at a provider, as far as its templates go.

struct TemplateListingRequested {
    std::string business_account_id;
    std::string cause;
    Time due{};
};
struct TemplatesListed {
    std::string business_account_id;
    int templates = 0;
    Time as_of{};
    Time next{};
};
struct TemplateListingFailed {
    std::string business_account_id;
    std::string reason;
    Time retry{};  // epoch: not before somebody asks
    int failures = 0;
};
using TemplateAccountEvent =
    std::variant<TemplateListingRequested, TemplatesListed, TemplateListingFailed>;

struct TemplateAccount {
    std::string business_account_id;  // empty: nobody has asked yet
    // The tenant's own credentials have listed it: it is the tenant's, and all its templates are
    // known.
    bool listed = false;
    int templates = 0;
    Time listed_at{};
    Time next{};
    std::string failure;
    int failures = 0;
};
TemplateAccount evolve(TemplateAccount state, const TemplateAccountEvent& event);

}  // namespace flowstack::gateway
