#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
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

    // The queues of these lanes in which a row is due. It goes from one kind of row to the next by
    // the index, so its cost grows with the lanes and with the queues that hold something, not with
    // the number of channels or of rows.
    struct DueQueue {
        int lane = 0;
        int priority = 0;
        std::string tenant;
        ChannelId channel_id;
    };
    std::vector<DueQueue> due_queues(std::span<const std::int32_t> lanes);

    // Rows that are due, at most `room` of each queue, the oldest first.
    struct Wanted {
        int lane = 0;
        ChannelId channel_id;
        int priority = 0;
        int room = 0;
        const std::set<MessageId>* in_memory = nullptr;  // rows that are not read again
    };
    struct Row {
        std::size_t queue = 0;  // its place in `wanted`
        MessageId message_id;
        WorkRef ref;
    };
    std::vector<Row> due_rows(std::span<const Wanted> wanted);

private:
    postgres::Session session_;
};

}  // namespace flowstack::gateway
