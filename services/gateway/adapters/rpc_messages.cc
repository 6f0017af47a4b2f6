#include <google/protobuf/timestamp.pb.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <set>
#include <utility>

#include "common/core/broken_world.h"
#include "common/eventlog/payload.h"
#include "common/rpc/resource_name.h"
#include "common/rpc/server.h"
#include "common/service/pages.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "flowstack/gateway/v1/contact_service.grpc.pb.h"
#include "flowstack/gateway/v1/inbound_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "flowstack/gateway/v1/message_service.grpc.pb.h"
#include "services/gateway/adapters/content.h"
#include "services/gateway/adapters/derive.h"
#include "services/gateway/adapters/projections.h"
#include "services/gateway/adapters/resources.h"
#include "services/gateway/adapters/rpc.h"
#include "services/gateway/domain/phone.h"
#include "services/gateway/providers/named_media.h"

namespace flowstack::gateway {
namespace {

using eventlog::Command;
using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr int kBatchMax = 500;
constexpr int kCancelPage = 500;
constexpr const char* kMarketingCategory = "marketing";
constexpr int kChargeRowsMax = 10'000;
constexpr std::chrono::hours kChargesSpanMax{366 * 24};
constexpr std::size_t kBsuidMax = 128;
constexpr std::chrono::milliseconds kReadMarkTimeout{5'000};

eventlog::Folded<Message> fold_message(eventlog::Folds<MessageCodec>& folds,
                                       const ResourceName& name) {
    auto folded = folds.load(message_stream(name.tenant, MessageId(name.id)));
    if (std::holds_alternative<stage::Absent>(folded.state.stage))
        throw rpc::not_found(rpc::resource_name(name.tenant, "messages", name.id));
    return folded;
}

Purpose checked_purpose(const std::string& text) {
    if (text.empty()) return Purpose::service;
    if (const auto purpose = purpose_of(text)) return *purpose;
    throw rpc::invalid_field("purpose", "must be marketing, utility or service");
}

// Waits for many appends at once; what is asked together is committed together.
class Appends {
public:
    explicit Appends(eventlog::Store& store) : store_(store) {}

    void ask(Command command, std::size_t index) {
        {
            const std::lock_guard lock(shared_->mutex);
            ++shared_->open;
            if (shared_->verdicts.size() <= index) shared_->verdicts.resize(index + 1);
        }
        store_.append_async(std::move(command),
                            [shared = shared_, index](const eventlog::Verdict& verdict,
                                                      const std::exception_ptr& error) {
                                const std::lock_guard lock(shared->mutex);
                                shared->verdicts[index] = verdict;
                                if (error) shared->error = error;
                                if (--shared->open == 0) shared->all.notify_one();
                            });
    }
    // Throws if the fate of one of them is not known: the caller asks again with the same ids.
    const std::vector<eventlog::Verdict>& wait() {
        std::unique_lock lock(shared_->mutex);
        shared_->all.wait(lock, [&] { return shared_->open == 0; });
        if (shared_->error) std::rethrow_exception(shared_->error);
        return shared_->verdicts;
    }

private:
    struct Shared {
        std::mutex mutex;
        std::condition_variable all;
        int open = 0;
        std::vector<eventlog::Verdict> verdicts;
        std::exception_ptr error;
    };
    eventlog::Store& store_;
    std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

// Throws WRONG_STATE when the tenant's budget of marketing messages has no place for so many more.
void check_budget(const Doors& doors, const std::string& tenant, Purpose purpose, int more) {
    if (purpose != Purpose::marketing) return;
    const auto entry = doors.directory.tenant(tenant);
    const auto budget = entry ? entry->tenant.settings.marketing_messages_per_month : 0;
    if (budget == 0) return;
    const std::chrono::year_month_day today{
        std::chrono::floor<std::chrono::days>(doors.clock.now())};
    const Time month = std::chrono::sys_days{today.year() / today.month() / 1};
    const auto rows = doors.store.pool().with([&](postgres::Session& session) {
        return session.query(
            "select count(*) from read_model where tenant = $1 and kind = $2 and state = $3 and "
            "sort_at >= $4",
            postgres::Params().add(tenant).add(kChargeDocument).add(kMarketingCategory).add(month));
    });
    if (rows.int8(0, 0) + more > budget)
        throw rpc::wrong_state(
            rpc::tenant_name(tenant),
            "The budget of " + std::to_string(budget) +
                " marketing messages a month (marketing_messages_per_month) has no place for " +
                std::to_string(more) + " more: " + std::to_string(rows.int8(0, 0)) +
                " were charged for.");
}

class MessageRpc final : public v1::MessageService::CallbackService {
public:
    explicit MessageRpc(const Doors& doors) : doors_(doors), folds_(doors.store) {}

    ServerUnaryReactor* SendMessage(CallbackServerContext* context,
                                    const v1::SendMessageRequest* request,
                                    v1::Message* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call& call) { send(call, *request, *response); });
    }
    ServerUnaryReactor* SendMessages(CallbackServerContext* context,
                                     const v1::SendMessagesRequest* request,
                                     v1::SendMessagesResponse* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { send_batch(*request, *response); });
    }
    ServerUnaryReactor* GetMessage(CallbackServerContext* context,
                                   const v1::GetMessageRequest* request,
                                   v1::Message* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            show(rpc::parse_name(request->name(), "messages"), *response);
        });
    }
    ServerUnaryReactor* ListMessages(CallbackServerContext* context,
                                     const v1::ListMessagesRequest* request,
                                     v1::ListMessagesResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            if (!request->origin_id().empty() && !request->customer_id().empty())
                throw rpc::invalid_field("origin_id", "cannot be asked together with customer_id");
            const bool by_origin = !request->origin_id().empty();
            response->set_next_page_token(service::list<v1::Message>(
                doors_.read_model, *request,
                {.tenant = rpc::parse_parent(request->parent()),
                 .kind = by_origin ? "origin_message" : "message",
                 .parent = by_origin ? request->origin_id() : request->customer_id(),
                 .state = request->state()},
                [&](v1::Message message) { *response->add_messages() = std::move(message); }));
        });
    }
    ServerUnaryReactor* SummarizeCharges(CallbackServerContext* context,
                                         const v1::SummarizeChargesRequest* request,
                                         v1::SummarizeChargesResponse* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { summarize(*request, *response); });
    }
    ServerUnaryReactor* CancelMessages(CallbackServerContext* context,
                                       const v1::CancelMessagesRequest* request,
                                       v1::CancelMessagesResponse* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { cancel(*request, *response); });
    }
    ServerUnaryReactor* ListDeadLetters(CallbackServerContext* context,
                                        const v1::ListDeadLettersRequest* request,
                                        v1::ListMessagesResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            response->set_next_page_token(service::list<v1::Message>(
                doors_.read_model, *request,
                {.tenant = rpc::parse_parent(request->parent()), .kind = "dead_letter"},
                [&](v1::Message message) { *response->add_messages() = std::move(message); }));
        });
    }
    ServerUnaryReactor* RetryMessage(CallbackServerContext* context,
                                     const v1::RetryMessageRequest* request,
                                     v1::Message* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            change(call, *request, "RetryMessage",
                   gateway::RetryMessage{.actor = actor_of(call),
                                         .reason = checked_reason(request->reason())},
                   *response);
        });
    }
    ServerUnaryReactor* MarkMessageRead(CallbackServerContext* context,
                                        const v1::MarkMessageReadRequest* request,
                                        v1::MarkMessageReadResponse*) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) { mark_read(*request); });
    }
    ServerUnaryReactor* DiscardMessage(CallbackServerContext* context,
                                       const v1::DiscardMessageRequest* request,
                                       v1::Message* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call& call) {
            change(call, *request, "DiscardMessage",
                   gateway::DiscardMessage{.actor = actor_of(call),
                                           .reason = checked_reason(request->reason())},
                   *response);
        });
    }

