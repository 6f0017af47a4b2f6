#include "services/campaign/domain/campaign.h"

#include <algorithm>
#include <utility>

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"
#include "common/text/fold.h"
#include "common/text/utf8.h"

namespace flowstack::campaign {
namespace {

using Answer = Decision<Event, Rejection>;
const std::vector<Event> kNothingToDo;

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kBlank = " \t\r\n";
    const auto from = text.find_first_not_of(kBlank);
    if (from == std::string_view::npos) return {};
    return text.substr(from, text.find_last_not_of(kBlank) - from + 1);
}

// Calls `text` for what stands between variables and `variable` for the word inside each {{…}}.
// Braces that are never closed are text.
template <class Text, class Variable>
void for_each_part(std::string_view body, Text text, Variable variable) {
    while (!body.empty()) {
        const auto open = body.find("{{");
        const auto close = open == std::string_view::npos ? open : body.find("}}", open + 2);
        if (close == std::string_view::npos) {
            text(body);
            return;
        }
        text(body.substr(0, open));
        variable(trimmed(body.substr(open + 2, close - open - 2)));
        body.remove_prefix(close + 2);
    }
}

bool only_known_variables(std::string_view body) {
    bool known = true;
    for_each_part(
        body, [](std::string_view) {},
        [&](std::string_view variable) { known = known && variable == "name"; });
    return known;
}

std::size_t audience_values_max(AudienceKind kind) {
    switch (kind) {
        case AudienceKind::all:
            return 0;
        case AudienceKind::tag:
            return kAudienceTagsMax;
        case AudienceKind::list:
            return kAudienceListMax;
    }
    return 0;
}

// The rulebook: one function per legal (stage, command) pair.

Answer on(const Absent&, const DraftCampaign& c) {
    const Draft& draft = c.draft;
    if (trimmed(draft.name).empty() || draft.name.size() > kNameMax) return Rejection::name_length;
    if (!draft.in_template.name.empty()) {
        if (!draft.body.empty()) return Rejection::body_and_template;
        if (!std::ranges::all_of(c.template_values, only_known_variables))
            return Rejection::variable_unknown;
    } else {
        if (trimmed(draft.body).empty() || draft.body.size() > kBodyMax)
            return Rejection::body_length;
        if (!only_known_variables(draft.body)) return Rejection::variable_unknown;
    }
    if (draft.per_second < 0 || draft.per_second > kPerSecondMax)
        return Rejection::per_second_range;
    const auto& values = draft.audience.values;
    const auto values_max = audience_values_max(draft.audience.kind);
    if (values.empty() != (values_max == 0) || values.size() > values_max)
        return Rejection::audience_values;
    if (std::any_of(values.begin(), values.end(), [](const auto& v) { return v.empty(); }))
        return Rejection::audience_values;
    return CampaignDrafted{.draft = draft};
}

Answer schedule(const Draft& draft, const ScheduleCampaign& c) {
    if (c.start_at <= c.now) return Rejection::start_not_ahead;
    return CampaignScheduled{.campaign_id = draft.campaign_id, .start_at = c.start_at};
}
Answer on(const Drafted& d, const ScheduleCampaign& c) { return schedule(d.draft, c); }
Answer on(const Scheduled& s, const ScheduleCampaign& c) {
    if (s.start_at == c.start_at) return kNothingToDo;
    return schedule(s.draft, c);
}

Answer start(const Draft& draft, const StartCampaign& c) {
    CampaignStarted started{.campaign_id = draft.campaign_id,
                            .lanes = c.lanes,
                            .audience = draft.audience,
                            .type = draft.type};
    if (draft.audience.kind == AudienceKind::list) started.audience.values.clear();
    return started;
}
Answer on(const Drafted& d, const StartCampaign& c) { return start(d.draft, c); }
Answer on(const Scheduled& s, const StartCampaign& c) { return start(s.draft, c); }
Answer on(const Running&, const StartCampaign&) { return kNothingToDo; }

Answer on(const Running& r, const PauseCampaign& c) {
    return CampaignPaused{.campaign_id = r.draft.campaign_id, .reason = c.reason};
}
Answer on(const Paused&, const PauseCampaign&) { return kNothingToDo; }

Answer on(const Paused& p, const ResumeCampaign&) {
    return CampaignResumed{.campaign_id = p.draft.campaign_id};
}
Answer on(const Running&, const ResumeCampaign&) { return kNothingToDo; }

Answer cancel(const Draft& draft, const CancelCampaign& c, bool ran) {
    return CampaignCancelled{.campaign_id = draft.campaign_id, .reason = c.reason, .ran = ran};
}
Answer on(const Drafted& d, const CancelCampaign& c) { return cancel(d.draft, c, false); }
Answer on(const Scheduled& s, const CancelCampaign& c) { return cancel(s.draft, c, false); }
Answer on(const Running& r, const CancelCampaign& c) { return cancel(r.draft, c, true); }
Answer on(const Paused& p, const CancelCampaign& c) { return cancel(p.draft, c, true); }
Answer on(const Cancelled&, const CancelCampaign&) { return kNothingToDo; }

// The lanes go on freezing while a campaign is paused: who is in the audience was decided by its
// start.
Answer frozen(const Draft& draft, const Run& run, const RecordFrozen& c) {
    if (run.audience) return kNothingToDo;
    return AudienceFrozen{.campaign_id = draft.campaign_id, .audience = c.audience};
}
Answer on(const Running& r, const RecordFrozen& c) { return frozen(r.draft, r.run, c); }
Answer on(const Paused& p, const RecordFrozen& c) { return frozen(p.draft, p.run, c); }
Answer on(const Cancelled& x, const RecordFrozen& c) {
    if (!x.run) return Rejection::wrong_state;
    return frozen(x.draft, *x.run, c);
}

std::optional<Rejection> open(const Run& run, const RecordSettled& c) {
    if (!run.audience) return Rejection::audience_not_frozen;
    if (c.settled < *run.audience) return Rejection::recipients_open;
    return std::nullopt;
}
Answer on(const Running& r, const RecordSettled& c) {
    if (const auto why = open(r.run, c)) return *why;
    return CampaignCompleted{.campaign_id = r.draft.campaign_id};
}
// A pause that came after the last send keeps nobody waiting.
Answer on(const Paused& p, const RecordSettled& c) {
    if (const auto why = open(p.run, c)) return *why;
    return CampaignCompleted{.campaign_id = p.draft.campaign_id};
}
Answer on(const Completed&, const RecordSettled&) { return kNothingToDo; }
Answer on(const Cancelled& x, const RecordSettled& c) {
    if (!x.run) return Rejection::wrong_state;
    if (x.settled) return kNothingToDo;
    if (const auto why = open(*x.run, c)) return *why;
    return CampaignSettled{.campaign_id = x.draft.campaign_id};
}

template <class Any>
Answer on(const Absent&, const Any&) {
    return Rejection::absent;
}
template <class Stage>
    requires(!std::is_same_v<Stage, Absent>)
Answer on(const Stage&, const DraftCampaign&) {
    return Rejection::exists;
}
template <class Stage, class Any>
Answer on(const Stage&, const Any&) {
    return Rejection::wrong_state;
}

// How a fact moves a campaign along.

Run first_run(const CampaignStarted& e) {
    return {.lanes = e.lanes, .round = 0, .audience = std::nullopt};
}

Campaign after(Absent, const CampaignDrafted& e) { return Drafted{.draft = e.draft}; }
Campaign after(Drafted c, const CampaignScheduled& e) {
    return Scheduled{.draft = std::move(c.draft), .start_at = e.start_at};
}
Campaign after(Scheduled c, const CampaignScheduled& e) {
    c.start_at = e.start_at;
    return c;
}
Campaign after(Drafted c, const CampaignStarted& e) {
    return Running{.draft = std::move(c.draft), .run = first_run(e)};
}
Campaign after(Scheduled c, const CampaignStarted& e) {
    return Running{.draft = std::move(c.draft), .run = first_run(e)};
}
Campaign after(Running c, const AudienceFrozen& e) {
    c.run.audience = e.audience;
    return c;
}
Campaign after(Paused c, const AudienceFrozen& e) {
    c.run.audience = e.audience;
    return c;
}
Campaign after(Running c, const CampaignPaused& e) {
    return Paused{.draft = std::move(c.draft), .run = c.run, .reason = e.reason};
}
Campaign after(Paused c, const CampaignResumed&) {
    ++c.run.round;
    return Running{.draft = std::move(c.draft), .run = c.run};
}
Campaign after(Running c, const CampaignCompleted&) {
    return Completed{.draft = std::move(c.draft), .run = c.run};
}
Campaign after(Paused c, const CampaignCompleted&) {
    return Completed{.draft = std::move(c.draft), .run = c.run};
}

// A campaign that never ran has nobody left to wait for.
Campaign cancelled(Draft draft, std::optional<Run> run, const CampaignCancelled& e) {
    const bool settled = !run;
    return Cancelled{.draft = std::move(draft), .run = run, .reason = e.reason, .settled = settled};
}
Campaign after(Drafted c, const CampaignCancelled& e) {
    return cancelled(std::move(c.draft), std::nullopt, e);
}
Campaign after(Scheduled c, const CampaignCancelled& e) {
    return cancelled(std::move(c.draft), std::nullopt, e);
}
Campaign after(Running c, const CampaignCancelled& e) {
    return cancelled(std::move(c.draft), c.run, e);
}
Campaign after(Paused c, const CampaignCancelled& e) {
    return cancelled(std::move(c.draft), c.run, e);
}
Campaign after(Cancelled c, const AudienceFrozen& e) {
    if (!c.run || c.run->audience) throw CorruptStream("campaign: audience frozen out of order");
    c.run->audience = e.audience;
    return c;
}
Campaign after(Cancelled c, const CampaignSettled&) {
    if (c.settled) throw CorruptStream("campaign: settled twice");
    c.settled = true;
    return c;
}

template <class Stage, class AnyEvent>
Campaign after(const Stage&, const AnyEvent&) {
    throw CorruptStream("campaign: event out of order");
}

}  // namespace

