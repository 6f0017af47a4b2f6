#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <vector>

#include "tests/bench/bench.h"

// Peers that run in Node.js, from tests/bench/peers with what npm installed for them.
namespace flowstack::bench {

// node <script> <arguments>; npm's folder is where the script's copy lives.
std::vector<std::string> node_command(const Context& context, const std::string& script,
                                      const std::vector<std::string>& arguments);

// Runs it to its end; its last line is JSON. Throws with its output otherwise.
boost::json::value run_node(const Context& context, const std::string& script,
                            const std::vector<std::string>& arguments);

// The package's SQL files in the order of its own install script.
void install_message_db(const Context& context, const Database& database);

}  // namespace flowstack::bench
