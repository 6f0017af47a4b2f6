#include <google/protobuf/util/json_util.h>

#include "common/http/message.h"
#include "common/text/fold.h"
#include "common/text/phone.h"
#include "common/text/utf8.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/conversation/v1/template_service.pb.h"
#include "services/conversation/adapters/codec.h"
#include "services/conversation/adapters/flow_json.h"
#include "services/conversation/domain/flow/text.h"
#include "services/conversation/domain/pipeline.h"
#include "services/conversation/domain/trades/shop/order_text.h"
#include "services/gateway/domain/phone.h"
#include "services/gateway/providers/meta/meta_parser.h"
#include "tests/fuzz/fuzz.h"

namespace flowstack::conversation {
namespace {

Product product(const char* id, const char* name, std::vector<std::string> aliases) {
    Product made;
    made.id = ProductId(id);
    made.name = name;
    made.aliases = std::move(aliases);
    made.price = {25'000, Currency::kes};
    made.active = true;
    return made;
}

const std::vector<Product>& catalog() {
    static const std::vector<Product> products{
        product("coffee", "Coffee", {"kahawa"}), product("soap", "Bar Soap", {"soap", "sabuni"}),
        product("crisps", "Salt and Vinegar Crisps", {"crisps"}), product("c50", "Cement 50", {}),
        product("cafe", "Caf\xC3\xA9", {"\xE5\x92\x96\xE5\x95\xA1"})};
    return products;
}

// A customer says these words to this flow. Whatever it is: the turn ends.
void talk(const Flow& flow, const std::vector<std::string>& words) {
    TenantFacts tenant;
    tenant.id = "shop";
    tenant.display_name = "Mama Duka";
    tenant.languages = {"en", "sw"};
    tenant.providers = {"mpesa"};
    tenant.pack = flow.key;
    const std::vector<Promotion> promotions;
    const std::map<std::string, Template> templates;
    Customer customer;
    Conversation conversation;
    Time now = from_unix_seconds(1'750'000'000);
    int said = 0;
    for (const auto& text : words) {
        now += Micros{std::chrono::seconds{10}};
        Inbound in;
        in.id = "wamid." + std::to_string(++said);
        in.customer_id = CustomerId("c1");
        in.channel_id = ChannelId("ch1");
        in.text = text;
        in.phone = "+254712345678";
        in.sent_at = in.received_at = now;
        Context context;
        context.now = now;
        context.tenant = &tenant;
        context.flow = &flow;
        context.templates = &templates;
        context.shop.products = &catalog();
        context.shop.promotions = &promotions;
        context.matches = regex_matches;
        context.make_id = [&](const std::string& kind, int n) {
            return in.id + "/" + kind + "/" + std::to_string(n);
        };
        context.cause_key = in.id;
        Turn turn{.in = in, .context = context};
        turn.current_flow = {flow.key, 0, &flow};
        turn.flow_of = [&](const std::string&, std::int64_t) { return &flow; };
        turn.new_conversation_id = ConversationId("conv" + std::to_string(said));
        turn.customer = customer;
        turn.conversation = conversation;
        run_pipeline(turn);
        for (const auto& event : turn.events)
            if (const auto* reply = std::get_if<ReplyRequested>(&event))
                FLOWSTACK_EXPECT(http::valid_utf8(reply->content.body));
        customer = turn.customer;
        conversation = turn.conversation;
    }
}

}  // namespace

// A tenant's document, as it is posted. One that could be published is also played.
FLOWSTACK_FUZZ_TARGET(flow_json) {
    try {
        static const Flow base = read_packs(PACKS_DIR).base;
        const auto flow = with_base(parse_flow(bytes), base);
        const FlowWorld world{[](const std::string&) { return true; }, regex_is_good};
        if (check(flow, world).empty()) talk(flow, {"hi", "1", "coffee x 2", "menu", "stop"});
    } catch (const BadDocument& bad) {
        FLOWSTACK_EXPECT(!bad.problems.empty());
        for (const auto& problem : bad.problems) FLOWSTACK_EXPECT(!problem.text.empty());
    }
}

// A turn as it is stored. What can be read is written and read again, and is the same.
FLOWSTACK_FUZZ_TARGET(dialogue_turn) {
    const auto at = from_unix_seconds(1'750'000'000);
    const auto& type = v1::DialogueTurn::descriptor()->full_name();
    std::vector<Event> facts;
    try {
        facts = decode_facts(type, std::string(bytes));
    } catch (const std::logic_error&) {  // what a consumer parks
        return;
    }
    const auto again = encode(facts, at);
    FLOWSTACK_EXPECT(again.size() == (facts.empty() ? 0u : 1u));
    for (const auto& event : again)
        FLOWSTACK_EXPECT(event.type == type && decode_facts(type, event.payload) == facts);
}

// A template's JSON, as the REST door reads it.
FLOWSTACK_FUZZ_TARGET(template_json) {
    v1::Template in;
    if (!google::protobuf::util::JsonStringToMessage(std::string(bytes), &in).ok()) return;
    Template t;
    t.key = in.template_key();
    if (!parse(in.kind(), t.kind)) return;
    for (const auto& variant : in.variants())
        t.variants.emplace(variant.language(), variant_of(variant));
    const auto problems = check(t, [](const std::string& key) { return key == "known"; });
    if (!problems.empty() || t.variants.empty()) return;
    const std::map<std::string, std::string> values{{"name", "Am\xC3\xADna"},
                                                    {"total", "{{name}}"}};
    for (const auto& [language, variant] : t.variants) {
        const auto rendered = render(t, language, values);
        FLOWSTACK_EXPECT(text::code_points(rendered.content.body) <= kTextBodyMax);
        FLOWSTACK_EXPECT(rendered.content.titles.size() <= kButtonsMax);
        FLOWSTACK_EXPECT(rendered.content.rows.size() <= kRowsMax);
        FLOWSTACK_EXPECT(http::valid_utf8(rendered.content.body));
        for (const auto& title : rendered.content.titles)
            FLOWSTACK_EXPECT(text::code_points(title) <= kButtonTitleMax &&
                             http::valid_utf8(title));
    }
}

// What a customer types where an order is expected.
FLOWSTACK_FUZZ_TARGET(order_text) {
    // The provider's JSON guarantees UTF-8, and at most this much.
    if (!http::valid_utf8(bytes) || bytes.size() > 4096) return;
    const auto order = parse_order(bytes, catalog());
    FLOWSTACK_EXPECT(order.lines.size() + order.unclear.size() <= 2 * kOrderTextLinesMax + 1);
    for (const auto& line : order.lines)
        FLOWSTACK_EXPECT(line.quantity >= kQuantityMin && line.quantity <= kQuantityMax);
    for (const auto& item : order.unclear) FLOWSTACK_EXPECT(http::valid_utf8(item.words));
    (void)suggestions(bytes.substr(0, 200), catalog());
}

// Any words of a customer: cutting, folding, numbers, telephones.
FLOWSTACK_FUZZ_TARGET(customer_text) {
    if (!http::valid_utf8(bytes)) return;
    fuzz::Input input(bytes);
    for (const std::size_t limit : {std::size_t{1}, kButtonTitleMax, kRowDescriptionMax}) {
        const auto cut = text::shortened(bytes, limit);
        FLOWSTACK_EXPECT(text::code_points(cut) <= limit && http::valid_utf8(cut));
    }
    FLOWSTACK_EXPECT(http::valid_utf8(plain(bytes)) && http::valid_utf8(text::clean(bytes)));
    for (const auto& word : words_of(bytes.substr(0, 500))) FLOWSTACK_EXPECT(!word.empty());
    if (const auto count = parse_count(bytes, 1, 999))
        FLOWSTACK_EXPECT(*count >= 1 && *count <= 999);
    for (const char* country : {"KE", "TZ", "UG", "RW", "XX"})
        if (const auto phone = text::e164(bytes, country))
            FLOWSTACK_EXPECT(!gateway::phone_from_digits(*phone).empty());
    const std::map<std::string, std::string> values{{"name", "{{name}}"}, {"a", "b"}};
    FLOWSTACK_EXPECT(http::valid_utf8(fill(bytes, values)));
    (void)names_in(bytes);
    FLOWSTACK_EXPECT(edit_distance(bytes.substr(0, 64), bytes.substr(0, 64)) == 0);
}

}  // namespace flowstack::conversation
