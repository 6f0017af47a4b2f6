#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/eventlog/types.h"

// Another service's log, read when the bus has lost or not yet brought something.
namespace flowstack::eventlog {

class Source {
public:
    virtual ~Source() = default;
    // Throws TryLater when the service is away.
    virtual std::vector<std::int64_t> heads() = 0;
    virtual std::vector<Recorded> read(int lane, std::int64_t from, std::int64_t to, int limit) = 0;
};

// Our own log, straight from the store, which must outlive it.
class Store;
std::shared_ptr<Source> own_source(Store& store);

}  // namespace flowstack::eventlog
