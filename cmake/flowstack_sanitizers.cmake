# For the presets asan-ubsan, tsan and fuzz. The generated wire formats are not instrumented, as the
# libraries of Debian are not either: they come from the everyday build (FLOWSTACK_PROTO_FROM), which
# saves a hundred files.
set(FLOWSTACK_SANITIZERS "" CACHE STRING "address,undefined or thread")
set(FLOWSTACK_FUZZ OFF CACHE BOOL "build the program of libFuzzer (clang) instead of the replay")

if(FLOWSTACK_SANITIZERS)
    # GCC's own headers look uninitialised to it when they are instrumented.
    add_compile_options(-fsanitize=${FLOWSTACK_SANITIZERS} -fno-sanitize-recover=all
                        $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
    add_link_options(-fsanitize=${FLOWSTACK_SANITIZERS})
    if(FLOWSTACK_SANITIZERS MATCHES "thread")
        # Fences that ThreadSanitizer does not know are Boost's and gRPC's.
        add_compile_options(-Wno-tsan)
        include_directories(BEFORE ${CMAKE_SOURCE_DIR}/tests/sanitizers/tsan)
    endif()
endif()
