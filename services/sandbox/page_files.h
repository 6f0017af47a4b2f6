#pragma once

#include <string_view>

namespace flowstack::sandbox {

// The phone page's files, compiled into the program by embed_page.cmake.
struct PageFile {
    std::string_view path;  // as asked for: "/", "/page/phone.css"
    std::string_view content_type;
    std::string_view body;
};

// Null when there is no such file.
const PageFile* page_file(std::string_view path);

}  // namespace flowstack::sandbox
