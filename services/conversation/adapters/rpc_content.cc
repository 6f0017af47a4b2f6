#include "services/conversation/adapters/rpc_content.h"

#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <set>

#include "common/rpc/resource_name.h"
#include "common/rpc/server.h"
#include "common/rpc/timestamp.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/conversation/v1/catalog_service.grpc.pb.h"
#include "flowstack/conversation/v1/flow_service.grpc.pb.h"
#include "flowstack/conversation/v1/template_service.grpc.pb.h"
#include "services/conversation/domain/flow/text.h"

namespace flowstack::conversation {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

// --- Templates

void show(const std::string& tenant, const StoredTemplate& stored, v1::Template& out) {
    const auto& t = stored.current;
    out.set_name(rpc::resource_name(tenant, "templates", t.key));
    out.set_template_key(t.key);
    out.set_kind(std::string(text_of(t.kind)));
    for (const auto& [language, variant] : t.variants)
        *out.add_variants() = variant_message(language, variant);
    out.set_description(t.description);
    out.set_active(t.active);
    out.set_version(t.version);
    rpc::set_time(*out.mutable_update_time(), stored.saved_at);
    out.set_etag(std::to_string(t.version));
}

class TemplateRpc final : public v1::TemplateService::CallbackService {
public:
    explicit TemplateRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* CreateTemplate(CallbackServerContext* context,
                                       const v1::CreateTemplateRequest* request,
                                       v1::Template* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { create(*request, *response); });
    }
    ServerUnaryReactor* UpdateTemplate(CallbackServerContext* context,
                                       const v1::UpdateTemplateRequest* request,
                                       v1::Template* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { update(*request, *response); });
    }
    ServerUnaryReactor* GetTemplate(CallbackServerContext* context,
                                    const v1::GetTemplateRequest* request,
                                    v1::Template* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = parse_name(request->name(), "templates");
            show(name.tenant, existing(name, request->name()).state, *response);
        });
    }
    ServerUnaryReactor* ListTemplates(CallbackServerContext* context,
                                      const v1::ListTemplatesRequest* request,
                                      v1::ListTemplatesResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto tenant = parse_parent(request->parent());
            const auto content = doors_.content.of(tenant);
            const auto keys = keys_of(content->stored_templates);
            const auto page = page_of(doors_, request->parent() + "/templates", keys,
                                      request->page_size(), request->page_token());
            for (auto i = page.begin; i < page.end; ++i)
                show(tenant, content->stored_templates.at(keys[i]), *response->add_templates());
            response->set_next_page_token(page.next_page_token);
        });
    }
    ServerUnaryReactor* DeleteTemplate(CallbackServerContext* context,
                                       const v1::DeleteTemplateRequest* request,
                                       v1::Template* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { remove(*request, *response); });
    }

    ServerUnaryReactor* RenderTemplate(CallbackServerContext* context,
                                       const v1::RenderTemplateRequest* request,
                                       v1::RenderTemplateResponse* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { render(*request, *response); });
    }

