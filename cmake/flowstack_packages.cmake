# Every outside package in one place, so that a target names what it needs and nothing else.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(Protobuf REQUIRED)
find_package(absl REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(ICU REQUIRED COMPONENTS uc)
find_package(Boost 1.81 REQUIRED COMPONENTS json)

# Not by pkg-config, which takes a second for each of the dozen questions that CMake asks it about gRPC.
find_package(gRPC REQUIRED CONFIG) # brings re2::re2
# RE2's -pthread defines _REENTRANT, which the precompiled headers were not compiled with; glibc needs
# neither.
set_property(TARGET re2::re2 PROPERTY INTERFACE_COMPILE_OPTIONS "")
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(LIBPQXX REQUIRED IMPORTED_TARGET libpqxx)
pkg_check_modules(RDKAFKA REQUIRED IMPORTED_TARGET rdkafka)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(SIMDJSON REQUIRED IMPORTED_TARGET simdjson)
find_package(prometheus-cpp REQUIRED COMPONENTS core)
find_package(rapidcheck REQUIRED CONFIG)
find_library(GRPC_REFLECTION_LIBRARY grpc++_reflection REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

find_program(CCACHE ccache)
if(CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
find_program(MOLD mold)
if(MOLD)
    add_link_options(-fuse-ld=mold)
endif()
