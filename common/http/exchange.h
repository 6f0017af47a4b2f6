#pragma once

#include <atomic>
#include <utility>

#include "common/http/server.h"

namespace flowstack::http {

// What a Responder holds: one request's promise to be answered (internal).
class Responder::Exchange {
public:
    // Instead of an answer, the connection is closed.
    static constexpr int kCutStatus = -1;

    Exchange() = default;
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;
    virtual ~Exchange() = default;

    void answer(Response response) {
        if (!answered_.exchange(true)) deliver(std::move(response));
    }

protected:
    // For the destructors of derived classes, while `deliver` can still be called.
    void answer_for_the_forgetful() {
        if (answered_.exchange(true)) return;
        deliver(Response::problem(500, "Internal error",
                                  "The request was not answered. Try again later.", "INTERNAL"));
    }

private:
    // Called once, on any thread.
    virtual void deliver(Response response) = 0;
    std::atomic<bool> answered_{false};
};

}  // namespace flowstack::http
