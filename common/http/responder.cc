#include <memory>

#include "common/http/exchange.h"
#include "common/http/server.h"

namespace flowstack::http {
namespace {

class FunctionExchange final : public Responder::Exchange {
public:
    explicit FunctionExchange(std::function<void(Response)> deliver)
        : deliver_(std::move(deliver)) {}
    ~FunctionExchange() override { answer_for_the_forgetful(); }

private:
    void deliver(Response response) override { deliver_(std::move(response)); }
    std::function<void(Response)> deliver_;
};

}  // namespace

Responder::Responder(std::function<void(Response)> deliver)
    : exchange_(std::make_shared<FunctionExchange>(std::move(deliver))) {}

void Responder::send(Response response) const {
    if (exchange_) exchange_->answer(std::move(response));
}

void Responder::abort() const {
    Response nothing;
    nothing.status = Exchange::kCutStatus;
    send(std::move(nothing));
}

}  // namespace flowstack::http