private:
    void show(const ResourceName& name, v1::Message& out) {
        const auto events =
            doors_.store.read_stream(message_stream(name.tenant, MessageId(name.id)));
        if (events.empty() || events.front().type != v1::MessageQueued::descriptor()->full_name())
            throw rpc::not_found(rpc::resource_name(name.tenant, "messages", name.id));
        out.Clear();
        for (const auto& event : events)
            move_along(out, name.tenant, decode_message(event.type, event.payload),
                       event.recorded_at, event.version);
    }

    // By the rules of the provider that will send it.
    std::vector<FieldError> content_faults(const std::string& tenant, const ChannelId& channel_id,
                                           const common::v1::MessageContent& content) {
        std::string kind;
        if (const auto known = doors_.directory.channel(tenant, channel_id)) {
            kind = known->channel.kind;
        } else {
            // Connected a moment ago.
            const auto folded =
                doors_.directory.channel_folds().load(channel_stream(tenant, channel_id));
            if (const auto* channel = std::get_if<KnownChannel>(&folded.state))
                kind = channel->channel.kind;
        }
        const auto* provider = doors_.providers.find(kind);
        if (provider == nullptr)
            return {{"channel_id", "must be a channel of a provider that this build can use"}};
        return provider->faults_of(content);
    }

    std::vector<FieldError> missing_media(const std::string& tenant,
                                          const common::v1::MessageContent& content) {
        for (const auto& media_id : named_media(content))
            if (doors_.media == nullptr || !doors_.media->has(tenant, media_id))
                return {{"content", "must name media of this tenant: there is no " + media_id}};
        return {};
    }

    void send(rpc::Call& call, const v1::SendMessageRequest& request, v1::Message& response) {
        const auto tenant = rpc::parse_parent(request.parent());
        check_tenant(doors_, tenant);
        const bool by_customer_id = !request.customer_id().empty();
        if (by_customer_id == !request.to().empty())
            throw rpc::invalid_field("to", "exactly one of to and customer_id must be given");
        Identity identity;
        if (!by_customer_id) {
            // E.164 with +, or a business-scoped user id (two letters, a dot, the rest).
            const auto phone =
                request.to().starts_with('+') ? phone_from_digits(request.to()) : std::string();
            const bool bsuid = request.to().size() > 3 && request.to().size() <= kBsuidMax &&
                               request.to()[2] == '.';
            if (phone.empty() && !bsuid)
                throw rpc::invalid_field("to", "must be E.164 with +, e.g. +254712345678");
            identity = phone.empty() ? Identity{.kind = IdentityKind::bsuid, .value = request.to()}
                                     : Identity{.kind = IdentityKind::phone, .value = phone};
        }

        auto effect =
            one_effect(doors_, call, "SendMessage", tenant, request.request_id(), request);
        QueueMessage queue;
        queue.message_id = MessageId(effect.derived_id("message"));
        queue.channel_id = channel_for(doors_, tenant, ChannelId(request.channel_id()));
        const auto content = with_plain_parameters(request.content());
        auto faults = content_faults(tenant, queue.channel_id, content);
        if (faults.empty()) faults = missing_media(tenant, content);
        if (!faults.empty()) throw refused_fields(faults, "");
        queue.idempotency_key = request.request_id();
        queue.key_reused = effect.reused();
        queue.origin = {.kind = OriginKind::api, .id = {}, .recipient = {}};
        queue.priority = kPriorityFollowUp;
        queue.preconditions.purpose = checked_purpose(request.purpose());
        queue.preconditions.needs_open_window = !content.has_template_();
        queue.content = content.SerializeAsString();
        if (request.has_send_time()) queue.not_before = time_of(request.send_time());

        DeparturePtr departure;
        bool tried = false;
        const auto make = [&]() -> std::optional<Command> {
            departure.reset();  // of a try that was refused
            // Here, so that a repeat of a message that was taken is answered as the first time.
            if (const auto misfits = TemplateCheck(doors_, tenant, queue.channel_id)(content);
                !misfits.empty())
                throw refused_fields(misfits, "");
            check_budget(doors_, tenant, queue.preconditions.purpose, 1);
            Command command;
            std::optional<eventlog::Part> contact;
            std::optional<eventlog::Folded<Contact>> known;
            if (by_customer_id) {
                const auto found =
                    doors_.contacts.follow(tenant, CustomerId(request.customer_id()));
                const auto* open = std::get_if<OpenContact>(&found.contact.state);
                if (open == nullptr)
                    throw rpc::invalid_field("customer_id", "must be a customer of this tenant");
                queue.customer_id = found.customer_id;
                queue.to = address_of(*open);
                known = found.contact;
            } else {
                auto plan = doors_.contacts.plan(tenant, queue.channel_id, {identity}, "");
                queue.customer_id = plan.customer.customer_id;
                queue.to = identity.value;
                contact = std::move(plan.part);
            }
            const auto decision = decide(Message{}, queue);
            command.meta.routing = by_customer(queue.customer_id);
            command.parts.push_back({message_stream(tenant, queue.message_id), eventlog::kCreate,
                                     encode_all(decision.events(), doors_.clock.now())});
            if (contact) {
                command.parts.push_back(std::move(*contact));
            } else if (doors_.ask_departure && !std::exchange(tried, true)) {
                if (!known)
                    known = doors_.contacts.folds().load(contact_stream(tenant, queue.customer_id));
                departure = doors_.ask_departure(tenant, queue, *known, OtherWriters::replicas);
                if (departure) departure->join(command);
            }
            return command;
        };
        const auto events = write_once(effect, make, departure);
        // A repeat shows the resource as the first append made it.
        for (const auto& event : events)
            if (event.stream.category == "message")
                move_along(response, tenant, decode_message(event.type, event.payload),
                           event.recorded_at, event.version);
    }

    // Tells the departure of the last try what became of it.
    // Nothing is recorded: it tells the customer something, and changes nothing.
    void mark_read(const v1::MarkMessageReadRequest& request) {
        const auto tenant = rpc::parse_parent(request.parent());
        check_tenant(doors_, tenant);
        const auto received = doors_.store.read_stream(
            inbound_stream(tenant, ProviderMessageId(request.provider_message_id())));
        if (received.empty() || !eventlog::is<v1::MessageReceived>(received.front()))
            throw rpc::invalid_field("provider_message_id",
                                     "must be a message that the tenant received");
        const auto message = eventlog::parsed<v1::MessageReceived>(received.front());
        const auto channel = doors_.directory.channel(tenant, ChannelId(message.channel_id()));
        const auto* provider = channel ? doors_.providers.find(channel->channel.kind) : nullptr;
        if (provider == nullptr)
            throw rpc::invalid_field("provider_message_id",
                                     "must be of a channel of a provider that this build can use");
        auto answer = std::make_shared<std::promise<Outcome>>();
        auto told = answer->get_future();
        provider->mark_read({.channel_external_id = channel->channel.external_id.text(),
                             .credentials = channel->access_token,
                             .provider_message_id = message.provider_message_id(),
                             .typing = request.typing(),
                             .timeout = kReadMarkTimeout},
                            [answer](Outcome outcome) { answer->set_value(std::move(outcome)); });
        const auto outcome = told.get();
        if (const auto* refused = std::get_if<Refused>(&outcome))
            throw rpc::invalid_field("provider_message_id",
                                     "was refused by the provider: " + refused->error.title);
        if (!std::holds_alternative<Accepted>(outcome))
            throw rpc::unavailable("The provider did not answer. Try again.",
                                   std::chrono::milliseconds{1'000});
    }

    static std::vector<eventlog::Recorded> write_once(
        service::OneEffect& effect, const std::function<std::optional<Command>()>& make,
        const DeparturePtr& departure) {
        std::vector<eventlog::Recorded> events;
        try {
            events = effect.run(make);
        } catch (const rpc::Failure&) {
            throw;  // nothing was written
        } catch (const eventlog::Overloaded&) {
            throw;
        } catch (const eventlog::CommandRefused&) {
            throw;
        } catch (const eventlog::ClockAhead&) {
            throw;
        } catch (...) {
            if (departure) departure->unknown();
            throw;
        }
        if (!departure) return events;
        // A repeat of the request may have been faster: then its events are others.
        const auto wrote = [&](const eventlog::Recorded& event) {
            return event.type == v1::SendAttempted::descriptor()->full_name() &&
                   event.occurred_at == departure->attempted_at();
        };
        const bool ours =
            departure->at_once() ? std::ranges::any_of(events, wrote) : !effect.replayed();
        if (!ours || events.empty()) {
            departure->not_written();
            return events;
        }
        const auto& queued = events.front();
        departure->written(queued.where(), queued.meta.correlation_id.empty()
                                               ? queued.event_id.text()
                                               : queued.meta.correlation_id);
        return events;
    }

    void send_batch(const v1::SendMessagesRequest& request, v1::SendMessagesResponse& response) {
        const auto tenant = rpc::parse_parent(request.parent());
        check_tenant(doors_, tenant);
        if (request.items_size() == 0 || request.items_size() > kBatchMax)
            throw rpc::invalid_field("items", "must be 1 to 500");
        const auto origin_kind = origin_kind_of(request.origin().kind());
        const OriginId origin_id(request.origin().id());
        if (!origin_kind || origin_id.empty())
            throw rpc::invalid_field("origin", "must have a kind and an id");
        const auto channel_id = channel_for(doors_, tenant, ChannelId(request.channel_id()));
        const auto purpose = checked_purpose(request.purpose());
        check_budget(doors_, tenant, purpose, request.items_size());
        const auto known = known_customers(tenant, request);
        const auto entry = doors_.directory.tenant(tenant);

        const auto base = "send/" + tenant + "/" + std::string(text_of(*origin_kind)) + "/" +
                          origin_id + "/" + std::to_string(request.round());
        const auto origin_uuid = Uuid::parse(origin_id.text());
        const auto at = origin_uuid ? flowstack::time_of(*origin_uuid) : Time{};
        TemplateCheck check_template(doors_, tenant, channel_id);
        Appends appends(doors_.store);
        std::vector<bool> asked(static_cast<std::size_t>(request.items_size()));
        for (int i = 0; i < request.items_size(); ++i) {
            const auto& item = request.items(i);
            auto& verdict = *response.add_verdicts();
            verdict.set_customer_id(item.customer_id());
            verdict.set_verdict("REFUSED");
            const auto content = with_plain_parameters(item.content());
            auto faults = content_faults(tenant, channel_id, content);
            if (faults.empty()) faults = missing_media(tenant, content);
            // Refuses all of them: what asks for many sends of one template stops asking then.
            if (faults.empty()) faults = check_template(content);
            if (!faults.empty()) {
                verdict.set_reason("CONTENT_INVALID");
                verdict.set_description(faults.front().field + ": " + faults.front().description);
                continue;
            }
            const CustomerId customer_id(item.customer_id());
            if (!known.contains(customer_id) && !exists(tenant, customer_id)) {
                verdict.set_reason("UNKNOWN_CUSTOMER");
                continue;
            }
            QueueMessage queue;
            queue.message_id =
                MessageId(eventlog::derive_id(base + "/" + customer_id, at, "message", 0).text());
            queue.channel_id = channel_id;
            queue.customer_id = customer_id;
            queue.origin = {.kind = *origin_kind, .id = origin_id, .recipient = customer_id};
            queue.priority = kPriorityCampaign;
            queue.preconditions.purpose = purpose;
            queue.preconditions.needs_open_window = request.needs_open_window();
            queue.content = content.SerializeAsString();
            Command command;
            command.id = "send/" + queue.message_id;
            command.tenant = tenant;
            command.meta.routing = by_customer(queue.customer_id);
            service::name_caller(command.meta, rpc::caller());
            if (entry) command.meta.settings_version = entry->version;
            command.dedupe = eventlog::Dedupe::creation;
            command.parts.push_back(
                {message_stream(tenant, queue.message_id), eventlog::kCreate,
                 encode_all(decide(Message{}, queue).events(), doors_.clock.now())});
            verdict.set_message_id(queue.message_id);
            asked[static_cast<std::size_t>(i)] = true;
            appends.ask(std::move(command), static_cast<std::size_t>(i));
        }
        if (std::ranges::none_of(asked, [](bool yes) { return yes; })) return;
        const auto& verdicts = appends.wait();
        for (int i = 0; i < request.items_size(); ++i) {
            if (!asked[static_cast<std::size_t>(i)]) continue;
            if (verdicts[static_cast<std::size_t>(i)].accepted())
                response.mutable_verdicts(i)->set_verdict("QUEUED");
            else
                response.mutable_verdicts(i)->set_reason("CONTENTION");
        }
    }

    std::set<CustomerId> known_customers(const std::string& tenant,
                                         const v1::SendMessagesRequest& request) {
        std::vector<std::string> ids;
        for (const auto& item : request.items()) ids.push_back(item.customer_id());
        const auto rows = doors_.store.pool().with([&](postgres::Session& session) {
            return session.query(
                "select id from read_model where tenant = $1 and kind = 'contact' and id = "
                "any($2::text[])",
                postgres::Params().add(tenant).add_array(std::span<const std::string>(ids)));
        });
        std::set<CustomerId> known;
        for (int row = 0; row < rows.rows(); ++row) known.emplace(rows.text(row, 0));
        return known;
    }

    // The read model may be a moment behind.
    bool exists(const std::string& tenant, const CustomerId& customer_id) {
        return doors_.contacts.folds().load(contact_stream(tenant, customer_id)).version > 0;
    }

    void summarize(const v1::SummarizeChargesRequest& request,
                   v1::SummarizeChargesResponse& response) {
        const auto tenant = rpc::parse_parent(request.parent());
        check_tenant(doors_, tenant);
        if (!request.has_start_time()) throw rpc::invalid_field("start_time", "must be given");
        const auto from = time_of(request.start_time());
        const auto to = request.has_end_time() ? time_of(request.end_time()) : doors_.clock.now();
        if (to < from || to - from > kChargesSpanMax)
            throw rpc::invalid_field("end_time", "must be after start_time, by 366 days at most");
        const auto rows = doors_.store.pool().with([&](postgres::Session& session) {
            return session.query(
                R"sql(
                select to_char(sort_at at time zone 'UTC', 'YYYY-MM-DD'), body,
                       case when $5 then parent else '' end, count(*)
                from read_model
                where tenant = $1 and kind = $2 and sort_at >= $3 and sort_at < $4
                group by 1, 2, 3, state order by 1, state, 2, 3 limit $6)sql",
                postgres::Params()
                    .add(tenant)
                    .add(kChargeDocument)
                    .add(from)
                    .add(to)
                    .add(request.by_campaign())
                    .add(kChargeRowsMax + 1));
        });
        if (rows.rows() > kChargeRowsMax)
            throw rpc::invalid_field("end_time",
                                     "there are more than 10,000 rows: ask for a "
                                     "shorter time, or without campaigns");
        for (int row = 0; row < rows.rows(); ++row) {
            auto& charge = *response.add_charges();
            charge.ParseFromString(rows.text(row, 1));
            charge.set_day(rows.text(row, 0));
            charge.set_campaign_id(rows.text(row, 2));
            charge.set_messages(rows.int8(row, 3));
        }
    }

    // What waits is what the queue says, not what a read model has heard of.
    void cancel(const v1::CancelMessagesRequest& request, v1::CancelMessagesResponse& response) {
        const auto tenant = rpc::parse_parent(request.parent());
        check_tenant(doors_, tenant);
        if (!origin_kind_of(request.origin().kind()) || request.origin().id().empty())
            throw rpc::invalid_field("origin", "must have a kind and an id");
        int cancelled = 0;
        for (const auto& channel : doors_.directory.channels_of(tenant))
            for (int priority = 0; priority < kPriorities; ++priority)
                cancelled += cancel_queue(tenant, *channel, priority, request);
        response.set_cancelled(cancelled);
    }

    int cancel_queue(const std::string& tenant, const ChannelEntry& channel, int priority,
                     const v1::CancelMessagesRequest& request) {
        const OriginId origin_id(request.origin().id());
        const auto origin_kind = origin_kind_of(request.origin().kind());
        int cancelled = 0;
        Time after_due{};
        std::string after;
        while (true) {
            const auto rows = doors_.store.pool().with([&](postgres::Session& session) {
                return session.query(
                    "select key, ref, due_at from work where lane = $1 and kind = $2 and "
                    "(due_at, key) > ($3, $4) order by due_at, key limit $5",
                    postgres::Params()
                        .add(channel.lane)
                        .add(dispatch_kind(channel.channel.channel_id, priority))
                        .add(after_due)
                        .add(after)
                        .add(kCancelPage));
            });
            Appends appends(doors_.store);
            std::size_t asked = 0;
            for (int row = 0; row < rows.rows(); ++row) {
                after = rows.text(row, 0);
                after_due = rows.time(row, 2);
                const auto ref = read_ref(rows.text(row, 1));
                if (!ref || (!ref->origin_id.empty() && ref->origin_id != origin_id)) continue;
                const auto stream = message_stream(tenant, MessageId(after));
                const auto folded = folds_.load(stream);
                const auto& origin = folded.state.message.origin;
                if (origin.id != origin_id || (origin_kind && origin.kind != *origin_kind))
                    continue;
                const auto decision =
                    decide(folded.state, CancelMessage{.reason = request.reason().empty()
                                                                     ? std::string("withdrawn")
                                                                     : request.reason()});
                if (!decision.accepted()) continue;  // it left meanwhile
                Command command;
                command.id = "cancel/" + after + "/" + std::to_string(folded.version);
                command.tenant = tenant;
                command.meta.routing = by_customer(ref->customer_id);
                service::name_caller(command.meta, rpc::caller());
                command.dedupe = eventlog::Dedupe::version;
                command.parts.push_back(
                    {stream, folded.expected(), encode_all(decision.events(), doors_.clock.now())});
                appends.ask(std::move(command), asked++);
            }
            if (asked > 0)
                for (const auto& verdict : appends.wait()) cancelled += verdict.accepted();
            if (rows.rows() < kCancelPage) return cancelled;
        }
    }

    template <class Request>
    void change(rpc::Call& call, const Request& request, const std::string& method,
                const MessageCommand& wanted, v1::Message& response) {
        const auto name = rpc::parse_name(request.name(), "messages");
        auto effect = one_effect(doors_, call, method, name.tenant, request.request_id(), request);
        effect.run([&]() -> std::optional<Command> {
            const auto folded = fold_message(folds_, name);
            const auto decision = decide(folded.state, wanted);
            if (!decision.accepted())
                throw rpc::wrong_state(
                    request.name(),
                    decision.rejection() == MessageRejection::already_reached
                        ? "The provider took this message: sending it again would be twice."
                        : "Only dead letters and UNKNOWN messages can be retried or discarded; "
                          "this one is " +
                              std::string(text_of(folded.state.view)) + ".");
            Command command;
            command.meta.routing = by_customer(folded.state.message.customer_id);
            command.parts.push_back({message_stream(name.tenant, MessageId(name.id)),
                                     folded.expected(),
                                     encode_all(decision.events(), doors_.clock.now())});
            return command;
        });
        show(name, response);
    }

    Doors doors_;
    eventlog::Folds<MessageCodec> folds_;
};

