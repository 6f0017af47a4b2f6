#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "tools/flowctl/context.h"

// Rows of data in the form that was asked for with -o. A table is for people: aligned, times in
// UTC, no line longer than the terminal. The others are for programs, and nothing is left out of
// them.
namespace flowstack::flowctl {

struct Column {
    std::string title;  // "PAID (UTC)"; in csv and generic JSON "paid", spaces as _
    bool right = false;
    bool flexible = false;  // in a table cut to what the line has room for, 100 off a terminal
};

struct Row {
    std::vector<std::string> cells;
    // The whole thing for -o json and jsonl; empty: made of the cells.
    std::string json{};
};

class Sheet {
public:
    explicit Sheet(std::vector<Column> columns) : columns_(std::move(columns)) {}
    void add(std::vector<std::string> cells, std::string json = "") {
        rows_.push_back({std::move(cells), std::move(json)});
    }
    std::size_t size() const { return rows_.size(); }
    const std::vector<Column>& columns() const { return columns_; }
    const std::vector<Row>& rows() const { return rows_; }

private:
    std::vector<Column> columns_;
    std::vector<Row> rows_;
};

// width: columns of a line, 0 = as many as it takes.
void write(std::ostream& out, const Sheet& sheet, Format format, std::size_t width = 0);
// On stdout, as wide as the terminal. An empty table says "no <what>" on stderr.
void print(const Sheet& sheet, Format format, const std::string& what);

// One thing: names and values under each other, or its JSON.
struct Fact {
    std::string name;
    std::string value;
};
void print_facts(const std::vector<Fact>& facts, const std::string& json, Format format);

// At most `width` columns of a terminal (common/text/width.h), with … for what is left out. Line
// breaks become ⏎.
std::string fitted(const std::string& text, std::size_t width);

// "2026-11-21 05:31:04.123", empty for 0.
std::string utc(std::int64_t unix_us);
std::string utc_seconds(std::int64_t unix_s);

// 150000, "KES" → "KES 1,500.00".
std::string amount_text(std::int64_t minor_units, const std::string& currency);

// stdout's width when it is a terminal, else 0.
std::size_t terminal_width();

}  // namespace flowstack::flowctl
