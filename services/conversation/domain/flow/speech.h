#pragma once

#include <string>
#include <vector>

#include "services/conversation/domain/customer.h"
#include "services/conversation/domain/flow/context.h"
#include "services/conversation/domain/flow/inputs.h"
#include "services/conversation/domain/flow/record.h"
#include "services/conversation/domain/flow/trade.h"

// The words of one step: finds templates, fills them, and asks for the messages.
namespace flowstack::conversation {

class Speech {
public:
    Speech(Record& record, const Customer& customer, const FlowContext& context,
           const std::vector<Trade*>& trades)
        : record_(record), customer_(customer), context_(context), trades_(trades) {}

    // The tenant's own, else the flow's; null if there is none.
    const Template* find_template(const std::string& key) const;

    // A short text in the language of the dialogue: a provider's name, a reason in plain words.
    std::string phrase(const std::string& key, const Values& values = {}) const;

    // What texts may say now: the dialogue's variables, the tenant, the customer, the trades;
    // `extra` goes before all of them.
    Values values(const Values& extra) const;

    // Asks for one message. `choices` replaces the template's own buttons or rows; `task` is the
    // follow-up that it carries out. Whether there were words.
    bool reply(const std::string& key, const Values& extra,
               const std::vector<Choice>* choices = nullptr, const FollowUpDue* task = nullptr);

    // The template's words with one button that opens a page.
    bool reply_with_link(const std::string& key, const Values& extra, const std::string& title,
                         const std::string& url);

    // A follow-up's own words, which came from a person or from the flow.
    bool reply_in_words(const std::string& words, const FollowUpDue& task);

    // Of the values only the names of tenant and customer are used: what went wrong may be what the
    // others are made of.
    bool reply_simply(const std::string& key);

    bool spoke() const { return replies_ > 0; }

private:
    bool send(Rendered rendered, const std::string& key, std::int64_t version,
              const FollowUpDue* task);

    Record& record_;
    const Customer& customer_;
    const FlowContext& context_;
    const std::vector<Trade*>& trades_;
    int replies_ = 0;
};

}  // namespace flowstack::conversation
