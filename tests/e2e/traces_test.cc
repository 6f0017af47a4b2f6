#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>

#include "tests/e2e/stack.h"
#include "tests/support/otlp_collector.h"

// What a collector of traces is sent while customers shop: one tree for what a message leads to,
// over the services and the providers' calls.
namespace flowstack::e2e {
namespace {

using namespace stack;
using flowstack::testing::CollectedSpan;
using flowstack::testing::OtlpCollector;

OtlpCollector& collector() {
    static OtlpCollector standing_in;
    return standing_in;
}

const bool kConfigured =
    Stack::configure({.settings = "OTEL_EXPORTER_OTLP_ENDPOINT=" + collector().endpoint() +
                                  "\nOTEL_EXPORTER_OTLP_HEADERS=api-key=of-the-collector\n" +
                                  "TRACE_SPANS_PER_SECOND=100000\n"});

constexpr int kServer = 2, kClient = 3, kConsumer = 5;

// The spans of one trace.
class Tree {
public:
    void add(const CollectedSpan& span) { spans_.emplace(span.id, span); }
    std::set<std::string> services() const {
        std::set<std::string> names;
        for (const auto& [id, span] : spans_) names.insert(span.service);
        return names;
    }
    // Empty: there is one first span, and every other one is below one of the trace that began no
    // later.
    std::string fault() const {
        int first = 0;
        for (const auto& [id, span] : spans_) {
            if (span.parent.empty()) {
                ++first;
                continue;
            }
            const auto parent = spans_.find(span.parent);
            if (parent == spans_.end())
                return span.service + ": nobody knows the parent of " + span.name;
        }
        return first == 1 ? "" : std::to_string(first) + " first spans";
    }
    // The spans on the way from the first one to each that ends it: "service name".
    bool has_way(const std::vector<std::pair<std::string, std::string>>& way) const {
        for (const auto& [id, span] : spans_)
            if (ends(span, way, way.size())) return true;
        return false;
    }
    const CollectedSpan* find(const std::string& service, const std::string& name) const {
        for (const auto& [id, span] : spans_)
            if (span.service == service && span.name == name) return &span;
        return nullptr;
    }
    // Children of a span.
    std::vector<CollectedSpan> below(const std::string& id) const {
        std::vector<CollectedSpan> found;
        for (const auto& [number, span] : spans_)
            if (span.parent == id) found.push_back(span);
        return found;
    }
    std::string picture() const {
        std::string lines;
        for (const auto& [id, span] : spans_)
            if (span.parent.empty() || !spans_.contains(span.parent)) draw(span, 0, lines);
        return lines;
    }

private:
    bool ends(const CollectedSpan& span,
              const std::vector<std::pair<std::string, std::string>>& way,
              std::size_t length) const {
        const auto& [service, name] = way[length - 1];
        if (span.service != service || span.name != name) return false;
        if (length == 1) return span.parent.empty();
        const auto parent = spans_.find(span.parent);
        return parent != spans_.end() && ends(parent->second, way, length - 1);
    }
    void draw(const CollectedSpan& span, std::size_t depth, std::string& lines) const {
        lines += std::string(2 * depth, ' ') + span.service + " " + span.name + "\n";
        for (const auto& child : below(span.id)) draw(child, depth + 1, lines);
    }
    std::map<std::string, CollectedSpan> spans_;
};

std::map<std::string, Tree> trees() {
    std::map<std::string, Tree> found;
    for (const auto& span : collector().spans()) found[span.trace].add(span);
    return found;
}

std::string pictures() {
    std::string all;
    for (const auto& [id, tree] : trees())
        if (tree.services().size() > 1) all += id + "\n" + tree.picture();
    return all;
}

class Traces : public ::testing::Test {
protected:
    Stack& stack = Stack::get();
};

const std::vector<std::pair<std::string, std::string>> kToTheReply{
    {"gateway", "POST /webhooks/whatsapp"},
    {"conversation", "process flowstack.gateway.events"},
    {"gateway", "process flowstack.conversation.events"},
    {"gateway", "send message"},
    {"gateway", "POST"}};
const std::vector<std::pair<std::string, std::string>> kToThePrompt{
    {"gateway", "POST /webhooks/whatsapp"},
    {"conversation", "process flowstack.gateway.events"},
    {"conversation", "process flowstack.conversation.events"},  // the stock is held,
    {"conversation", "process flowstack.conversation.events"},  // and the order asked for
    {"payment", "process flowstack.conversation.events"},
    {"payment", "ask payer"},
    {"payment", "POST"}};

TEST_F(Traces, AreOneTreeFromTheMessageToTheReplyAndToThePrompt) {
    const auto shop = stack.shop("traces");
    Phone phone(stack.sandbox(), shop.phone_number_id, phone_for("traces"), "Amina");
    buy(phone, stack.sandbox(), {});

    const auto has = [](const auto& way) {
        return [way] {
            return std::ranges::any_of(trees(),
                                       [&](const auto& tree) { return tree.second.has_way(way); });
        };
    };
    EXPECT_TRUE(eventually(has(kToTheReply))) << pictures();
    EXPECT_TRUE(eventually(has(kToThePrompt))) << pictures();
    expect_right(shop);

    // What was under way at the last look has its parent a moment later.
    std::string fault;
    EXPECT_TRUE(eventually([&] {
        fault.clear();
        for (const auto& [id, tree] : trees())
            if (const auto wrong = tree.fault(); !wrong.empty())
                fault += wrong + "\n" + tree.picture();
        return fault.empty();
    })) << fault;

    bool three = false;
    for (const auto& [id, tree] : trees()) {
        if (!tree.has_way(kToThePrompt)) continue;
        three = three || tree.services().size() >= 3;
        const auto* ask = tree.find("payment", "ask payer");
        for (const auto& call : tree.below(ask->id)) {
            if (call.kind != kClient || call.name != "POST") continue;
            EXPECT_EQ(call.attributes.at("http.response.status_code"), "200");
            EXPECT_EQ(call.attributes.at("server.address"), "127.0.0.1");
        }
        EXPECT_EQ(tree.find("gateway", "POST /webhooks/whatsapp")->kind, kServer);
        EXPECT_EQ(tree.find("conversation", "process flowstack.gateway.events")->kind, kConsumer);
        EXPECT_NE(tree.find("gateway", "append flowstack_gateway"), nullptr);
    }
    EXPECT_TRUE(three);

    EXPECT_TRUE(collector().faults().empty()) << collector().faults().front();
    for (const auto& request : collector().requests())
        EXPECT_EQ(request.headers.get("api-key"), "of-the-collector");
}

TEST_F(Traces, HoldTheCallsOfOurServicesAndWhatFails) {
    const auto shop = stack.shop("traces-faults");
    Phone phone(stack.sandbox(), shop.phone_number_id, phone_for("traces-faults"), "Amina");
    stack.sandbox().post(
        "/control/faults",
        boost::json::object{
            {"provider", "meta"},
            {"number", shop.phone_number_id},
            {"effect", {{"error", {{"code", 131016}, {"http", 503}, {"message", "no"}}}}}});
    greet(phone, "Hi");
    const auto seen = [](const auto& is) {
        return eventually([&] { return std::ranges::any_of(collector().spans(), is); });
    };
    EXPECT_TRUE(seen([](const CollectedSpan& span) {
        return span.name == "send message" && span.failed &&
               span.attributes.at("error.type") == "131016";
    }));
    EXPECT_TRUE(seen([](const CollectedSpan& span) {
        return span.kind == kClient && span.failed && span.attributes.contains("error.type") &&
               span.attributes.at("error.type") == "503";
    }));
    EXPECT_TRUE(seen([](const CollectedSpan& span) {
        return span.kind == kServer && span.attributes.contains("rpc.method") &&
               span.attributes.at("rpc.grpc.status_code") == "0" &&
               span.name ==
                   span.attributes.at("rpc.service") + "/" + span.attributes.at("rpc.method");
    }));
}

}  // namespace
}  // namespace flowstack::e2e
