#include "tests/bench/sandbox_record.h"

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>

namespace flowstack::bench {

namespace json = boost::json;

std::int64_t record_end(const Context& context) {
    std::error_code none;
    const auto size =
        std::filesystem::file_size(context.environment.required("SANDBOX_RECORD"), none);
    return none ? 0 : static_cast<std::int64_t>(size);
}

std::int64_t read_record(const Context& context, std::int64_t from, const std::string& number,
                         const std::function<void(const std::string&, const json::object&)>& each) {
    std::ifstream file(context.environment.required("SANDBOX_RECORD"));
    file.seekg(from);
    for (std::string text; std::getline(file, text);) {
        if (file.eof()) break;  // its end is still being written
        from += static_cast<std::int64_t>(text.size()) + 1;
        // Most lines are status webhooks, which nobody here asks for.
        if (text.find(R"("send_accepted")") == std::string::npos &&
            text.find(R"("customer_said")") == std::string::npos)
            continue;
        const auto line = json::parse(text).as_object();
        const auto& whose = line.at("phone_number_id").as_string();
        if (std::string_view(whose) != number) continue;
        each(std::string(line.at("kind").as_string()), line);
    }
    return from;
}

}  // namespace flowstack::bench