class ContactRpc final : public v1::ContactService::CallbackService {
public:
    explicit ContactRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* GetContact(CallbackServerContext* context,
                                   const v1::GetContactRequest* request,
                                   v1::Contact* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            show(rpc::parse_name(request->name(), "contacts"), *response);
        });
    }
    ServerUnaryReactor* ListContacts(CallbackServerContext* context,
                                     const v1::ListContactsRequest* request,
                                     v1::ListContactsResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            response->set_next_page_token(service::list<v1::Contact>(
                doors_.read_model, *request,
                {.tenant = rpc::parse_parent(request->parent()),
                 .kind = "contact",
                 .parent = one_spelling(request->phone())},
                [&](v1::Contact contact) { *response->add_contacts() = std::move(contact); }));
        });
    }
    ServerUnaryReactor* ResolveContact(CallbackServerContext* context,
                                       const v1::ResolveContactRequest* request,
                                       v1::Contact* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call& call) { resolve(call, *request, *response); });
    }

private:
    void show(const ResourceName& name, v1::Contact& response) {
        const auto folded =
            doors_.contacts.folds().load(contact_stream(name.tenant, CustomerId(name.id)));
        if (folded.version == 0)
            throw rpc::not_found(rpc::resource_name(name.tenant, "contacts", name.id));
        response = contact_resource(name.tenant, folded.state, folded.version);
        // The window is not in the contact's own stream: as far as the read model knows.
        v1::Contact seen;
        if (const auto body = doors_.read_model.get(name.tenant, "contact", name.id);
            body && seen.ParseFromString(*body)) {
            *response.mutable_create_time() = seen.create_time();
            if (seen.has_last_inbound_time()) {
                *response.mutable_last_inbound_time() = seen.last_inbound_time();
                set_time(*response.mutable_window_expire_time(),
                         window_end(time_of(seen.last_inbound_time()), doors_.window_margin));
            }
            for (auto& window : *seen.mutable_windows()) {
                set_time(*window.mutable_expire_time(),
                         window_end(time_of(window.last_inbound_time()), doors_.window_margin));
                *response.add_windows() = std::move(window);
            }
        }
    }

    void resolve(rpc::Call& call, const v1::ResolveContactRequest& request, v1::Contact& response) {
        const auto tenant = rpc::parse_parent(request.parent());
        check_tenant(doors_, tenant);
        const auto phone =
            request.phone().starts_with('+') ? phone_from_digits(request.phone()) : std::string();
        if (phone.empty())
            throw rpc::invalid_field("phone", "must be E.164 with +, e.g. +254712345678");
        const ChannelId channel_id(request.channel_id());
        if (!channel_id.empty()) channel_for(doors_, tenant, channel_id);
        const Identity identity{.kind = IdentityKind::phone, .value = phone};
        auto effect =
            one_effect(doors_, call, "ResolveContact", tenant, request.request_id(), request);
        CustomerId customer_id;
        const auto events = effect.run([&]() -> std::optional<Command> {
            if (const auto known = doors_.contacts.find(tenant, identity)) {
                customer_id = known->customer_id;
                return {};
            }
            auto plan = doors_.contacts.plan(tenant, channel_for(doors_, tenant, channel_id),
                                             {identity}, "");
            customer_id = plan.customer.customer_id;
            if (!plan.part) return {};  // made meanwhile
            Command command;
            command.meta.routing = by_customer(customer_id);
            command.parts.push_back(std::move(*plan.part));
            return command;
        });
        // Made now, or by this request before.
        if (!events.empty()) customer_id = CustomerId(events.front().stream.key);
        show({tenant, doors_.contacts.follow(tenant, customer_id).customer_id}, response);
    }

    Doors doors_;
};

}  // namespace

std::vector<NamedService> make_message_services(const Doors& doors) {
    std::vector<NamedService> services;
    services.push_back(
        {std::make_unique<MessageRpc>(doors), v1::MessageService::service_full_name()});
    services.push_back(
        {std::make_unique<ContactRpc>(doors), v1::ContactService::service_full_name()});
    return services;
}

}  // namespace flowstack::gateway
