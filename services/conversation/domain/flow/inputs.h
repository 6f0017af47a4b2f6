#pragma once

#include <deque>
#include <string>
#include <variant>

#include "common/core/id.h"
#include "common/core/time.h"
#include "services/conversation/domain/flow/dialogue.h"

// What moves a dialogue in every trade: what the customer does, and follow-ups. Each trade has
// inputs of its own beside these.
namespace flowstack::conversation {

struct Said {
    std::string text;
    // The customer reads choices as a numbered menu, since the channel's provider shows neither
    // buttons nor lists: the number or the title of one of the last choices is a tap on it.
    bool choices_numbered = false;
};
struct Tapped {
    std::string tap_id;  // "<message id>:<n>" when it is ours
    std::string title;
    // Choices of the customer's earlier conversation, looked in after this one's.
    std::deque<SentChoices> earlier{};
};
// Something that is no answer in words: a picture, a contact card, an answered form. It uses up no
// attempt; once at a node the customer is told that we read words.
struct SentMedia {
    SpokenKind kind = SpokenKind::media;
};
// A pin on the map: the address, where one is asked for.
struct Pinned {
    std::string place;  // name and address, else the coordinates
};
// The last answer was changed, and the dialogue still stands where it was given (pipeline.h). An
// edit that is no better answer changes nothing and uses up no attempt.
struct Edited {
    std::string text;
};
struct FollowUpDue {
    TaskId task_id;
    std::string kind;
    Time since{};
    std::string text;
    std::string template_key = {};  // not empty: this is said, and nothing else
};
// A follow-up that is not said after all: its time came outside the service window, or too late.
struct FollowUpSkipped {
    std::string kind;
    Time since{};
};
// A person gave the dialogue back: the flow says what it has for the occasion "handed_back".
struct ReturnedToFlow {};
using DialogueInput = std::variant<Said, Tapped, SentMedia, Pinned, Edited, FollowUpDue,
                                   FollowUpSkipped, ReturnedToFlow>;

}  // namespace flowstack::conversation