private:
    void render(const v1::RenderTemplateRequest& request, v1::RenderTemplateResponse& response) {
        const auto name = parse_name(request.name(), "templates");
        const auto facts = tenant_facts(doors_, name.tenant);
        const auto stored =
            doors_.books.templates.load(stream(name.tenant, category::kTemplate, name.id)).state;
        const auto* t = &stored.current;
        if (!stored.exists()) {
            // Of the pack that the tenant's conversations begin with, or of the base.
            t = nullptr;
            const auto& packs = doors_.content.packs();
            if (const auto flow = packs.flows.find(facts.pack); flow != packs.flows.end())
                if (const auto found = flow->second.templates.find(name.id);
                    found != flow->second.templates.end())
                    t = &found->second;
            if (const auto found = packs.base.templates.find(name.id);
                t == nullptr && found != packs.base.templates.end())
                t = &found->second;
        }
        if (t == nullptr || t->variants.empty()) throw rpc::not_found(request.name());
        if (!t->active) throw rpc::wrong_state(request.name(), "The template is switched off.");
        std::map<std::string, std::string> values{{"business_name", facts.display_name}};
        for (const auto& [key, value] : request.variables()) values[key] = value;
        const auto language = request.language().empty() && !facts.languages.empty()
                                  ? facts.languages.front()
                                  : request.language();
        set(response.mutable_content(), conversation::render(*t, language, values).content);
    }

    eventlog::Folded<StoredTemplate> existing(const ResourceName& name,
                                              const std::string& resource) {
        auto folded =
            doors_.books.templates.load(stream(name.tenant, category::kTemplate, name.id));
        if (!folded.state.exists()) throw rpc::not_found(resource);
        return folded;
    }

    // The request's template as the domain's, with button ids where there are none; throws what is
    // wrong.
    Template read(const std::string& tenant, const v1::Template& in, const std::string& key) {
        Template t;
        t.key = key;
        std::vector<Problem> problems;
        if (!parse(in.kind(), t.kind))
            problems.push_back({"kind",
                                "must be text, interactive_button, interactive_list, media or "
                                "whatsapp_template"});
        for (int i = 0; i < in.variants_size(); ++i) {
            const auto& variant = in.variants(i);
            if (!t.variants.emplace(variant.language(), variant_of(variant)).second)
                problems.push_back({"variants[" + std::to_string(i) + "].language",
                                    "must differ from the others"});
        }
        t.description = in.description();
        t.active = !in.has_active() || in.active();
        for (auto& [language, variant] : t.variants) {
            for (std::size_t i = 0; i < variant.buttons.size(); ++i)
                if (variant.buttons[i].id.empty())
                    variant.buttons[i].id = key + "_b" + std::to_string(i);
            for (std::size_t i = 0; i < variant.rows.size(); ++i)
                if (variant.rows[i].id.empty()) variant.rows[i].id = key + "_r" + std::to_string(i);
        }
        const auto content = doors_.content.of(tenant);
        const auto known = [&](const std::string& next) {
            return next == key || content->stored_templates.contains(next) ||
                   doors_.content.packs().base.templates.contains(next);
        };
        for (auto& problem : check(t, known)) problems.push_back(std::move(problem));
        if (!problems.empty()) refuse(problems, "template.");
        return t;
    }

    // The caller's own, which overrides a built-in template of that key; made here when empty.
    std::string key_for(const v1::CreateTemplateRequest& request, const std::string& tenant) {
        const auto& asked = request.template_().template_key();
        if (asked.empty()) {
            auto id = made_id(doors_, "create_template", tenant, request.request_id());
            std::erase(id, '-');
            return "tmpl_" + id.substr(id.size() - 8);
        }
        if (!good_key(asked))
            throw rpc::invalid_field("template.template_key",
                                     "must be letters, digits, _ and -, at most 63; or empty");
        return asked;
    }

    void create(const v1::CreateTemplateRequest& request, v1::Template& response) {
        const auto tenant = parse_parent(request.parent());
        const auto key = key_for(request, tenant);
        const auto where = stream(tenant, category::kTemplate, key);
        if (request.validate_only()) {
            StoredTemplate would{read(tenant, request.template_(), key), false, doors_.clock.now()};
            return show(tenant, would, response);
        }
        change_once(doors_, "create_template", tenant, request.request_id(), request,
                    [&]() -> std::optional<eventlog::Command> {
                        const auto folded = doors_.books.templates.load(where);
                        if (folded.state.exists())
                            throw rpc::already_exists(
                                "A template with this key is already there: update it.");
                        const auto t = read(tenant, request.template_(), key);
                        return one<Template>(doors_, tenant, where, folded.expected(), {t});
                    });
        show(tenant, doors_.books.templates.load(where).state, response);
    }

    void update(const v1::UpdateTemplateRequest& request, v1::Template& response) {
        const auto name = parse_name(request.name(), "templates");
        const auto where = stream(name.tenant, category::kTemplate, name.id);
        if (request.validate_only()) {
            const auto t = read(name.tenant, request.template_(), name.id);
            existing(name, request.name());
            return show(name.tenant, {t, false, doors_.clock.now()}, response);
        }
        change_once(doors_, "update_template", name.tenant, request.request_id(), request,
                    [&]() -> std::optional<eventlog::Command> {
                        const auto folded = existing(name, request.name());
                        const auto& etag = request.template_().etag();
                        if (!etag.empty() && etag != std::to_string(folded.version))
                            throw version_mismatch();
                        const auto t = read(name.tenant, request.template_(), name.id);
                        return one<Template>(doors_, name.tenant, where, folded.expected(), {t});
                    });
        show(name.tenant, doors_.books.templates.load(where).state, response);
    }

    // Which flow or template still leads to it; empty when nothing does.
    std::string wired_by(const std::string& tenant, const std::string& key) {
        const auto content = doors_.content.of(tenant);
        for (const auto& [other, stored] : content->stored_templates) {
            if (other == key) continue;
            for (const auto& [language, variant] : stored.current.variants) {
                for (const auto& button : variant.buttons)
                    if (button.next_template_key == key) return "template " + other;
                for (const auto& row : variant.rows)
                    if (row.next_template_key == key) return "template " + other;
            }
        }
        for (const auto& [flow_key, stored] : content->flows) {
            const auto flow = doors_.content.flow(tenant, flow_key, stored.version);
            // A flow that has words of its own under this key does not need the tenant's.
            if (!flow || flow->templates.contains(key)) continue;
            FlowWorld world;
            world.known_template = [&](const std::string& known) { return known != key; };
            if (!check(*flow, world).empty()) return "flow " + flow_key;
        }
        return {};
    }

    void remove(const v1::DeleteTemplateRequest& request, v1::Template& response) {
        const auto name = parse_name(request.name(), "templates");
        const auto where = stream(name.tenant, category::kTemplate, name.id);
        change_once(doors_, "delete_template", name.tenant, request.request_id(), request,
                    [&]() -> std::optional<eventlog::Command> {
                        const auto folded = existing(name, request.name());
                        if (const auto by = wired_by(name.tenant, name.id); !by.empty())
                            throw rpc::wrong_state(request.name(),
                                                   "The template is still used by " + by + ".");
                        return one<TemplateDeleted>(doors_, name.tenant, where, folded.expected(),
                                                    {TemplateDeleted{name.id}});
                    });
        show(name.tenant, doors_.books.templates.load(where).state, response);
        response.set_active(false);
    }

    Doors doors_;
};

