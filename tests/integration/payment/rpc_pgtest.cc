#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "common/rpc/caller.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "common/rpc/server.h"
#include "common/rpc/timestamp.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/payment/v1/ledger_service.grpc.pb.h"
#include "flowstack/payment/v1/order_service.grpc.pb.h"
#include "flowstack/payment/v1/payment_service.grpc.pb.h"
#include "flowstack/payment/v1/provider_account_service.grpc.pb.h"
#include "flowstack/payment/v1/refund_service.grpc.pb.h"
#include "services/payment/adapters/rpc.h"
#include "tests/integration/payment/shop.h"

// The gRPC doors as a caller meets them.
namespace flowstack::payment::testing {
namespace {

using namespace std::chrono_literals;

class PaymentDoors : public ::testing::Test {
protected:
    PaymentDoors() {
        for (auto& named : make_read_services(doors)) services.push_back(std::move(named));
        for (auto& named : make_order_services(doors)) services.push_back(std::move(named));
        for (auto& named : make_refund_services(doors)) services.push_back(std::move(named));
        for (auto& named : make_payment_services(doors)) services.push_back(std::move(named));
        for (auto& named : services) server.add(*named.service, named.full_name);
        server.start();
        server.set_ready(true);
        channel = rpc::make_channel("127.0.0.1:" + std::to_string(server.port()),
                                    {.internal_key = Secret("internal")});
        payments = v1::PaymentService::NewStub(channel);
    }
    ~PaymentDoors() override { server.drain(0ms); }

    template <class Stub, class Method, class Request, class Response>
    grpc::Status call(Stub& stub, Method method, const Request& request, Response& response) {
        grpc::ClientContext context;
        rpc::set_timeout(context, 10s);
        return (stub.*method)(&context, request, &response);
    }
    template <class Response, class Stub, class Method, class Request>
    Response ok(Stub& stub, Method method, const Request& request) {
        Response response;
        const auto status = call(stub, method, request, response);
        EXPECT_TRUE(status.ok()) << status.error_message();
        return response;
    }
    template <class Response, class Stub, class Method, class Request>
    rpc::Failure refused(Stub& stub, Method method, const Request& request) {
        Response response;
        const auto failure = rpc::failure_of(call(stub, method, request, response));
        EXPECT_TRUE(failure) << response.ShortDebugString();
        return failure.value_or(rpc::internal());
    }

