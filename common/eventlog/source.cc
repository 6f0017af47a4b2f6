#include "common/eventlog/source.h"

#include "common/eventlog/store.h"

namespace flowstack::eventlog {
namespace {

class OwnSource final : public Source {
public:
    explicit OwnSource(Store& store) : store_(store) {}
    std::vector<std::int64_t> heads() override { return store_.heads(); }
    std::vector<Recorded> read(int lane, std::int64_t from, std::int64_t to, int limit) override {
        return store_.read_lane(lane, from, to, limit, Store::Personal::as_stored);
    }

private:
    Store& store_;
};

}  // namespace

std::shared_ptr<Source> own_source(Store& store) { return std::make_shared<OwnSource>(store); }

}  // namespace flowstack::eventlog
