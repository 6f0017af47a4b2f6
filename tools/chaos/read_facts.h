#pragma once

#include <functional>
#include <string>

#include "tools/chaos/facts.h"

// Fills Facts from a running PostgreSQL and the sandbox's record file. libpq and nothing of ours.
namespace flowstack::chaos {

inline const std::vector<std::string> kLogs{"gateway", "conversation", "payment", "followup",
                                            "campaign"};

// A setting of the stack by its name, e.g. GATEWAY_MIGRATE_URL; empty when it is not set.
using Setting = std::function<std::string(const std::string& name)>;

// Reads everything. Throws std::runtime_error that says what cannot be read.
Facts read_facts(const Setting& setting, const std::string& chats_file);

// The read models of one service as its lists show them.
Documents read_documents(const Setting& setting, const std::string& service);

// What is not done yet, in words; empty: everything is read, published and done.
std::string unfinished(const Setting& setting);

}  // namespace flowstack::chaos
