# Writes OUT, a C++ file with the bytes of DOCUMENT, which GET /openapi.json answers.
#   cmake -DOUT=… -DDOCUMENT=docs/api/openapi.json -P embed_openapi.cmake
file(READ "${DOCUMENT}" text)
string(FIND "${text}" ")openapi\"" end_mark)
if(NOT end_mark EQUAL -1)
    message(FATAL_ERROR "${DOCUMENT} holds )openapi\", which ends a raw string")
endif()
file(WRITE "${OUT}" "// Made by embed_openapi.cmake from docs/api/openapi.json.\n"
    "#include \"services/gateway/rest/openapi_document.h\"\n\n"
    "namespace flowstack::gateway {\n\n"
    "std::string_view openapi_document() {\n    return R\"openapi(")
file(APPEND "${OUT}" "${text}")
file(APPEND "${OUT}" ")openapi\";\n}\n\n}  // namespace flowstack::gateway\n")
