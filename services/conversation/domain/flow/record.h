#pragma once

#include <functional>

#include "services/conversation/domain/customer.h"
#include "services/conversation/domain/flow/dialogue.h"

namespace flowstack::conversation {

// The facts of one step, in their order, and the state that they lead to. It is kept by whoever
// knows the facts of all trades (step.cc); the interpreter and the trades write into it.
class Record {
public:
    virtual ~Record() = default;

    // As of the last fact. The reference stays good, what it refers to moves on.
    virtual const Dialogue& dialogue() const = 0;
    virtual void add(DialogueFact fact) = 0;
    virtual void add_customer(CustomerEvent fact) = 0;
    // Marks the last reply as the one that waits for an answer.
    virtual void expect_answer() = 0;
    // Call what it returns to forget every fact since then.
    virtual std::function<void()> checkpoint() = 0;
};

}  // namespace flowstack::conversation
