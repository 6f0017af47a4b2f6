#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/eventlog/consumption.h"
#include "common/eventlog/consumption/cursors.h"
#include "common/eventlog/consumption/item.h"
#include "common/eventlog/store.h"
#include "common/eventlog/turn.h"
#include "common/postgres/session.h"

namespace flowstack::eventlog::consuming {

// Applies events: asks the handlers, and writes cursors, documents, parked events and the append in
// one transaction. One thread.
class Batches {
public:
    Batches(Store& store, const ConsumptionOptions& options, postgres::Session& session,
            Cursors& cursors)
        : store_(store), options_(options), session_(session), cursors_(cursors) {}

    Consumption::Handler react;
    Consumption::Handler project;
    Consumption::Preparation prepare;
    std::atomic<bool> stopping{false};

    // Applies the items that come next in their lanes; a refused batch is halved. Returns when all
    // of it counts or is not ours any more. An event that fails too often alone is parked.
    void apply(const std::vector<Item>& items);

    // Applies one parked event. Empty when it worked, else the reason why it did not. Throws
    // Unavailable.
    std::string release(const Item& item);

    // Writes the documents and cursors that have waited long enough.
    void save();
    // When `save` or `refresh` has something to do.
    std::chrono::steady_clock::time_point due() const;
    // Empties the memory before lanes come or go. What cannot be written now is applied again
    // later.
    void put_away();
    // Reads the cursors again when another replica may have moved them.
    void refresh();

    // Called after each batch that counts, and when one waits.
    std::function<void()> on_progress;

private:
    enum class Fault { cursor_moved, refused, in_the_way, server_is_out, lane_refuses, its_own };

    static Fault fault_of(const postgres::SqlError& error);
    void apply(std::span<const Item* const> given);
    void halve(Attempt& attempt, std::span<const Item* const> items);
    void prepare_for(std::span<const Item* const> items, Attempt& attempt);
    void decide(const Item& item, Attempt& attempt, const std::optional<Verdict>& refusal);
    void commit(Attempt& attempt);
    void write(Attempt& attempt, std::vector<postgres::Session::Statement> statements);
    void save_now();

    Store& store_;
    const ConsumptionOptions& options_;
    postgres::Session& session_;
    Cursors& cursors_;
    DocumentCache documents_;
    std::chrono::steady_clock::time_point unsaved_since_{};
    bool must_reload_ = false;
};

}  // namespace flowstack::eventlog::consuming
