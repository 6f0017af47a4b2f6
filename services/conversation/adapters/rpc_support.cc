#include <grpcpp/grpcpp.h>

#include "common/rpc/server.h"
#include "common/rpc/timestamp.h"
#include "common/text/utf8.h"
#include "flowstack/conversation/v1/support_service.grpc.pb.h"
#include "services/conversation/adapters/rpc_content.h"

namespace flowstack::conversation {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr std::size_t kWordsMax = 1000;

void show(const std::string& tenant, const StoredTopic& stored, std::int64_t version,
          v1::Topic& out) {
    const auto& topic = stored.topic;
    out.set_name(rpc::resource_name(tenant, "topics", topic.topic_id));
    out.set_topic_id(topic.topic_id.text());
    for (const auto& [language, text] : topic.text) {
        auto& shown = (*out.mutable_text())[language];
        shown.set_title(text.title);
        shown.set_answer(text.answer);
    }
    for (const auto& question : topic.questions) out.add_questions(question);
    out.set_place(topic.place);
    out.set_active(topic.active);
    rpc::set_time(*out.mutable_update_time(), stored.saved_at);
    out.set_etag(std::to_string(version));
}

class SupportRpc final : public v1::SupportService::CallbackService {
public:
    explicit SupportRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* SaveTopic(CallbackServerContext* context,
                                  const v1::SaveTopicRequest* request,
                                  v1::Topic* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { save(*request, *response); });
    }
    ServerUnaryReactor* GetTopic(CallbackServerContext* context, const v1::GetTopicRequest* request,
                                 v1::Topic* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = parse_name(request->name(), "topics");
            show_topic(name.tenant, name.id, *response);
        });
    }
    ServerUnaryReactor* ListTopics(CallbackServerContext* context,
                                   const v1::ListTopicsRequest* request,
                                   v1::ListTopicsResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto tenant = parse_parent(request->parent());
            const auto content = doors_.content.of(tenant);
            const auto ids = keys_of(content->stored_topics);
            const auto page = page_of(doors_, request->parent() + "/topics", ids,
                                      request->page_size(), request->page_token());
            for (auto i = page.begin; i < page.end; ++i)
                show_stored(*content, tenant, ids[i], *response->add_topics());
            response->set_next_page_token(page.next_page_token);
        });
    }
    ServerUnaryReactor* FindTopic(CallbackServerContext* context,
                                  const v1::FindTopicRequest* request,
                                  v1::FindTopicResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto tenant = parse_parent(request->parent());
            if (request->words().empty() || text::code_points(request->words()) > kWordsMax)
                throw rpc::invalid_field("words", "must have 1 to 1000 characters");
            const auto language = request->language_code().empty()
                                      ? tenant_facts(doors_, tenant).languages.front()
                                      : request->language_code();
            const auto content = doors_.content.of(tenant);
            const auto match = match_topic(request->words(), content->topics, language);
            if (match.topic)
                show_stored(*content, tenant, match.topic->topic_id.text(),
                            *response->mutable_topic());
            for (const auto* topic : match.may_be)
                show_stored(*content, tenant, topic->topic_id.text(), *response->add_suggested());
        });
    }

private:
    static void show_stored(const Snapshot& content, const std::string& tenant,
                            const std::string& id, v1::Topic& out) {
        const auto& stored = content.stored_topics.at(id);
        show(tenant, stored.value, stored.version, out);
    }

    void show_topic(const std::string& tenant, const std::string& id, v1::Topic& response) {
        const auto folded = doors_.books.topics.load(stream(tenant, category::kTopic, id));
        if (folded.version == 0) throw rpc::not_found(rpc::resource_name(tenant, "topics", id));
        response.Clear();
        show(tenant, folded.state, folded.version, response);
    }

    void save(const v1::SaveTopicRequest& request, v1::Topic& response) {
        const auto tenant = parse_parent(request.parent());
        const auto& in = request.topic();
        const auto id =
            given_or_made_id(doors_, "topic", tenant, in.topic_id(), request.request_id());
        TopicSaved saved{.topic_id = TopicId(id),
                         .text = {},
                         .questions = {in.questions().begin(), in.questions().end()},
                         .place = in.place(),
                         .active = !in.has_active() || in.active()};
        for (const auto& [language, text] : in.text())
            saved.text[language] = {.title = text.title(), .answer = text.answer()};
        const auto where = stream(tenant, category::kTopic, id);
        change_once(
            doors_, "save_topic", tenant, request.request_id(), request,
            [&]() -> std::optional<eventlog::Command> {
                if (const auto problems = check(saved); !problems.empty())
                    refuse(problems, "topic.");
                const auto folded = doors_.books.topics.load(where);
                // Not exact when several are made at the same moment: the limit protects
                // the search, which some more do not hurt.
                if (folded.version == 0 && doors_.content.of(tenant)->topics.size() >= kTopicsMax)
                    throw rpc::invalid_field("topic",
                                             "must not be one more: a tenant has at most " +
                                                 std::to_string(kTopicsMax) +
                                                 " topics; change one that is not active");
                return one<TopicSaved>(doors_, tenant, where, folded.expected(), {saved});
            });
        show_topic(tenant, id, response);
    }

    Doors doors_;
};

}  // namespace

NamedService make_support_service(const Doors& doors) {
    return {std::make_unique<SupportRpc>(doors), v1::SupportService::service_full_name()};
}

}  // namespace flowstack::conversation