// --- Flows

class FlowRpc final : public v1::FlowService::CallbackService {
public:
    explicit FlowRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* PublishFlow(CallbackServerContext* context,
                                    const v1::PublishFlowRequest* request,
                                    v1::Flow* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { publish(*request, *response); });
    }
    ServerUnaryReactor* GetFlow(CallbackServerContext* context, const v1::GetFlowRequest* request,
                                v1::Flow* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { get(*request, *response); });
    }
    ServerUnaryReactor* ListFlows(CallbackServerContext* context,
                                  const v1::ListFlowsRequest* request,
                                  v1::ListFlowsResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto tenant = parse_parent(request->parent());
            const auto content = doors_.content.of(tenant);
            const auto keys = keys_of(content->flows);
            const auto page = page_of(doors_, request->parent() + "/flows", keys,
                                      request->page_size(), request->page_token());
            for (auto i = page.begin; i < page.end; ++i) {
                const auto& stored = content->flows.at(keys[i]);
                show(tenant, keys[i], stored.version, stored.document_json, stored.published_at,
                     *response->add_flows());
            }
            response->set_next_page_token(page.next_page_token);
        });
    }

    ServerUnaryReactor* DescribeVerbs(CallbackServerContext* context,
                                      const v1::DescribeVerbsRequest* request,
                                      v1::DescribeVerbsResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            tenant_facts(doors_, parse_parent(request->parent()));
            for (const auto* words : vocabulary().words())
                for (const auto& spec : words->verbs) {
                    auto& verb = *response->add_verbs();
                    verb.set_trade(std::string(words->trade));
                    describe(spec, verb);
                }
            for (const auto variable : vocabulary().own_variables())
                response->add_reserved_variables(std::string(variable));
        });
    }

