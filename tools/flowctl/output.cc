#include "tools/flowctl/output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <cstdlib>
#include <iostream>

#include "common/core/money.h"
#include "common/core/time.h"
#include "common/text/width.h"

namespace flowstack::flowctl {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kFlexibleMin = 12;
// The width of a flexible column where there is no terminal to measure.
constexpr std::size_t kFlexibleMax = 100;

std::string one_line(const std::string& text) {
    std::string line;
    for (const char c : text) {
        if (c == '\n')
            line += "⏎";
        else
            line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return line;
}

// "PLACED (UTC)" → "placed".
std::string key_of(const Column& column) {
    std::string key;
    for (const char c : column.title.substr(0, column.title.find(" (")))
        key += c == ' ' || c == '-' ? '_' : static_cast<char>(std::tolower(c));
    return key;
}

std::string csv_cell(const std::string& text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    return quoted + "\"";
}

std::string json_of(const Sheet& sheet, const Row& row) {
    if (!row.json.empty()) return row.json;
    boost::json::object object;
    for (std::size_t i = 0; i < row.cells.size(); ++i)
        object[key_of(sheet.columns()[i])] = row.cells[i];
    return boost::json::serialize(object);
}

void write_csv(std::ostream& out, const Sheet& sheet) {
    const auto line = [&](const auto& cells, auto text_of) {
        for (std::size_t i = 0; i < cells.size(); ++i)
            out << (i ? "," : "") << csv_cell(text_of(cells[i]));
        out << "\n";
    };
    line(sheet.columns(), key_of);
    for (const auto& row : sheet.rows())
        line(row.cells, [](const std::string& cell) { return cell; });
}

// Widths of the columns so that a line has at most `width` characters.
std::vector<std::size_t> widths(const Sheet& sheet, std::size_t width) {
    std::vector<std::size_t> wanted;
    for (const auto& column : sheet.columns()) wanted.push_back(text::columns(column.title));
    for (const auto& row : sheet.rows())
        for (std::size_t i = 0; i < row.cells.size(); ++i)
            wanted[i] = std::max(wanted[i], text::columns(one_line(row.cells[i])));
    if (width == 0) {
        for (std::size_t i = 0; i < wanted.size(); ++i)
            if (sheet.columns()[i].flexible) wanted[i] = std::min(wanted[i], kFlexibleMax);
        return wanted;
    }
    auto sum = kGap * (wanted.size() - 1);
    for (const auto w : wanted) sum += w;
    const auto shrink = [&](std::size_t i) {
        if (sum <= width || wanted[i] <= kFlexibleMin) return;
        const auto by = std::min(sum - width, wanted[i] - kFlexibleMin);
        wanted[i] -= by;
        sum -= by;
    };
    for (std::size_t i = wanted.size(); i-- > 0;)
        if (sheet.columns()[i].flexible) shrink(i);
    return wanted;
}

void write_table(std::ostream& out, const Sheet& sheet, std::size_t width) {
    const auto room = widths(sheet, width);
    const auto line = [&](const std::vector<std::string>& cells) {
        std::string text;
        for (std::size_t i = 0; i < cells.size(); ++i) {
            const auto cell = fitted(cells[i], room[i]);
            const std::string space(room[i] - text::columns(cell), ' ');
            if (i) text += std::string(kGap, ' ');
            text += sheet.columns()[i].right ? space + cell : cell + space;
        }
        text.erase(text.find_last_not_of(' ') + 1);
        out << (width == 0 ? text : fitted(text, width)) << "\n";
    };
    std::vector<std::string> titles;
    for (const auto& column : sheet.columns()) titles.push_back(column.title);
    line(titles);
    for (const auto& row : sheet.rows()) line(row.cells);
}

}  // namespace

void write(std::ostream& out, const Sheet& sheet, Format format, std::size_t width) {
    switch (format) {
        case Format::csv:
            return write_csv(out, sheet);
        case Format::jsonl:
            for (const auto& row : sheet.rows()) out << json_of(sheet, row) << "\n";
            return;
        case Format::json: {
            const char* before = "[\n  ";
            for (const auto& row : sheet.rows()) {
                out << before << json_of(sheet, row);
                before = ",\n  ";
            }
            out << (sheet.size() == 0 ? "[]\n" : "\n]\n");
            return;
        }
        case Format::table:
            if (sheet.size() != 0) write_table(out, sheet, width);
    }
}

void print(const Sheet& sheet, Format format, const std::string& what) {
    write(std::cout, sheet, format, terminal_width());
    if (sheet.size() == 0 && format == Format::table) std::cerr << "no " << what << "\n";
}

void print_facts(const std::vector<Fact>& facts, const std::string& json, Format format) {
    if (format == Format::json || format == Format::jsonl) {
        std::cout << json << "\n";
        return;
    }
    if (format == Format::csv) {
        std::vector<Column> columns;
        std::vector<std::string> cells;
        for (const auto& fact : facts) {
            columns.push_back({fact.name});
            cells.push_back(fact.value);
        }
        Sheet sheet(std::move(columns));
        sheet.add(std::move(cells));
        return write_csv(std::cout, sheet);
    }
    std::size_t room = 0;
    for (const auto& fact : facts)
        if (!fact.value.empty()) room = std::max(room, text::columns(fact.name));
    for (const auto& fact : facts) {
        if (fact.value.empty()) continue;
        std::cout << fact.name << std::string(room - text::columns(fact.name) + kGap, ' ');
        // Further lines of a value stand below its first.
        for (std::size_t i = 0; i < fact.value.size(); ++i) {
            std::cout << fact.value[i];
            if (fact.value[i] == '\n' && fact.value[i + 1] != '\n')
                std::cout << std::string(room + kGap, ' ');
        }
        std::cout << "\n";
    }
}

std::string fitted(const std::string& text, std::size_t width) {
    auto line = one_line(text);
    return text::columns(line) <= width ? line : text::in_columns(line, width);
}

std::string utc(std::int64_t unix_us) {
    if (unix_us == 0) return "";
    constexpr std::size_t kToMillis = 23;
    auto text = to_rfc3339(from_unix_micros(unix_us));
    text.erase(text.size() - 1);  // the Z
    if (text.size() == 19) text += ".000";
    text.resize(std::min(text.size(), kToMillis));
    text[10] = ' ';
    return text;
}

std::string utc_seconds(std::int64_t unix_s) {
    return unix_s == 0 ? "" : utc(unix_s * 1'000'000).substr(0, 19);
}

std::string amount_text(std::int64_t minor_units, const std::string& code) {
    if (code.empty()) return "";
    const auto currency = parse_currency(code);
    // A currency that we do not know is shown in its smallest unit.
    if (!currency) return code + " " + std::to_string(minor_units) + " minor units";
    return format_money({minor_units, *currency});
}

std::size_t terminal_width() {
    if (!isatty(STDOUT_FILENO)) return 0;
    winsize size{};
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace flowstack::flowctl
