#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/crypto/hash.h"
#include "common/eventlog/types.h"
#include "common/eventlog/vault.h"

namespace flowstack::postgres {
class Session;
}

// Does the log still say what was written? Everything that can be recomputed is recomputed, and
// each difference is named with its place.
//
// What is found without outside help: gaps, moved heads, versions out of order, times that do not
// climb, envelopes and payloads that no longer decode, and side rows (claims, work, settings
// changes) that are not what the events say. A payload that was exchanged for another valid one can
// only be told by somebody who remembers: `known` marks, kept by an auditor outside the database.
namespace flowstack::eventlog {

// Canonical bytes of an event: its envelope field by field, each as four bytes of length (big
// endian) and the value, integers as eight bytes big endian, in this order:
//
//   "flowstack.event.v1", service, lane, epoch, position, tenant, category, key, version,
//   event id (16 bytes), type, recorded_at_us, occurred_at_us, command id,
//   routing kind, routing key, actor, request hash, correlation id,
//   causation service, causation lane, causation position ("", 0, 0 without a cause),
//   settings version, traceparent, build id, key id, private (0 or 1),
//   role, reason, source address, SHA-256 of the payload
//
// The payload is covered by its hash, so that who may not see it can still follow the chain.
std::string canonical_bytes(const Recorded& event);

// SHA-256 chain over a stretch of one lane:
//   digest(0) = SHA-256(fields "flowstack.chain.v1", service, lane, first position)
//   digest(n) = SHA-256(digest(n-1), SHA-256(canonical bytes of the n-th event))
class Chain {
public:
    Chain(const std::string& service, int lane, std::int64_t from);
    // Its position must be the next one.
    void add(const Recorded& event);
    // Adds an event whose leaf is known: SHA-256 of its canonical bytes.
    void add_leaf(const crypto::Digest& leaf);
    // Goes on from a remembered digest.
    void go_on_from(const crypto::Digest& digest) { digest_ = digest; }
    const crypto::Digest& digest() const { return digest_; }

private:
    crypto::Digest digest_{};
};

// What an auditor remembers of a lane: the chain from position 1 up to and with `position`.
struct Mark {
    int lane = 0;
    std::int64_t position = 0;
    crypto::Digest digest{};
};

struct Problem {
    // gap · head · version · stream_head · time · envelope · payload · changed · claim · work ·
    // settings · relay
    std::string kind;
    int lane = 0;
    std::int64_t position = 0;  // where it was seen; 0: nowhere in particular
    std::string subject;        // which stream, claim, work row …
    std::string detail;         // what is there and what should be
};
// More than this many of one check are counted, not listed.
inline constexpr std::size_t kProblemsMax = 100;

struct LaneCheck {
    int lane = 0;
    std::int64_t from = 1;
    std::int64_t to = 0;  // 0 = the head; heads are compared only when the range ends there
    // Marks of this lane, by position; they are compared when from is 1.
    std::vector<Mark> known{};
    // Asked between pages: true stops with std::runtime_error.
    std::function<bool()> cancelled{};
};

struct LaneReport {
    std::int64_t events = 0;
    std::int64_t to = 0;  // the last position that was looked at
    crypto::Digest digest{};
    // Positions that were given up after a restore: a TailLost stands behind each.
    struct LostTail {
        std::int64_t first = 0;
        std::int64_t last = 0;
        std::string principal;
        std::string reason;
        Time at{};
    };
    std::vector<LostTail> lost_tails;
    std::vector<Problem> problems;
    std::int64_t more_problems = 0;
};

// Positions, versions against heads, times and digest of one lane, as one snapshot sees them.
// The session must not be in a transaction. Memory: one entry a stream of the lane.
LaneReport check_lane(postgres::Session& session, const std::string& service,
                      const LaneCheck& what);

struct DerivedReport {
    std::int64_t events = 0;
    std::int64_t claims = 0;
    std::int64_t work = 0;
    std::int64_t settings = 0;
    std::vector<Problem> problems;
    std::int64_t more_problems = 0;
};

// Replays `derive` over all lanes and compares the outcome with the claims, work rows and settings
// changes, as one snapshot sees them. Claims of command ids are not derived from events: they are
// checked against the commands that the events name. Memory: one entry a claim and a work row.
DerivedReport check_derived(postgres::Session& session, const std::string& service, int lanes,
                            const DeriveFn& derive, const std::function<bool()>& cancelled = {},
                            const Vault& vault = clear_vault());

}  // namespace flowstack::eventlog