private:
    static v1::FlowValueKind wire(ValueKind kind) {
        switch (kind) {
            case ValueKind::none:
                return v1::FLOW_VALUE_KIND_UNSPECIFIED;
            case ValueKind::template_key:
                return v1::FLOW_VALUE_KIND_TEMPLATE;
            case ValueKind::node:
                return v1::FLOW_VALUE_KIND_NODE;
            case ValueKind::text:
                return v1::FLOW_VALUE_KIND_TEXT;
            case ValueKind::seconds:
                return v1::FLOW_VALUE_KIND_SECONDS;
            case ValueKind::variable:
                return v1::FLOW_VALUE_KIND_VARIABLE;
            case ValueKind::language:
                return v1::FLOW_VALUE_KIND_LANGUAGE;
            case ValueKind::provider:
                return v1::FLOW_VALUE_KIND_PROVIDER;
        }
        return v1::FLOW_VALUE_KIND_UNSPECIFIED;
    }

    static void describe(const VerbSpec& spec, v1::FlowVerb& out) {
        out.set_name(std::string(spec.name));
        out.set_target(wire(spec.target));
        out.set_target_required(spec.target_required);
        out.set_always_leaves(spec.always_leaves);
        out.set_description(std::string(spec.meaning));
        for (const auto& option : spec.given_options()) {
            auto& to = *out.add_options();
            to.set_name(std::string(option.name));
            to.set_kind(wire(option.kind));
            to.set_required(option.required);
            to.set_description(std::string(option.meaning));
        }
    }

    static void show(const std::string& tenant, const std::string& key, std::int64_t version,
                     const std::string& document, std::optional<Time> at, v1::Flow& out) {
        out.set_name(rpc::resource_name(tenant, "flows", key));
        out.set_flow_key(key);
        out.set_version(version);
        if (!google::protobuf::util::JsonStringToMessage(document, out.mutable_document()).ok())
            throw rpc::internal();
        if (at) rpc::set_time(*out.mutable_create_time(), *at);
        out.set_etag(std::to_string(version));
    }

    void publish(const v1::PublishFlowRequest& request, v1::Flow& response) {
        const auto tenant = parse_parent(request.parent());
        const auto key = request.flow_key().empty() ? std::string("own") : request.flow_key();
        if (!good_key(key))
            throw rpc::invalid_field("flow_key", "must be letters, digits, _ and -, at most 63");
        if (request.has_document() == !request.document_json().empty())
            throw rpc::invalid_field("document", "give either document or document_json");
        auto document = request.document_json();
        if (request.has_document() &&
            !google::protobuf::util::MessageToJsonString(request.document(), &document).ok())
            throw rpc::invalid_field("document", "cannot be written as JSON");
        validate(tenant, document);
        if (request.validate_only()) return show(tenant, key, 0, document, std::nullopt, response);

        const auto where = stream(tenant, category::kFlow, key);
        change_once(doors_, "publish_flow", tenant, request.request_id(), request,
                    [&]() -> std::optional<eventlog::Command> {
                        const auto folded = doors_.books.flows.load(where);
                        return one<FlowPublished>(doors_, tenant, where, folded.expected(),
                                                  {FlowPublished{key, document}});
                    });
        const auto stored = doors_.books.flows.load(where).state;
        show(tenant, key, stored.version, stored.document_json, stored.published_at, response);
    }

    void validate(const std::string& tenant, const std::string& document) {
        try {
            const auto flow = with_base(parse_flow(document), doors_.content.packs().base);
            const auto content = doors_.content.of(tenant);
            const FlowWorld world{
                [&](const std::string& key) { return content->stored_templates.contains(key); },
                regex_is_good};
            if (const auto problems = check(flow, world); !problems.empty())
                refuse(problems, "document.");
        } catch (const BadDocument& bad) {
            refuse(bad.problems, "document.");
        }
    }

    void get(const v1::GetFlowRequest& request, v1::Flow& response) {
        const auto name = parse_name(request.name(), "flows");
        if (request.version() < 0) throw rpc::invalid_field("version", "must not be negative");
        const auto where = stream(name.tenant, category::kFlow, name.id);
        if (request.version() > 0) {
            const auto events = doors_.store.read_stream(where, request.version());
            if (events.empty() || events.front().version != request.version())
                throw rpc::not_found(request.name() + " version " +
                                     std::to_string(request.version()));
            const auto& event = events.front();
            return show(name.tenant, name.id, event.version,
                        decode_flow(event.type, event.payload).document_json, event.recorded_at,
                        response);
        }
        const auto stored = doors_.books.flows.load(where).state;
        if (stored.version > 0)
            return show(name.tenant, name.id, stored.version, stored.document_json,
                        stored.published_at, response);
        const auto pack = doors_.content.packs().documents.find(name.id);
        if (pack == doors_.content.packs().documents.end()) throw rpc::not_found(request.name());
        show(name.tenant, name.id, 0, pack->second, std::nullopt, response);
    }

    Doors doors_;
};