    v1::CreatePaymentIntentRequest free_reference(const std::string& request_id) {
        v1::CreatePaymentIntentRequest request;
        request.set_parent("tenants/" + kTenant);
        request.set_request_id(request_id);
        request.set_customer_id("amina");
        request.mutable_amount()->set_minor_units(50'000);
        request.mutable_amount()->set_currency_code("KES");
        request.set_reference("DEPOSIT");
        request.set_phone("+254712345678");
        return request;
    }
    v1::Payment create(const v1::CreatePaymentIntentRequest& request) {
        return ok<v1::Payment>(*payments, &v1::PaymentService::Stub::CreatePaymentIntent, request);
    }

    Shop shop;
    eventlog::ReadModel read_model{shop.store, "signing"};
    rpc::Server server{{.admission = {.internal_key = Secret("internal")}}};
    Doors doors{.rpc = server,
                .store = shop.store,
                .read_model = read_model,
                .books = shop.books,
                .accounts = *shop.accounts,
                .providers = *shop.providers,
                .clock = shop.clock,
                .ids = shop.ids,
                .config = shop.config,
                .root_key = shop.root_key};
    std::vector<NamedService> services;
    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<v1::PaymentService::Stub> payments;
};

TEST_F(PaymentDoors, CreatePushAndGetAPaymentWithoutAnOrder) {
    shop.payer({{"behaviour", "manual"}});
    const auto made = create(free_reference("r1"));
    EXPECT_EQ(made.state(), v1::PAYMENT_STATE_INITIATED);
    EXPECT_EQ(made.reference(), "DEPOSIT");

    v1::InitiateStkPushRequest push;
    push.set_name(made.name());
    push.set_request_id("p1");
    push.set_phone("0712345678");
    const auto pushed =
        ok<v1::Payment>(*payments, &v1::PaymentService::Stub::InitiateStkPush, push);
    EXPECT_EQ(pushed.state(), v1::PAYMENT_STATE_PENDING);
    EXPECT_EQ(pushed.phone(), "+254712345678");
    EXPECT_EQ(shop.recorded("push_accepted"), 1U);
    // The same request again asks nobody.
    ok<v1::Payment>(*payments, &v1::PaymentService::Stub::InitiateStkPush, push);
    EXPECT_EQ(shop.recorded("push_accepted"), 1U);
    // And neither does another one.
    push.set_request_id("p2");
    EXPECT_EQ(
        refused<v1::Payment>(*payments, &v1::PaymentService::Stub::InitiateStkPush, push).code,
        grpc::StatusCode::FAILED_PRECONDITION);
    v1::CancelPaymentRequest cancel;
    cancel.set_name(made.name());
    EXPECT_EQ(
        refused<v1::Payment>(*payments, &v1::PaymentService::Stub::CancelPayment, cancel).code,
        grpc::StatusCode::FAILED_PRECONDITION);

    v1::GetPaymentRequest get;
    get.set_name(made.name());
    const auto got = ok<v1::Payment>(*payments, &v1::PaymentService::Stub::GetPayment, get);
    EXPECT_EQ(got.provider_reference(), pushed.provider_reference());
    EXPECT_GE(got.evidence_size(), 4);
}

TEST_F(PaymentDoors, AnswerARepeatedRequestAsTheFirst) {
    const auto first = create(free_reference("r1"));
    EXPECT_EQ(create(free_reference("r1")).name(), first.name());
    auto other = free_reference("r1");
    other.mutable_amount()->set_minor_units(60'000);
    const auto failure =
        refused<v1::Payment>(*payments, &v1::PaymentService::Stub::CreatePaymentIntent, other);
    EXPECT_EQ(failure.reason, common::v1::ERROR_REASON_IDEMPOTENCY_KEY_REUSED);
    EXPECT_NE(create(free_reference("r2")).name(), first.name());
}

TEST_F(PaymentDoors, NameTheFieldThatIsWrong) {
    const auto field_of = [&](const v1::CreatePaymentIntentRequest& request) {
        const auto failure = refused<v1::Payment>(
            *payments, &v1::PaymentService::Stub::CreatePaymentIntent, request);
        EXPECT_EQ(failure.code, grpc::StatusCode::INVALID_ARGUMENT);
        return failure.fields.empty() ? "" : failure.fields[0].field;
    };
    auto request = free_reference("r");
    request.set_parent("duka");
    EXPECT_EQ(field_of(request), "parent");
    request = free_reference("r");
    request.clear_customer_id();
    EXPECT_EQ(field_of(request), "customer_id");
    request = free_reference("r");
    request.mutable_amount()->set_minor_units(0);
    EXPECT_EQ(field_of(request), "amount.minor_units");
    request = free_reference("r");
    request.mutable_amount()->set_minor_units(50'050);
    EXPECT_EQ(field_of(request), "amount.minor_units");
    request = free_reference("r");
    request.mutable_amount()->set_currency_code("TZS");
    EXPECT_EQ(field_of(request), "amount.currency_code");
    request = free_reference("r");
    request.set_phone("12345");
    EXPECT_EQ(field_of(request), "phone");
    request = free_reference("r");
    request.set_phone("+255754000001");
    EXPECT_EQ(field_of(request), "phone");
    request = free_reference("r");
    request.set_provider("cash");
    EXPECT_EQ(field_of(request), "provider");
    request = free_reference("r");
    request.set_order("orders/1");
    EXPECT_EQ(field_of(request), "order");
}

TEST_F(PaymentDoors, PayAnOrderAgainAfterAFailure) {
    shop.payer({{"script", {"cancel", "pay"}}});
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_FAILED));
    v1::CreatePaymentIntentRequest request;
    request.set_parent("tenants/" + kTenant);
    request.set_request_id("retry");
    request.set_order("tenants/" + kTenant + "/orders/" + order_id);
    const auto made = create(request);
    EXPECT_EQ(made.amount().minor_units(), 116'000);
    // One at a time.
    request.set_request_id("retry too");
    EXPECT_EQ(
        refused<v1::Payment>(*payments, &v1::PaymentService::Stub::CreatePaymentIntent, request)
            .code,
        grpc::StatusCode::FAILED_PRECONDITION);
    v1::InitiateStkPushRequest push;
    push.set_name(made.name());
    ok<v1::Payment>(*payments, &v1::PaymentService::Stub::InitiateStkPush, push);
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    // Answered before it was paid, so answered again although it could not be made now.
    request.set_request_id("retry");
    EXPECT_EQ(create(request).name(), made.name());
}

TEST_F(PaymentDoors, CancelWhatNobodyWasAskedFor) {
    const auto made = create(free_reference("r1"));
    v1::CancelPaymentRequest cancel;
    cancel.set_name(made.name());
    cancel.set_reason(std::string(501, 'x'));
    const auto failure =
        refused<v1::Payment>(*payments, &v1::PaymentService::Stub::CancelPayment, cancel);
    EXPECT_EQ(failure.reason, common::v1::ERROR_REASON_FIELD_INVALID);
    cancel.set_reason("she paid in cash");
    const auto given_up =
        ok<v1::Payment>(*payments, &v1::PaymentService::Stub::CancelPayment, cancel);
    EXPECT_EQ(given_up.state(), v1::PAYMENT_STATE_FAILED);
    EXPECT_EQ(given_up.failure_reason(), "withdrawn");
    EXPECT_EQ(given_up.failure_note(), "she paid in cash");
    EXPECT_NE(given_up.evidence().rbegin()->detail().find("she paid in cash"), std::string::npos);
}

TEST_F(PaymentDoors, AskAgainForAPhoneThatTheProviderCanAsk) {
    auto request = free_reference("r1");
    request.clear_phone();
    const auto made = create(request);
    v1::InitiateStkPushRequest push;
    push.set_name(made.name());
    for (const auto* phone : {"+255754000001", "12"}) {
        push.set_phone(phone);
        const auto failure =
            refused<v1::Payment>(*payments, &v1::PaymentService::Stub::InitiateStkPush, push);
        EXPECT_EQ(failure.reason, common::v1::ERROR_REASON_FIELD_INVALID);
        ASSERT_EQ(failure.fields.size(), 1U);
        EXPECT_EQ(failure.fields[0].field, "phone");
        EXPECT_NE(failure.fields[0].description.find("Kenyan"), std::string::npos);
    }
    push.set_phone("00254 712 000 111");
    EXPECT_EQ(ok<v1::Payment>(*payments, &v1::PaymentService::Stub::InitiateStkPush, push).phone(),
              "+254712000111");
}

TEST_F(PaymentDoors, TellTheConversationOfAPaymentWithoutAnOrder) {
    auto request = free_reference("r1");
    request.set_conversation_id("conversation-amina");
    create(request);
    create(free_reference("r2"));  // without a conversation nobody waits
    EXPECT_EQ(shop.count_events("PaymentStarted"), 1);
}

TEST_F(PaymentDoors, WantAConnectedAccountFirst) {
    auto request = free_reference("r1");
    request.set_parent("tenants/unconnected");
    const auto failure =
        refused<v1::Payment>(*payments, &v1::PaymentService::Stub::CreatePaymentIntent, request);
    EXPECT_EQ(failure.code, grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_NE(failure.message.find("ConnectProviderAccount"), std::string::npos);
}

// Orders that people of the shop bring to their end.
class Fulfilling : public PaymentDoors {
protected:
    static std::string order_name(const std::string& order_id) {
        return "tenants/" + kTenant + "/orders/" + order_id;
    }
    static v1::AdvanceOrderRequest step(const std::string& order_id, v1::OrderState state,
                                        const std::string& note = {}) {
        v1::AdvanceOrderRequest request;
        request.set_name(order_name(order_id));
        request.set_state(state);
        request.set_note(note);
        return request;
    }
    static v1::CancelOrderRequest give_up(const std::string& order_id, const std::string& reason) {
        v1::CancelOrderRequest request;
        request.set_name(order_name(order_id));
        request.set_reason(reason);
        return request;
    }
    v1::Order advance(const v1::AdvanceOrderRequest& request) {
        return ok<v1::Order>(*orders, &v1::OrderService::Stub::AdvanceOrder, request);
    }
    rpc::Failure not_advanced(const v1::AdvanceOrderRequest& request) {
        return refused<v1::Order>(*orders, &v1::OrderService::Stub::AdvanceOrder, request);
    }
    rpc::Failure not_cancelled(const v1::CancelOrderRequest& request) {
        return refused<v1::Order>(*orders, &v1::OrderService::Stub::CancelOrder, request);
    }
    // Its invoice has a number.
    std::string placed(const std::string& customer) {
        const auto order_id = shop.place(customer);
        EXPECT_TRUE(shop.until(
            [&] { return shop.invoice_of(order_id).state() == v1::INVOICE_STATE_ISSUED; }));
        return order_id;
    }

    std::unique_ptr<v1::OrderService::Stub> orders = v1::OrderService::NewStub(channel);
};

TEST_F(Fulfilling, TakesAnOrderToItsDeliveryAndTellsTheConversationOfEachStep) {
    const auto order_id = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    EXPECT_EQ(advance(step(order_id, v1::ORDER_STATE_PROCESSING)).state(),
              v1::ORDER_STATE_PROCESSING);
    auto ship = step(order_id, v1::ORDER_STATE_SHIPPED, "Otieno brings it");
    ship.set_request_id("s1");
    const auto shipped = advance(ship);
    EXPECT_EQ(shipped.state(), v1::ORDER_STATE_SHIPPED);
    EXPECT_EQ(shipped.payment_state(), v1::ORDER_PAYMENT_STATE_PAID);
    EXPECT_EQ(shipped.progress_note(), "Otieno brings it");
    EXPECT_TRUE(shipped.has_advance_time());
    // The same call, and the same step by another one: nobody is told twice.
    advance(ship);
    advance(step(order_id, v1::ORDER_STATE_SHIPPED, "again"));
    EXPECT_EQ(shop.count_events("OrderAdvanced"), 2);
    EXPECT_EQ(not_advanced(step(order_id, v1::ORDER_STATE_PROCESSING)).reason,
              common::v1::ERROR_REASON_WRONG_STATE);
    EXPECT_EQ(advance(step(order_id, v1::ORDER_STATE_DELIVERED)).state(),
              v1::ORDER_STATE_DELIVERED);
}

TEST_F(Fulfilling, CancelsAnUnpaidOrderWithItsInvoice) {
    const auto order_id = placed("amina");
    const auto owed = shop.booked("receivable");
    EXPECT_GT(owed, 0);
    const auto cancelled = ok<v1::Order>(*orders, &v1::OrderService::Stub::CancelOrder,
                                         give_up(order_id, "out of beans"));
    EXPECT_EQ(cancelled.state(), v1::ORDER_STATE_CANCELLED);
    EXPECT_EQ(cancelled.cancel_reason(), "out of beans");
    const auto invoice = shop.invoice_of(order_id);
    EXPECT_EQ(invoice.state(), v1::INVOICE_STATE_VOID);
    EXPECT_FALSE(invoice.number().empty()) << "a void invoice keeps its number";
    EXPECT_EQ(shop.booked("receivable"), 0);
    EXPECT_TRUE(shop.sums_to_zero());
    // Once more: it is cancelled already, and nothing is written.
    ok<v1::Order>(*orders, &v1::OrderService::Stub::CancelOrder, give_up(order_id, "again"));
    EXPECT_EQ(shop.count_events("OrderCancelled"), 1);
    EXPECT_EQ(not_advanced(step(order_id, v1::ORDER_STATE_SHIPPED)).reason,
              common::v1::ERROR_REASON_WRONG_STATE);
    // Nobody can pay it any more.
    v1::CreatePaymentIntentRequest pay;
    pay.set_parent("tenants/" + kTenant);
    pay.set_order(order_name(order_id));
    EXPECT_EQ(
        refused<v1::Payment>(*payments, &v1::PaymentService::Stub::CreatePaymentIntent, pay).reason,
        common::v1::ERROR_REASON_WRONG_STATE);
}

TEST_F(Fulfilling, RefusesToCancelWhatIsShippedOrBeingPaid) {
    shop.payer({{"behaviour", "manual"}});
    const auto asked = shop.check_out("amina");
    ASSERT_TRUE(shop.reaches(asked, v1::PAYMENT_STATE_PENDING));
    const auto pending = not_cancelled(give_up(asked, "x"));
    EXPECT_EQ(pending.reason, common::v1::ERROR_REASON_WRONG_STATE);
    EXPECT_NE(pending.message.find("payment of it is still open"), std::string::npos);
    const auto shipped = placed("chege");
    advance(step(shipped, v1::ORDER_STATE_SHIPPED));
    EXPECT_NE(not_cancelled(give_up(shipped, "x")).message.find("shipped"), std::string::npos);
    EXPECT_EQ(shop.count_events("OrderCancelled"), 0);
}

TEST_F(Fulfilling, NamesWhatIsWrongWithARequest) {
    const auto order_id = placed("amina");
    const auto field_of = [](const rpc::Failure& failure) {
        EXPECT_EQ(failure.reason, common::v1::ERROR_REASON_FIELD_INVALID);
        return failure.fields.empty() ? "" : failure.fields[0].field;
    };
    for (const auto state : {v1::ORDER_STATE_UNSPECIFIED, v1::ORDER_STATE_DRAFT,
                             v1::ORDER_STATE_CONFIRMED, v1::ORDER_STATE_CANCELLED})
        EXPECT_EQ(field_of(not_advanced(step(order_id, state))), "state");
    EXPECT_EQ(
        field_of(not_advanced(step(order_id, v1::ORDER_STATE_SHIPPED, std::string(501, 'x')))),
        "note");
    EXPECT_EQ(field_of(not_cancelled(give_up(order_id, ""))), "reason");
    EXPECT_EQ(field_of(not_cancelled(give_up(order_id, std::string(501, 'x')))), "reason");
    auto stale = step(order_id, v1::ORDER_STATE_SHIPPED);
    stale.set_etag("1");
    EXPECT_EQ(not_advanced(stale).reason, common::v1::ERROR_REASON_VERSION_MISMATCH);
    EXPECT_EQ(not_advanced(step("nobody", v1::ORDER_STATE_SHIPPED)).code,
              grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(not_cancelled(give_up("nobody", "x")).code, grpc::StatusCode::NOT_FOUND);
}

// Money of payments that goes back.
class Refunding : public Fulfilling {
protected:
    v1::CreateRefundRequest back(const std::string& order_id, std::int64_t cents = 0) {
        v1::CreateRefundRequest request;
        request.set_parent("tenants/" + kTenant);
        request.set_payment(shop.last_payment(order_id).name());
        request.set_reason("a torn bag");
        if (cents == 0) return request;
        request.mutable_amount()->set_minor_units(cents);
        request.mutable_amount()->set_currency_code("KES");
        return request;
    }
    v1::Refund open(const v1::CreateRefundRequest& request) {
        return ok<v1::Refund>(*refunds, &v1::RefundService::Stub::CreateRefund, request);
    }
    rpc::Failure not_opened(const v1::CreateRefundRequest& request) {
        return refused<v1::Refund>(*refunds, &v1::RefundService::Stub::CreateRefund, request);
    }
    static v1::RecordRefundRequest sent(const v1::Refund& refund, const std::string& receipt) {
        v1::RecordRefundRequest request;
        request.set_name(refund.name());
        request.set_receipt(receipt);
        return request;
    }
    v1::Refund record(const v1::RecordRefundRequest& request) {
        return ok<v1::Refund>(*refunds, &v1::RefundService::Stub::RecordRefund, request);
    }
    rpc::Failure not_recorded(const v1::RecordRefundRequest& request) {
        return refused<v1::Refund>(*refunds, &v1::RefundService::Stub::RecordRefund, request);
    }
    v1::Refund get(const std::string& name) {
        v1::GetRefundRequest request;
        request.set_name(name);
        return ok<v1::Refund>(*refunds, &v1::RefundService::Stub::GetRefund, request);
    }
    std::vector<v1::Refund> list(v1::RefundState state) {
        shop.consume();
        v1::ListRefundsRequest request;
        request.set_parent("tenants/" + kTenant);
        request.set_state(state);
        const auto page =
            ok<v1::ListRefundsResponse>(*refunds, &v1::RefundService::Stub::ListRefunds, request);
        return {page.refunds().begin(), page.refunds().end()};
    }
    // An order of KES 1,160.00, paid, with its invoice.
    std::string paid(const std::string& customer) {
        const auto order_id = shop.check_out(customer);
        EXPECT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
        EXPECT_TRUE(shop.until(
            [&] { return shop.invoice_of(order_id).state() == v1::INVOICE_STATE_PAID; }));
        return order_id;
    }

    std::unique_ptr<v1::RefundService::Stub> refunds = v1::RefundService::NewStub(channel);
};

TEST_F(Refunding, SendBackAPartAndThenTheRestUntilNothingIsEarned) {
    const auto order_id = paid("amina");
    auto request = back(order_id, 46'000);
    request.set_request_id("r1");
    const auto part = open(request);
    EXPECT_EQ(part.state(), v1::REFUND_STATE_OPEN);
    EXPECT_EQ(open(request).name(), part.name()) << "the same request opens it once";
    EXPECT_EQ(part.paid_receipt(), shop.last_payment(order_id).receipt());
    EXPECT_EQ(list(v1::REFUND_STATE_OPEN).size(), 1U);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000) << "nothing has gone back yet";

    EXPECT_EQ(record(sent(part, " tkt951kkmc ")).receipt(), "TKT951KKMC");
    record(sent(part, "TKT951KKMC"));  // again: no news
    EXPECT_EQ(shop.count_events("RefundDone"), 1);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 70'000);
    EXPECT_EQ(shop.order(order_id).payment_state(), v1::ORDER_PAYMENT_STATE_PARTIALLY_REFUNDED);
    EXPECT_EQ(shop.order(order_id).refunded().minor_units(), 46'000);
    EXPECT_EQ(shop.invoice_of(order_id).credited().minor_units(), 46'000);
    EXPECT_EQ(shop.last_payment(order_id).refunded().minor_units(), 46'000);

    const auto rest = open(back(order_id));
    EXPECT_EQ(rest.amount().minor_units(), 70'000);
    record(sent(rest, "TKT951KKMD"));
    EXPECT_EQ(shop.order(order_id).payment_state(), v1::ORDER_PAYMENT_STATE_REFUNDED);
    for (const auto* account : {"clearing:mpesa", "revenue", "tax", "rounding", "receivable"})
        EXPECT_EQ(shop.booked(account), 0) << account;
    EXPECT_TRUE(shop.sums_to_zero());
    ASSERT_TRUE(shop.until([&] { return !get(rest.name()).credit_note().empty(); }));
    EXPECT_TRUE(get(part.name()).credit_note().ends_with("-000001"));
    EXPECT_TRUE(get(rest.name()).credit_note().ends_with("-000002"));
    EXPECT_TRUE(get(rest.name()).credit_note().starts_with("CN-"));
}

TEST_F(Refunding, NeverSendBackMoreThanCame) {
    const auto order_id = paid("amina");
    const auto first = open(back(order_id, 100'000));
    const auto more = not_opened(back(order_id, 16'001));
    EXPECT_EQ(more.reason, common::v1::ERROR_REASON_WRONG_STATE);
    EXPECT_NE(more.message.find("more than is left"), std::string::npos);
    open(back(order_id, 16'000));
    EXPECT_EQ(not_opened(back(order_id)).reason, common::v1::ERROR_REASON_WRONG_STATE);
    // What is given up may go back by another one.
    v1::CancelRefundRequest stay;
    stay.set_name(first.name());
    stay.set_reason("another bag instead");
    const auto kept = ok<v1::Refund>(*refunds, &v1::RefundService::Stub::CancelRefund, stay);
    EXPECT_EQ(kept.state(), v1::REFUND_STATE_GIVEN_UP);
    EXPECT_EQ(kept.cancel_reason(), "another bag instead");
    EXPECT_EQ(not_recorded(sent(first, "TKT951KKMC")).reason, common::v1::ERROR_REASON_WRONG_STATE);
    EXPECT_EQ(open(back(order_id)).amount().minor_units(), 100'000);
}

TEST_F(Refunding, RunAtOnceAndStillSendBackNoMoreThanCame) {
    const auto order_id = paid("amina");
    std::atomic<int> opened{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i)
        threads.emplace_back([&] {
            v1::Refund refund;
            opened += call(*refunds, &v1::RefundService::Stub::CreateRefund, back(order_id, 30'000),
                           refund)
                          .ok();
        });
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(opened, 3) << "3 × 300.00 of 1,160.00";
}

TEST_F(Refunding, TakeAReceiptOnceOnly) {
    const auto one = paid("amina");
    const auto two = paid("baraka");
    record(sent(open(back(one, 1'000)), "TKT951KKMC"));
    const auto again = open(back(two, 1'000));
    EXPECT_EQ(not_recorded(sent(again, "TKT951KKMC")).code, grpc::StatusCode::ALREADY_EXISTS);
    EXPECT_EQ(not_recorded(sent(again, shop.last_payment(one).receipt())).code,
              grpc::StatusCode::ALREADY_EXISTS);
    EXPECT_EQ(get(again.name()).state(), v1::REFUND_STATE_OPEN);
    EXPECT_EQ(record(sent(again, "TKT951KKME")).state(), v1::REFUND_STATE_DONE);
}

TEST_F(Refunding, OpenByThemselvesForMoneyThatNoOrderWants) {
    shop.payer({{"script", {"cancel", "pay"}}});
    const auto order_id = placed("amina");
    v1::CreatePaymentIntentRequest pay;
    pay.set_parent("tenants/" + kTenant);
    pay.set_order(order_name(order_id));
    pay.set_phone("+254712000222");
    // The first fails, the order is cancelled, and the money of the first comes after all.
    const auto made = create(pay);
    v1::InitiateStkPushRequest push;
    push.set_name(made.name());
    ok<v1::Payment>(*payments, &v1::PaymentService::Stub::InitiateStkPush, push);
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_FAILED));
    ok<v1::Order>(*orders, &v1::OrderService::Stub::CancelOrder, give_up(order_id, "out of beans"));
    v1::ResolvePaymentRequest found;
    found.set_name(made.name());
    found.mutable_paid()->set_receipt("TKT951LATE");
    *found.mutable_paid()->mutable_amount() = made.amount();
    found.set_reason("it is on the statement");
    ok<v1::Payment>(*payments, &v1::PaymentService::Stub::ResolvePayment, found);
    ASSERT_TRUE(shop.until([&] { return shop.count_events("RefundRequested") == 1; }));
    const auto owed = list(v1::REFUND_STATE_OPEN);
    ASSERT_EQ(owed.size(), 1U);
    EXPECT_EQ(owed[0].amount().minor_units(), made.amount().minor_units());
    EXPECT_EQ(owed[0].invoice(), "");
    EXPECT_EQ(shop.booked("suspense"), -made.amount().minor_units());
    record(sent(owed[0], "TKT951BACK"));
    EXPECT_EQ(shop.booked("suspense"), 0);
    EXPECT_EQ(shop.booked("clearing:mpesa"), 0);
    shop.consume();
    EXPECT_EQ(get(owed[0].name()).credit_note(), "") << "no invoice went down";
    EXPECT_EQ(shop.order(order_id).payment_state(), v1::ORDER_PAYMENT_STATE_UNPAID);
}

TEST_F(Refunding, AreOpenedWhenAPaidOrderIsCancelled) {
    const auto order_id = paid("amina");
    record(sent(open(back(order_id, 16'000)), "TKT951KKMC"));
    const auto cancelled = ok<v1::Order>(*orders, &v1::OrderService::Stub::CancelOrder,
                                         give_up(order_id, "out of beans"));
    EXPECT_EQ(cancelled.state(), v1::ORDER_STATE_CANCELLED);
    EXPECT_EQ(cancelled.payment_state(), v1::ORDER_PAYMENT_STATE_PARTIALLY_REFUNDED);
    const auto rest = list(v1::REFUND_STATE_OPEN);
    ASSERT_EQ(rest.size(), 1U);
    EXPECT_EQ(rest[0].amount().minor_units(), 100'000);
    EXPECT_EQ(rest[0].reason(), "out of beans");
    record(sent(rest[0], "TKT951KKMD"));
    EXPECT_EQ(shop.order(order_id).payment_state(), v1::ORDER_PAYMENT_STATE_REFUNDED);
    EXPECT_EQ(shop.booked("revenue"), 0);
    EXPECT_TRUE(shop.sums_to_zero());
}

TEST_F(Refunding, NameWhatIsWrongWithARequest) {
    const auto order_id = paid("amina");
    const auto field_of = [](const rpc::Failure& failure) {
        EXPECT_EQ(failure.reason, common::v1::ERROR_REASON_FIELD_INVALID);
        return failure.fields.empty() ? "" : failure.fields[0].field;
    };
    auto request = back(order_id, 100);
    request.clear_reason();
    EXPECT_EQ(field_of(not_opened(request)), "reason");
    request = back(order_id, -1);
    EXPECT_EQ(field_of(not_opened(request)), "amount.minor_units");
    request = back(order_id, 100);
    request.mutable_amount()->set_currency_code("XX");
    EXPECT_EQ(field_of(not_opened(request)), "amount.currency_code");
    request = back(order_id, 100);
    request.mutable_amount()->set_currency_code("USD");
    EXPECT_EQ(not_opened(request).reason, common::v1::ERROR_REASON_WRONG_STATE);
    request = back(order_id, 100);
    request.set_payment("tenants/" + kTenant + "/payments/nobody");
    EXPECT_EQ(not_opened(request).code, grpc::StatusCode::NOT_FOUND);
    request.set_payment("tenants/other/payments/nobody");
    EXPECT_EQ(not_opened(request).code, grpc::StatusCode::NOT_FOUND);
    request = back(order_id, 100);
    request.set_validate_only(true);
    open(request);
    EXPECT_EQ(shop.count_events("RefundRequested"), 0) << "validate_only makes nothing";
    const auto refund = open(back(order_id, 100));
    EXPECT_EQ(field_of(not_recorded(sent(refund, "!"))), "receipt");
    auto stale = sent(refund, "TKT951KKMC");
    stale.set_etag("7");
    EXPECT_EQ(not_recorded(stale).reason, common::v1::ERROR_REASON_VERSION_MISMATCH);
}

// A payment without an order whose answer and callback are lost.
class Resolving : public PaymentDoors {
protected:
    Resolving() {
        shop.fault("stkpush", {{"cut", "after"}, {"callback", {{"lose", true}}}});
        made = create(free_reference("r1"));
        v1::InitiateStkPushRequest push;
        push.set_name(made.name());
        ok<v1::Payment>(*payments, &v1::PaymentService::Stub::InitiateStkPush, push);
        EXPECT_TRUE(shop.until([&] { return read().outcome_unknown(); }));
        resolve.set_name(made.name());
        resolve.set_request_id("resolve");
        resolve.set_reason("it is on the statement of today");
    }
    v1::Payment read() {
        v1::GetPaymentRequest get;
        get.set_name(made.name());
        return ok<v1::Payment>(*payments, &v1::PaymentService::Stub::GetPayment, get);
    }
    void paid(const std::string& receipt, std::int64_t minor_units = 50'000) {
        resolve.mutable_paid()->set_receipt(receipt);
        resolve.mutable_paid()->mutable_amount()->set_minor_units(minor_units);
        resolve.mutable_paid()->mutable_amount()->set_currency_code("KES");
    }
    v1::Payment resolved() {
        grpc::ClientContext context;
        rpc::set_timeout(context, 10s);
        context.AddMetadata(std::string(rpc::kActorHeader), "key:ops");
        v1::Payment payment;
        const auto status = payments->ResolvePayment(&context, resolve, &payment);
        EXPECT_TRUE(status.ok()) << status.error_message();
        return payment;
    }
    rpc::Failure not_resolved() {
        return refused<v1::Payment>(*payments, &v1::PaymentService::Stub::ResolvePayment, resolve);
    }

    v1::Payment made;
    v1::ResolvePaymentRequest resolve;
};

TEST_F(Resolving, PaysOnceAsOftenAsItIsSaid) {
    resolve.set_etag(read().etag());
    paid(" nlj7rt61sv ");
    const auto payment = resolved();
    EXPECT_EQ(payment.state(), v1::PAYMENT_STATE_PAID);
    EXPECT_EQ(payment.receipt(), "NLJ7RT61SV");
    EXPECT_EQ(payment.resolved_by(), "key:ops");
    EXPECT_EQ(payment.resolution(), "it is on the statement of today");
    EXPECT_FALSE(payment.outcome_unknown());
    // The same request again is answered as before, also with an etag that is old by now.
    EXPECT_EQ(resolved().etag(), payment.etag());
    EXPECT_EQ(shop.booked("clearing:mpesa"), 50'000);
    EXPECT_EQ(shop.booked("suspense"), -50'000);
    resolve.set_request_id("again");
    resolve.clear_etag();
    EXPECT_EQ(not_resolved().reason, common::v1::ERROR_REASON_WRONG_STATE);
}

TEST_F(Resolving, FailsWithTheWordsOfThePerson) {
    resolve.mutable_failed();
    const auto payment = resolved();
    EXPECT_EQ(payment.state(), v1::PAYMENT_STATE_FAILED);
    EXPECT_EQ(payment.failure_reason(), "not_paid");
    EXPECT_EQ(payment.failure_note(), "it is on the statement of today");
    EXPECT_EQ(shop.booked("clearing:mpesa"), 0);
}

TEST_F(Resolving, NamesWhatIsWrong) {
    const auto field = [&] {
        const auto failure = not_resolved();
        return failure.fields.empty() ? "" : failure.fields[0].field;
    };
    EXPECT_EQ(field(), "paid");
    paid("!");
    EXPECT_EQ(field(), "paid.receipt");
    paid("NLJ7RT61SV", 49'900);
    EXPECT_EQ(field(), "paid.amount");
    paid("NLJ7RT61SV");
    resolve.clear_reason();
    EXPECT_EQ(field(), "reason");
    resolve.set_reason("seen");
    resolve.set_etag("1");
    EXPECT_EQ(not_resolved().reason, common::v1::ERROR_REASON_VERSION_MISMATCH);
    EXPECT_TRUE(read().outcome_unknown());
}

TEST_F(Resolving, GivesAReceiptToOnePaymentOnly) {
    const auto order_id = shop.check_out("bob");
    ASSERT_TRUE(shop.reaches(order_id, v1::PAYMENT_STATE_PAID));
    paid(shop.last_payment(order_id).receipt());
    EXPECT_EQ(not_resolved().reason, common::v1::ERROR_REASON_ALREADY_EXISTS);
    EXPECT_TRUE(read().outcome_unknown());
    EXPECT_EQ(shop.booked("clearing:mpesa"), 116'000);
}

TEST_F(Resolving, IsNamedByTheCallsThatCannotHelp) {
    v1::CancelPaymentRequest cancel;
    cancel.set_name(made.name());
    const auto failure =
        refused<v1::Payment>(*payments, &v1::PaymentService::Stub::CancelPayment, cancel);
    EXPECT_EQ(failure.reason, common::v1::ERROR_REASON_WRONG_STATE);
    EXPECT_NE(failure.message.find("ResolvePayment"), std::string::npos) << failure.message;
}

TEST_F(PaymentDoors, ListThePaymentsThatNeedAPerson) {
    shop.fault("stkpush", {{"callback", {{"amount", "1.00"}}}});
    const auto doubted = shop.check_out("amina");
    ASSERT_TRUE(shop.until([&] { return shop.last_payment(doubted).needs_person(); }));
    const auto fine = shop.check_out("bob");
    ASSERT_TRUE(shop.reaches(fine, v1::PAYMENT_STATE_PAID));
    shop.consume();
    v1::ListPaymentsRequest list;
    list.set_parent("tenants/" + kTenant);
    list.set_needs_person(true);
    const auto listed =
        ok<v1::ListPaymentsResponse>(*payments, &v1::PaymentService::Stub::ListPayments, list);
    ASSERT_EQ(listed.payments_size(), 1);
    EXPECT_EQ(listed.payments(0).order(), shop.last_payment(doubted).order());
    EXPECT_EQ(listed.payments(0).person_reason(), v1::PERSON_NEEDED_REASON_CONTRADICTED);
    list.set_state(v1::PAYMENT_STATE_PENDING);
    EXPECT_EQ(
        refused<v1::ListPaymentsResponse>(*payments, &v1::PaymentService::Stub::ListPayments, list)
            .reason,
        common::v1::ERROR_REASON_FIELD_INVALID);
}

TEST_F(PaymentDoors, KnowNothingOfOtherTenants) {
    const auto made = create(free_reference("r1"));
    v1::GetPaymentRequest get;
    get.set_name("tenants/other" + made.name().substr(made.name().find("/payments")));
    EXPECT_EQ(refused<v1::Payment>(*payments, &v1::PaymentService::Stub::GetPayment, get).code,
              grpc::StatusCode::NOT_FOUND);
}

TEST_F(PaymentDoors, ListOrdersPaymentsAndTheLedgerThatBalances) {
    for (const auto* customer : {"amina", "bob", "chege"}) {
        const auto order_id = shop.check_out(customer);
        ASSERT_TRUE(shop.until(
            [&] { return shop.invoice_of(order_id).state() == v1::INVOICE_STATE_PAID; }));
    }
    shop.consume();
    v1::ListPaymentsRequest list;
    list.set_parent("tenants/" + kTenant);
    list.set_page_size(2);
    const auto first =
        ok<v1::ListPaymentsResponse>(*payments, &v1::PaymentService::Stub::ListPayments, list);
    EXPECT_EQ(first.payments_size(), 2);
    list.set_page_token(first.next_page_token());
    EXPECT_EQ(ok<v1::ListPaymentsResponse>(*payments, &v1::PaymentService::Stub::ListPayments, list)
                  .payments_size(),
              1);
    list.set_page_token("forged");
    EXPECT_EQ(
        refused<v1::ListPaymentsResponse>(*payments, &v1::PaymentService::Stub::ListPayments, list)
            .reason,
        common::v1::ERROR_REASON_PAGE_TOKEN_INVALID);
    list.clear_page_token();
    list.set_state(v1::PAYMENT_STATE_FAILED);
    EXPECT_EQ(ok<v1::ListPaymentsResponse>(*payments, &v1::PaymentService::Stub::ListPayments, list)
                  .payments_size(),
              0);

    auto orders = v1::OrderService::NewStub(channel);
    v1::ListOrdersRequest list_orders;
    list_orders.set_parent("tenants/" + kTenant);
    list_orders.set_payment_state(v1::ORDER_PAYMENT_STATE_PAID);
    list_orders.set_customer_id("bob");
    EXPECT_EQ(ok<v1::ListOrdersResponse>(*orders, &v1::OrderService::Stub::ListOrders, list_orders)
                  .orders_size(),
              1);

    auto ledger = v1::LedgerService::NewStub(channel);
    v1::GetTrialBalanceRequest ask;
    ask.set_parent("tenants/" + kTenant);
    const auto balance =
        ok<v1::TrialBalance>(*ledger, &v1::LedgerService::Stub::GetTrialBalance, ask);
    EXPECT_TRUE(balance.balanced());
    EXPECT_EQ(balance.transaction_count(), 6);
    for (const auto& line : balance.lines()) {
        if (line.account() == "clearing:mpesa") {
            EXPECT_EQ(line.balance().minor_units(), 3 * 116'000);
        }
        if (line.account() == "receivable") {
            EXPECT_EQ(line.balance().minor_units(), 0);
            EXPECT_EQ(line.debits().minor_units(), 3 * 116'000);
        }
    }

    // Of past moments. What was recorded within the last seconds is not past yet.
    v1::ListJournalEntriesRequest list_entries;
    list_entries.set_parent("tenants/" + kTenant);
    const auto entries = ok<v1::ListJournalEntriesResponse>(
        *ledger, &v1::LedgerService::Stub::ListJournalEntries, list_entries);
    ASSERT_EQ(entries.journal_entries_size(), 6);
    const auto& newest = entries.journal_entries(0);
    *ask.mutable_known_time() = newest.time();
    ask.mutable_known_time()->set_seconds(newest.time().seconds() + 3600);
    EXPECT_EQ(refused<v1::TrialBalance>(*ledger, &v1::LedgerService::Stub::GetTrialBalance, ask)
                  .fields.at(0)
                  .field,
              "known_time");
    std::this_thread::sleep_for(std::chrono::seconds(6));
    const auto at = [&](const google::protobuf::Timestamp& known) {
        *ask.mutable_known_time() = known;
        return ok<v1::TrialBalance>(*ledger, &v1::LedgerService::Stub::GetTrialBalance, ask);
    };
    const auto whole = at(newest.time());
    EXPECT_EQ(whole.transaction_count(), 6);
    ASSERT_EQ(whole.lines_size(), balance.lines_size());
    for (int i = 0; i < whole.lines_size(); ++i)
        EXPECT_EQ(whole.lines(i).SerializeAsString(), balance.lines(i).SerializeAsString());
    const auto before_last = at(entries.journal_entries(1).time());
    EXPECT_EQ(before_last.transaction_count(), 5);
    EXPECT_TRUE(before_last.balanced());
    EXPECT_EQ(at(google::protobuf::Timestamp()).transaction_count(), 0);
    // By the other clock.
    Time earliest = rpc::time_of(newest.occur_time()), latest = earliest;
    for (const auto& entry : entries.journal_entries()) {
        earliest = std::min(earliest, rpc::time_of(entry.occur_time()));
        latest = std::max(latest, rpc::time_of(entry.occur_time()));
    }
    rpc::set_time(*ask.mutable_occurred_time(), latest);
    EXPECT_EQ(at(newest.time()).transaction_count(), 6);
    rpc::set_time(*ask.mutable_occurred_time(), earliest - std::chrono::microseconds(1));
    EXPECT_EQ(at(newest.time()).transaction_count(), 0);
}

TEST_F(PaymentDoors, ConnectAnAccountWhoseSecretsNeverComeOut) {
    auto accounts = v1::ProviderAccountService::NewStub(channel);
    v1::ConnectProviderAccountRequest request;
    request.set_parent("tenants/other");
    auto* mpesa = request.mutable_mpesa();
    mpesa->set_short_code("600000");
    mpesa->set_passkey("very secret");
    mpesa->set_consumer_key("very secret");
    EXPECT_EQ(refused<v1::ProviderAccount>(
                  *accounts, &v1::ProviderAccountService::Stub::ConnectProviderAccount, request)
                  .fields.at(0)
                  .field,
              "mpesa.consumer_secret");
    mpesa->set_consumer_secret("very secret");
    const auto connected = ok<v1::ProviderAccount>(
        *accounts, &v1::ProviderAccountService::Stub::ConnectProviderAccount, request);
    EXPECT_EQ(connected.account(), "600000");
    EXPECT_EQ(connected.details().at("transaction_type"), "CustomerPayBillOnline");
    EXPECT_EQ(connected.SerializeAsString().find("very secret"), std::string::npos);
    for (int lane = 0; lane < kLanes; ++lane)
        for (const auto& event : shop.store.read_lane(lane, 1, 0, 1000))
            EXPECT_EQ(event.payload.find("very secret"), std::string::npos);
    EXPECT_EQ(shop.accounts->open("other", "mpesa")->secrets.at("passkey").reveal(), "very secret");
}

}  // namespace
}  // namespace flowstack::payment::testing
