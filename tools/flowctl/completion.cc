#include <CLI/CLI.hpp>
#include <iostream>

#include "tools/flowctl/context.h"

// completion bash|zsh|fish: scripts made from the commands as they are.
namespace flowstack::flowctl {
namespace {

struct Level {
    std::string path;                                        // "" or "events" or "events list"
    std::vector<std::pair<std::string, std::string>> words;  // with what they mean
};

void collect(const CLI::App& app, const std::string& path, std::vector<Level>& levels) {
    Level level{path, {}};
    for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        level.words.emplace_back(command->get_name(), command->get_description());
        collect(*command, path + (path.empty() ? "" : " ") + command->get_name(), levels);
    }
    for (const auto* option : app.get_options([](const CLI::Option*) { return true; })) {
        for (const auto& name : option->get_lnames())
            level.words.emplace_back("--" + name, option->get_description());
    }
    levels.push_back(std::move(level));
}

// The longest known path that the words typed so far begin with, then its words.
void print_bash(const std::vector<Level>& levels) {
    std::cout << "_flowctl() {\n"
                 "    local path='' word words='' i\n"
                 "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                 "        word=${COMP_WORDS[i]}\n"
                 "        [[ $word == -* ]] || path+=\"${path:+ }$word\"\n"
                 "    done\n"
                 "    while :; do\n"
                 "        case $path in\n";
    for (const auto& level : levels) {
        std::cout << "            '" << level.path << "') words='";
        for (const auto& [word, help] : level.words) std::cout << word << " ";
        std::cout << "' ;;\n";
    }
    std::cout
        << "            *)\n"
           "                if [[ $path == *' '* ]]; then path=${path% *}; else path=''; fi\n"
           "                continue\n"
           "                ;;\n"
           "        esac\n"
           "        break\n"
           "    done\n"
           "    case ${COMP_WORDS[COMP_CWORD-1]} in\n"
           "        -o | --output) words='table json jsonl csv' ;;\n"
           "        -s | --service) words='gateway conversation payment followup campaign' ;;\n"
           "        --env-file | --notebook | --migrations | --file | --token-file | --document | "
           "--tls-ca | --tls-cert | --tls-key) "
           "COMPREPLY=($(compgen -f -- "
           "\"${COMP_WORDS[COMP_CWORD]}\")); return ;;\n"
           "    esac\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
           "}\n"
           "complete -F _flowctl flowctl\n";
}

std::string in_quotes(const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? "\\'" : std::string(1, c);
    return out + "'";
}

void print_fish(const std::vector<Level>& levels) {
    std::cout << "complete -c flowctl -f\n";
    for (const auto& level : levels) {
        std::string seen = "__fish_use_subcommand";
        if (!level.path.empty()) {
            seen.clear();
            std::string word;
            for (const char c : level.path + " ") {
                if (c != ' ') {
                    word += c;
                    continue;
                }
                seen += (seen.empty() ? "" : "; and ") + ("__fish_seen_subcommand_from " + word);
                word.clear();
            }
        }
        for (const auto& [word, help] : level.words) {
            const bool option = word.starts_with("--");
            std::cout << "complete -c flowctl -n " << in_quotes(seen)
                      << (option ? " -l " + word.substr(2) : " -a " + word) << " -d "
                      << in_quotes(help) << "\n";
        }
    }
}

}  // namespace

void add_completion_command(CLI::App& app, Context& context) {
    const auto shell = std::make_shared<std::string>();
    auto* command = app.add_subcommand(
        "completion", "a script for your shell: source <(flowctl completion bash)");
    command->add_option("shell", *shell, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}));
    command->callback([&app, &context, shell] {
        context.run = [&app, shell] {
            std::vector<Level> levels;
            collect(app, "", levels);
            if (*shell == "fish") {
                print_fish(levels);
                return kOk;
            }
            // zsh reads bash's scripts once it is told how.
            if (*shell == "zsh") std::cout << "autoload -U +X bashcompinit && bashcompinit\n";
            print_bash(levels);
            return kOk;
        };
    });
}

}  // namespace flowstack::flowctl
