#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <iostream>
#include <sstream>

#include "common/core/version.h"
#include "tools/flowctl/context.h"

// manual: flowctl(1) as roff, made from the commands as they are.
namespace flowstack::flowctl {
namespace {

// As wide as `mandoc -T lint` takes a line of input.
constexpr std::size_t kRoffLineMax = 78;

// As roff prints it: a backslash is an order to it, a dash may become a hyphen, and what is not
// ASCII is named by its number, whatever the machine that shows the page takes bytes for.
std::string roff(const std::string& utf8) {
    std::string out;
    for (std::size_t at = 0; at < utf8.size();) {
        const auto first = static_cast<unsigned char>(utf8[at]);
        const std::size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
        if (length == 1) {
            if (first == '\\')
                out += "\\e";
            else if (first == '-')
                out += "\\-";
            else
                out += first == '\n' ? ' ' : static_cast<char>(first);
        } else {
            unsigned code = first & (0x7FU >> length);
            for (std::size_t i = 1; i < length && at + i < utf8.size(); ++i)
                code = code << 6U | (static_cast<unsigned char>(utf8[at + i]) & 0x3FU);
            std::array<char, 16> name{};
            std::snprintf(name.data(), name.size(), "\\[u%04X]", code);
            out += name.data();
        }
        at += length;
    }
    return out;
}

// A paragraph, on lines of input that are not too long. A line that begins with a dot or an
// apostrophe would be an order.
std::string paragraph(const std::string& text) {
    std::istringstream words(roff(text));
    std::string lines, line;
    for (std::string word; words >> word;) {
        if (!line.empty() && line.size() + 1 + word.size() > kRoffLineMax) {
            lines += line + "\n";
            line.clear();
        }
        if (line.empty())
            line = (word.front() == '.' || word.front() == '\'' ? "\\&" : "") + word;
        else
            line += " " + word;
    }
    return lines + line + "\n";
}

// In one argument of a macro.
std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (const char c : roff(text)) out += c == '"' ? "\"\"" : std::string(1, c);
    return out + "\"";
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() != 0; }

// "TENANT" of an option; CLI11 names types by itself where nothing was said.
std::string value_word(const CLI::Option& option) {
    auto word = option.get_option_text();
    if (const auto bracket = word.find(" ["); bracket != std::string::npos) word.erase(bracket);
    return word.empty() ? option.get_type_name() : word;
}

std::string synopsis(const CLI::App& command, const std::string& path) {
    std::string line = "flowctl " + path;
    for (const auto* option : command.get_options([](const CLI::Option*) { return true; })) {
        if (!option->get_positional()) continue;
        std::string word = "<" + option->get_name(true) + ">";
        if (option->get_items_expected_max() > 1) word += "...";
        line += option->get_required() ? " " + word : " [" + word + "]";
    }
    return line;
}

void print_options(const CLI::App& command) {
    for (const auto* option : command.get_options([](const CLI::Option*) { return true; })) {
        if (option->get_positional() || option->get_lnames().empty()) continue;
        // Every command has it.
        if (option == command.get_help_ptr() && command.get_parent()) continue;
        std::string names;
        for (const auto& name : option->get_snames()) names += "-" + name + ", ";
        names += "--" + option->get_lnames().front();
        std::cout << ".TP\n.B " << roff(names);
        if (takes_value(*option)) std::cout << " \\fI" << roff(value_word(*option)) << "\\fR";
        std::cout << "\n"
                  << paragraph(option->get_description() +
                               (option->get_required() ? " (required)" : ""));
    }
}

// Positional words that say more than their name.
void print_words(const CLI::App& command) {
    for (const auto* option : command.get_options([](const CLI::Option*) { return true; }))
        if (option->get_positional() && !option->get_description().empty())
            std::cout << ".TP\n.I " << roff(option->get_name(true)) << "\n"
                      << paragraph(option->get_description());
}

void print_commands(const CLI::App& app, const std::string& path) {
    for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        const auto name = path + (path.empty() ? "" : " ") + command->get_name();
        const bool group = !command->get_subcommands([](const CLI::App*) { return true; }).empty();
        if (group) {
            std::cout << ".SS " << quoted(name) << "\n" << paragraph(command->get_description());
            print_commands(*command, name);
            continue;
        }
        std::cout << ".PP\n.B " << roff(synopsis(*command, name)) << "\n.RS 4\n"
                  << paragraph(command->get_description());
        print_words(*command);
        print_options(*command);
        std::cout << ".RE\n";
    }
}

const std::pair<int, const char*> kCodes[] = {
    {kOk, "done"},
    {kUnexpected, "unexpected"},
    {kUsage, "usage"},
    {kMismatch, "the verification found something"},
    {kNotFound, "not found"},
    {kConflict, "conflict"},
    {kPermission, "permission"},
    {kUnavailable, "unavailable"},
    {kPartial, "partly done"},
    {kInterrupted, "interrupted"},
};

void print_manual(const CLI::App& app) {
    std::cout << ".\\\" made by `flowctl manual`\n"
              << ".TH FLOWCTL 1 \"\" " << quoted("FlowStack " + std::string(version())) << " "
              << quoted("FlowStack") << "\n"
              << ".SH NAME\nflowctl \\- " << roff(app.get_description()) << "\n"
              << ".SH SYNOPSIS\n.B flowctl\n[\\fIoptions\\fR] \\fIcommand\\fR [\\fIverb\\fR] "
                 "[\\fIwords\\fR]\n"
              << ".SH DESCRIPTION\n"
              << paragraph(
                     "Data goes to stdout, words to stderr. Where the stack is comes from the "
                     "environment (GATEWAY_GRPC and so on), else from the env file of the run "
                     "directory (.run/env, or FLOWSTACK_RUN_DIR), else from --env-file. Names may "
                     "be short: 'orders get 7' is tenants/<tenant>/orders/7, with --tenant, "
                     "FLOWSTACK_TENANT, or the only tenant that there is. Times are UTC.")
              << ".SH OPTIONS\nThey may stand anywhere on the line.\n";
    print_options(app);
    std::cout << ".SH COMMANDS\n"
              << paragraph(
                     "Each command prints its own options with --help. What ends or stops "
                     "something takes --dry-run, what only shows something --watch.");
    print_commands(app, "");
    std::cout << ".SH \"EXIT STATUS\"\n";
    for (const auto& [code, words] : kCodes)
        std::cout << ".TP\n.B " << code << "\n" << paragraph(words);
    std::cout << ".SH ENVIRONMENT\n"
              << ".TP\n.B FLOWSTACK_TENANT\n"
              << paragraph("whose, where no --tenant is given") << ".TP\n.B FLOWSTACK_RUN_DIR\n"
              << paragraph("the run directory, default .run") << ".TP\n.B USER\n"
              << paragraph("who changes what is changed from here");
}

}  // namespace

void add_manual_command(CLI::App& app, Context& context) {
    auto* command = app.add_subcommand(
        "manual", "this page as roff: flowctl manual > flowctl.1; man ./flowctl.1");
    command->callback([&app, &context] {
        context.run = [&app] {
            print_manual(app);
            return kOk;
        };
    });
}

}  // namespace flowstack::flowctl
