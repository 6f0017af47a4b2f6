# Writes OUT, a C++ file with the files of page/ as character arrays.
#   cmake -DOUT=… -DPAGE=<folder> -P embed_page.cmake
set(code "// Made by embed_page.cmake from services/sandbox/page.\n")
string(APPEND code "#include \"services/sandbox/page_files.h\"\n\n#include <array>\n\n")
string(APPEND code "namespace flowstack::sandbox {\nnamespace {\n\n")
set(table "")
set(count 0)
foreach(entry "/|index.html|text/html; charset=utf-8"
              "/page/phone.css|phone.css|text/css; charset=utf-8"
              "/page/phone.js|phone.js|text/javascript; charset=utf-8"
              "/page/icon.svg|icon.svg|image/svg+xml")
    string(REPLACE "|" ";" parts "${entry}")
    list(GET parts 0 path)
    list(GET parts 1 file)
    # A content type may have a semicolon of its own, so the rest of the list is one value.
    list(SUBLIST parts 2 -1 type_parts)
    list(JOIN type_parts ";" type)
    file(READ "${PAGE}/${file}" hex HEX)
    string(LENGTH "${hex}" digits)
    math(EXPR size "${digits} / 2")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
    string(REGEX REPLACE "(..................................................................................................)" "\\1\n    " bytes "${bytes}")
    string(APPEND code "constexpr char kFile${count}[] = {\n    ${bytes}'\\0'};\n\n")
    string(APPEND table "    PageFile{\"${path}\", \"${type}\", {kFile${count}, ${size}}},\n")
    math(EXPR count "${count} + 1")
endforeach()
string(APPEND code "constexpr std::array<PageFile, ${count}> kFiles{{\n${table}}};\n\n}  // namespace\n\n")
string(APPEND code "const PageFile* page_file(std::string_view path) {\n")
string(APPEND code "    for (const PageFile& file : kFiles) {\n        if (file.path == path) return &file;\n    }\n    return nullptr;\n}\n\n")
string(APPEND code "}  // namespace flowstack::sandbox\n")
file(WRITE "${OUT}" "${code}")