Answer decide(const Campaign& campaign, const Command& command) {
    return std::visit([](const auto& s, const auto& c) { return on(s, c); }, campaign, command);
}

Campaign evolve(Campaign campaign, const Event& event) {
    return std::visit(
        [](auto&& s, const auto& e) { return after(std::forward<decltype(s)>(s), e); },
        std::move(campaign), event);
}

std::string_view text_of(const Campaign& campaign) {
    return std::visit(Overloaded{
                          [](const Absent&) -> std::string_view { return ""; },
                          [](const Drafted&) -> std::string_view { return "DRAFT"; },
                          [](const Scheduled&) -> std::string_view { return "SCHEDULED"; },
                          [](const Running&) -> std::string_view { return "RUNNING"; },
                          [](const Paused&) -> std::string_view { return "PAUSED"; },
                          [](const Completed&) -> std::string_view { return "COMPLETED"; },
                          [](const Cancelled&) -> std::string_view { return "CANCELLED"; },
                      },
                      campaign);
}

const Draft* draft_of(const Campaign& campaign) {
    return std::visit(Overloaded{
                          [](const Absent&) -> const Draft* { return nullptr; },
                          [](const auto& stage) -> const Draft* { return &stage.draft; },
                      },
                      campaign);
}

const Run* run_of(const Campaign& campaign) {
    return std::visit(
        Overloaded{
            [](const Running& c) -> const Run* { return &c.run; },
            [](const Paused& c) -> const Run* { return &c.run; },
            [](const Completed& c) -> const Run* { return &c.run; },
            [](const Cancelled& c) -> const Run* { return c.run ? &*c.run : nullptr; },
            [](const auto&) -> const Run* { return nullptr; },
        },
        campaign);
}