// --- Catalog

void show(const std::string& tenant, const StoredProduct& stored, std::int64_t version,
          v1::Product& out) {
    const auto& p = stored.product;
    out.set_name(rpc::resource_name(tenant, "products", p.id));
    out.set_product_id(p.id);
    out.set_display_name(p.name);
    for (const auto& alias : p.aliases) out.add_aliases(alias);
    set(out.mutable_price(), p.price);
    out.set_description(p.description);
    out.set_image_url(p.image_url);
    out.set_active(p.active);
    if (p.on_hand) out.set_on_hand(*p.on_hand);
    out.set_reserved(p.reserved());
    rpc::set_time(*out.mutable_update_time(), stored.changed_at);
    out.set_etag(std::to_string(version));
}

void show(const std::string& tenant, const Promotion& promotion, std::int64_t version,
          v1::Promotion& out) {
    out.set_name(rpc::resource_name(tenant, "promotions", promotion.promotion_id));
    out.set_promotion_id(promotion.promotion_id);
    for (const auto& [language, text] : promotion.text) (*out.mutable_text())[language] = text;
    out.set_active(promotion.active);
    out.set_etag(std::to_string(version));
}

class CatalogRpc final : public v1::CatalogService::CallbackService {
public:
    explicit CatalogRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* SaveProduct(CallbackServerContext* context,
                                    const v1::SaveProductRequest* request,
                                    v1::Product* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { save(*request, *response); });
    }
    ServerUnaryReactor* GetProduct(CallbackServerContext* context,
                                   const v1::GetProductRequest* request,
                                   v1::Product* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = parse_name(request->name(), "products");
            show_product(name.tenant, name.id, *response);
        });
    }
    ServerUnaryReactor* ListProducts(CallbackServerContext* context,
                                     const v1::ListProductsRequest* request,
                                     v1::ListProductsResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto tenant = parse_parent(request->parent());
            const auto content = doors_.content.of(tenant);
            std::vector<std::string> ids;
            for (const auto& product : content->products) ids.push_back(product.id);
            const auto page = page_of(doors_, request->parent() + "/products", ids,
                                      request->page_size(), request->page_token());
            for (auto i = page.begin; i < page.end; ++i) {
                const auto& stored = content->stored_products.at(ids[i]);
                show(tenant, stored.value, stored.version, *response->add_products());
            }
            response->set_next_page_token(page.next_page_token);
        });
    }
    ServerUnaryReactor* SetStock(CallbackServerContext* context, const v1::SetStockRequest* request,
                                 v1::Product* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = parse_name(request->name(), "products");
            const auto where = stream(name.tenant, category::kProduct, name.id);
            StockSet stock{.product_id = ProductId(name.id), .on_hand = {}};
            if (request->has_on_hand()) stock.on_hand = request->on_hand();
            change_once(doors_, "set_stock", name.tenant, request->request_id(), *request,
                        [&]() -> std::optional<eventlog::Command> {
                            if (const auto problems = check(stock); !problems.empty())
                                refuse(problems, "");
                            const auto folded = doors_.books.products.load(where);
                            if (!folded.state.product.exists())
                                throw rpc::not_found(request->name());
                            return one<ProductEvent>(doors_, name.tenant, where, folded.expected(),
                                                     {stock});
                        });
            show_product(name.tenant, name.id, *response);
        });
    }
    ServerUnaryReactor* SavePromotion(CallbackServerContext* context,
                                      const v1::SavePromotionRequest* request,
                                      v1::Promotion* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto tenant = parse_parent(request->parent());
            const auto& in = request->promotion();
            const PromotionId id(given_or_made_id(doors_, "promotion", tenant, in.promotion_id(),
                                                  request->request_id()));
            const PromotionSaved saved{.promotion_id = id,
                                       .text = {in.text().begin(), in.text().end()},
                                       .active = !in.has_active() || in.active()};
            const auto where = stream(tenant, category::kPromotion, id);
            change_once(doors_, "save_promotion", tenant, request->request_id(), *request,
                        [&]() -> std::optional<eventlog::Command> {
                            if (const auto problems = check(saved); !problems.empty())
                                refuse(problems, "promotion.");
                            const auto folded = doors_.books.promotions.load(where);
                            return one<PromotionSaved>(doors_, tenant, where, folded.expected(),
                                                       {saved});
                        });
            const auto folded = doors_.books.promotions.load(where);
            show(tenant, folded.state.value(), folded.version, *response);
        });
    }
    ServerUnaryReactor* ListPromotions(CallbackServerContext* context,
                                       const v1::ListPromotionsRequest* request,
                                       v1::ListPromotionsResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto tenant = parse_parent(request->parent());
            const auto content = doors_.content.of(tenant);
            const auto ids = keys_of(content->stored_promotions);
            const auto page = page_of(doors_, request->parent() + "/promotions", ids,
                                      request->page_size(), request->page_token());
            for (auto i = page.begin; i < page.end; ++i) {
                const auto& stored = content->stored_promotions.at(ids[i]);
                show(tenant, stored.value, stored.version, *response->add_promotions());
            }
            response->set_next_page_token(page.next_page_token);
        });
    }

