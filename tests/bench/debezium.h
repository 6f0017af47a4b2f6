#pragma once

#include <memory>
#include <string>

#include "tests/bench/bench.h"

// Kafka Connect standalone with Debezium's PostgreSQL connector and its outbox EventRouter.
namespace flowstack::bench {

// wal_level=logical for as long as this lives; the server is started again for it, twice.
class LogicalWal {
public:
    explicit LogicalWal(const Context& context);
    ~LogicalWal();
    LogicalWal(const LogicalWal&) = delete;

private:
    const Context& context_;
};

// `go_on`: from where the last one that was stopped had come.
std::unique_ptr<Child> start_debezium(const Context& context, const std::string& database,
                                      const std::string& slot, bool go_on);

}  // namespace flowstack::bench
