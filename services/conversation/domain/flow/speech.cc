#include "services/conversation/domain/flow/speech.h"

#include "common/text/utf8.h"
#include "services/conversation/domain/flow/text.h"

namespace flowstack::conversation {

const Template* Speech::find_template(const std::string& key) const {
    if (context_.templates) {
        const auto own = context_.templates->find(key);
        if (own != context_.templates->end() && own->second.active) return &own->second;
    }
    const auto found = context_.flow->templates.find(key);
    return found == context_.flow->templates.end() ? nullptr : &found->second;
}

std::string Speech::phrase(const std::string& key, const Values& values) const {
    const auto* t = find_template(key);
    if (!t || t->variants.empty()) return {};
    return fill(variant_of(*t, record_.dialogue().language).body, values);
}

Values Speech::values(const Values& extra) const {
    auto all = record_.dialogue().variables;
    all["business_name"] = context_.tenant->display_name;
    if (all["customer_name"].empty()) all["customer_name"] = customer_.name;
    all["name"] = all["customer_name"];
    for (const auto* trade : trades_) trade->add_values(all);
    for (const auto& [name, value] : extra) all[name] = value;
    return all;
}

bool Speech::reply(const std::string& key, const Values& extra, const std::vector<Choice>* choices,
                   const FollowUpDue* task) {
    const auto* t = find_template(key);
    // Published flows name only templates that exist; one deleted since then must not stop a
    // dialogue.
    if (!t || t->variants.empty()) return false;
    return send(render(*t, record_.dialogue().language, values(extra), choices), key, t->version,
                task);
}

bool Speech::reply_with_link(const std::string& key, const Values& extra, const std::string& title,
                             const std::string& url) {
    const auto* t = find_template(key);
    if (!t || t->variants.empty()) return false;
    Rendered rendered;
    rendered.content = {.kind = TemplateKind::interactive_button,
                        .body = text::shortened(
                            fill(variant_of(*t, record_.dialogue().language).body, values(extra)),
                            kInteractiveBodyMax),
                        .titles = {text::shortened(title, kButtonTitleMax)},
                        .list_button = {},
                        .rows = {},
                        .media_kind = {},
                        .media_link = {},
                        .whatsapp_template = {},
                        .whatsapp_language_code = {},
                        .parameters = {},
                        .link = url};
    return send(std::move(rendered), key, t->version, nullptr);
}

bool Speech::reply_in_words(const std::string& words, const FollowUpDue& task) {
    Rendered rendered;
    rendered.content.body = text::shortened(fill(words, values({})), kTextBodyMax);
    return send(std::move(rendered), "", 0, &task);
}

bool Speech::reply_simply(const std::string& key) {
    const auto* t = find_template(key);
    if (!t || t->variants.empty()) return false;
    const Values names{{"business_name", context_.tenant->display_name},
                       {"customer_name", customer_.name},
                       {"name", customer_.name}};
    return send(render(*t, record_.dialogue().language, names), key, t->version, nullptr);
}

bool Speech::send(Rendered rendered, const std::string& key, std::int64_t version,
                  const FollowUpDue* task) {
    if (rendered.content.kind == TemplateKind::text && rendered.content.body.empty()) return false;
    ++replies_;
    const auto& dialogue = record_.dialogue();
    record_.add(ReplyRequested{
        .message_id = MessageId(context_.make_id("message", replies_)),
        .conversation_id = dialogue.id,
        .customer_id = dialogue.customer_id,
        .channel_id = dialogue.channel_id,
        .idempotency_key = "auto-reply:" + context_.cause_key + ":" + std::to_string(replies_),
        .template_key = key,
        .template_version = version,
        .kind = task ? ReplyKind::follow_up : ReplyKind::reply,
        .purpose = task ? ReplyPurpose::utility : ReplyPurpose::service,
        .window_evidence = dialogue.last_inbound_at,
        .taps = std::move(rendered.taps),
        .nothing_inbound_since = task ? task->since : Time{},
        .task_id = task ? task->task_id : TaskId(),
        .content = std::move(rendered.content),
        // Where the customer writes from, as gateway says. The number that pays may be another one.
        .to = customer_.phone});
    return true;
}

}  // namespace flowstack::conversation
