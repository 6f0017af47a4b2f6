#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/eventlog/store.h"
#include "common/eventlog/turn.h"

// Lists of documents, for the RPCs. Newest first. A page token is opaque and signed.
namespace flowstack::eventlog {

struct ListQuery {
    std::string tenant;  // empty: all tenants (platform operators only)
    std::string kind;
    std::string parent{};
    std::string state{};
    int page_size = 0;  // 0 = kPageSizeDefault, at most kPageSizeMax
    std::string page_token{};
};
inline constexpr int kPageSizeDefault = 50;
inline constexpr int kPageSizeMax = 500;

struct ListPage {
    std::vector<std::string> bodies;
    std::string next_page_token;
};

// The token was not made here, or it was made for another query.
struct BadPageToken : std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

class ReadModel {
public:
    ReadModel(Store& store, std::string signing_key)
        : store_(store), signing_key_(std::move(signing_key)) {}

    std::optional<std::string> get(const std::string& tenant, const std::string& kind,
                                   const std::string& id);
    ListPage list(const ListQuery& query);
    std::int64_t count(const ListQuery& query);
    // Up to which events of its sources the documents are made, "gateway=0:120,1:33;payment=2:7":
    // the position of each lane of which something was read. A list that is read afterwards has at
    // least these.
    std::string position();

    // Page tokens of lists that are not in the tables: `place` is where the next page begins, and
    // the token is good for the same `question` only ("tenants/duka/flows"). place_in throws
    // BadPageToken.
    std::string token_for(const std::string& question, const std::string& place) const;
    std::string place_in(const std::string& question, const std::string& token) const;

private:
    Store& store_;
    std::string signing_key_;
};

}  // namespace flowstack::eventlog
