#include "tests/bench/node_peer.h"

#include <boost/json.hpp>
#include <cstdlib>
#include <stdexcept>

namespace flowstack::bench {

std::vector<std::string> node_command(const Context& context, const std::string& script,
                                      const std::vector<std::string>& arguments) {
    std::vector<std::string> command{"node", context.installed("npm/" + script)};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return command;
}

boost::json::value run_node(const Context& context, const std::string& script,
                            const std::vector<std::string>& arguments) {
    Child node(node_command(context, script, arguments), {},
               context.run_file("log/" + script + ".log"));
    const auto code = node.wait(std::chrono::minutes(10));
    auto text = node.log();
    while (!text.empty() && text.back() == '\n') text.pop_back();
    if (code != 0)
        throw std::runtime_error(script + " ended with " + std::to_string(code) + ": " + text);
    return boost::json::parse(text.substr(text.rfind('\n') + 1));
}

void install_message_db(const Context& context, const Database& database) {
    const auto line = context.peer_file("message_db.sh") + " '" + database.admin_url() + "' '" +
                      context.installed("npm/node_modules/@eventide/message-db/database") + "' >" +
                      context.run_file("log/message-db.log") + " 2>&1";
    if (std::system(line.c_str()) != 0)
        throw std::runtime_error("message-db does not install; see log/message-db.log");
}

}  // namespace flowstack::bench