std::string_view text_of(Type type) {
    return type == Type::promotional ? "PROMOTIONAL" : "TRANSACTIONAL";
}
std::string_view text_of(AudienceKind kind) {
    switch (kind) {
        case AudienceKind::all:
            return "all";
        case AudienceKind::tag:
            return "tag";
        case AudienceKind::list:
            return "list";
    }
    return "";
}
std::optional<Type> parse_type(std::string_view wanted) {
    for (const auto type : {Type::promotional, Type::transactional})
        if (text_of(type) == wanted) return type;
    return std::nullopt;
}
std::optional<AudienceKind> parse_audience_kind(std::string_view wanted) {
    for (const auto kind : {AudienceKind::all, AudienceKind::tag, AudienceKind::list})
        if (text_of(kind) == wanted) return kind;
    return std::nullopt;
}

std::string personalized(std::string_view body, std::string_view name,
                         std::string_view default_name) {
    // A name of invisible characters is none, and a line break in one would split the sentence.
    auto shown = text::one_line(name);
    if (shown.empty()) shown = default_name;
    std::string result;
    for_each_part(
        body, [&](std::string_view part) { result += part; },
        [&](std::string_view) { result += shown; });
    return std::string(text::front_of_bytes(result, kBodyMax));
}

}  // namespace flowstack::campaign