private:
    void show_product(const std::string& tenant, const std::string& id, v1::Product& response) {
        const auto folded = doors_.books.products.load(stream(tenant, category::kProduct, id));
        if (!folded.state.product.exists())
            throw rpc::not_found(rpc::resource_name(tenant, "products", id));
        response.Clear();
        show(tenant, folded.state, folded.version, response);
    }

    void save(const v1::SaveProductRequest& request, v1::Product& response) {
        const auto tenant = parse_parent(request.parent());
        const auto& in = request.product();
        const ProductId id(
            given_or_made_id(doors_, "product", tenant, in.product_id(), request.request_id()));
        const auto where = stream(tenant, category::kProduct, id);
        const auto currency = parse_currency(in.price().currency_code());
        if (!currency)
            throw rpc::invalid_field("product.price.currency_code",
                                     "must be an ISO 4217 code, e.g. KES");
        const auto facts = tenant_facts(doors_, tenant);
        if (*currency != facts.currency)
            throw rpc::invalid_field(
                "product.price.currency_code",
                "must be the tenant's: " + std::string(currency_code(facts.currency)));
        const ProductSaved saved{.product_id = id,
                                 .name = in.display_name(),
                                 .aliases = {in.aliases().begin(), in.aliases().end()},
                                 .price = {in.price().minor_units(), *currency},
                                 .description = in.description(),
                                 .image_url = in.image_url(),
                                 .active = !in.has_active() || in.active()};
        change_once(doors_, "save_product", tenant, request.request_id(), request,
                    [&]() -> std::optional<eventlog::Command> {
                        auto problems = check(saved);
                        std::vector<ProductEvent> facts_made{saved};
                        const auto folded = doors_.books.products.load(where);
                        // A new product may bring its first count; later ones are SetStock's.
                        if (!folded.state.product.exists() && in.has_on_hand()) {
                            const StockSet stock{.product_id = id, .on_hand = in.on_hand()};
                            for (auto& problem : check(stock))
                                problems.push_back(std::move(problem));
                            facts_made.push_back(stock);
                        }
                        if (!problems.empty()) refuse(problems, "product.");
                        return one<ProductEvent>(doors_, tenant, where, folded.expected(),
                                                 facts_made);
                    });
        show_product(tenant, id, response);
    }

    Doors doors_;
};

}  // namespace

std::vector<NamedService> make_content_services(const Doors& doors) {
    std::vector<NamedService> services;
    services.push_back(
        {std::make_unique<TemplateRpc>(doors), v1::TemplateService::service_full_name()});
    services.push_back({std::make_unique<FlowRpc>(doors), v1::FlowService::service_full_name()});
    services.push_back(
        {std::make_unique<CatalogRpc>(doors), v1::CatalogService::service_full_name()});
    services.push_back(make_support_service(doors));
    services.push_back(make_booking_service(doors));
    return services;
}

}  // namespace flowstack::conversation
