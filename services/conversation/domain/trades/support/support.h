#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "services/conversation/domain/flow/trade.h"
#include "services/conversation/domain/trades/support/state.h"
#include "services/conversation/domain/trades/support/topics.h"

// Support as a trade: topics with their answers, and ratings. verbs.cc has its words.
namespace flowstack::conversation {

const Words& support_words();

// What it may know besides the state. Everything that it points to outlives the step.
struct SupportContext {
    const std::vector<Topic>* topics = nullptr;
};

// Its side of the step's record (flow/record.h).
class SupportRecord {
public:
    virtual ~SupportRecord() = default;
    virtual void add(SupportFact fact) = 0;
};

class Support final : public Trade {
public:
    Support(SupportRecord& record, const SupportContext& context)
        : record_(record), context_(context) {}
    Support(const Support&) = delete;

    const Words& words() const override { return support_words(); }
    std::string_view busy() const override { return {}; }
    void add_values(Values&) const override {}
    bool take_tap(const std::string&, const std::string&) override { return false; }
    bool keeps_open() override { return false; }
    std::string_view said_whatever_happens(std::string_view) const override { return {}; }

    // For the functions of verbs and matches.
    const std::vector<Topic>& topics() const {
        static const std::vector<Topic> kNone;
        return context_.topics ? *context_.topics : kNone;
    }
    void emit(SupportFact fact) { record_.add(std::move(fact)); }

private:
    SupportRecord& record_;
    const SupportContext& context_;
};

}  // namespace flowstack::conversation
