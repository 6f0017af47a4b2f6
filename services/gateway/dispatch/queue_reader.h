#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/core/time.h"
#include "common/postgres/session.h"
#include "services/gateway/adapters/derive.h"

// Reads the queues from the table `work`: one queue is the rows of one channel and priority. Used
// by the dispatcher's thread alone. Everything throws when the store is away.
namespace flowstack::gateway {

class QueueReader {
public:
    explicit QueueReader(const std::string& database_url);

    // The queues of these lanes that hold something, and when the first of its rows is due. It goes
    // from one kind of row to the next by the index, so its cost grows with the lanes and with the
    // queues that hold something, not with the number of channels or of rows.
    struct DueQueue {
        int lane = 0;
        int priority = 0;
        std::string tenant;
        ChannelId channel_id;
        Time due_at{};
        bool due = false;  // by the database's clock
    };
    std::vector<DueQueue> queues(std::span<const std::int32_t> lanes);

    // Rows that are due, at most `room` of each queue, the oldest first; and when the next row of
    // each queue is due that is not due yet.
    struct Wanted {
        int lane = 0;
        ChannelId channel_id;
        int priority = 0;
        int room = 0;
        std::vector<std::string> in_memory{};  // rows that are not read again
    };
    struct Row {
        std::size_t queue = 0;  // its place in `wanted`
        MessageId message_id;
        WorkRef ref;
    };
    struct Rows {
        std::vector<Row> due;
        std::vector<std::size_t> count;             // of the rows, for each of the wanted queues
        std::vector<std::optional<Time>> next_due;  // for each of the wanted queues
    };
    Rows due_rows(std::span<const Wanted> wanted);

private:
    postgres::Session session_;
};

}  // namespace flowstack::gateway
