# flowstack_target(<kind> <name> SOURCES ... [DEPS ...] [LABEL ...] [TIMEOUT seconds])
#
#   kind   library | program | test
#   name   library: `eventlog` becomes target flowstack_eventlog, alias flowstack::eventlog
#   LABEL  tests only: unit | integration | e2e | robustness
#
# The one helper that declares every target. A `*_domain` library may link flowstack::core,
# flowstack::text and other domains only: SQL, Kafka or gRPC in a rule must not build.
set(FLOWSTACK_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                       -Wnon-virtual-dtor -Woverloaded-virtual -Wno-missing-field-initializers)
# The compiler of the everyday build is the judge.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND FLOWSTACK_WARNINGS -Werror)
    if(FLOWSTACK_UNITS)
        # g++ takes the anonymous namespaces of a file that a unit includes for those of a header.
        list(APPEND FLOWSTACK_WARNINGS -Wno-subobject-linkage)
    endif()
endif()

# Sanitized tests are several times slower.
set(FLOWSTACK_TEST_TIMEOUT_FACTOR 1 CACHE STRING "multiplies the time that every test has")

# A test runs for seconds; the libraries that it links are optimised as everywhere. Tests took half of
# a build's time with the product's options.
set(FLOWSTACK_TEST_OPTIMIZATION "-O0" CACHE STRING "compiler option of tests, after the build's own")

# What a target of this kind is optimised as: product or test.
function(flowstack_optimization_of kind result)
    set(${result} product PARENT_SCOPE)
    if(kind STREQUAL "test" AND NOT FLOWSTACK_SANITIZERS)
        set(${result} test PARENT_SCOPE)
    endif()
endfunction()

function(flowstack_target kind name)
    cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "SOURCES;DEPS" ${ARGN})
    if(ARG_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "flowstack_target(${name}): unknown arguments ${ARG_UNPARSED_ARGUMENTS}")
    endif()

    # The files of a domain are light, and each has its own Answer and Events. Those of a test have
    # helpers of the same names.
    set(sources ${ARG_SOURCES})
    if(NOT kind STREQUAL "test" AND NOT name MATCHES "_domain$")
        flowstack_units(sources ${name} 8 ${ARG_SOURCES})
    endif()

    if(kind STREQUAL "library")
        set(target flowstack_${name})
        if(name MATCHES "_domain$")
            foreach(dep IN LISTS ARG_DEPS)
                if(NOT dep MATCHES "^flowstack::(core|text|[a-z_]+_domain)$")
                    message(FATAL_ERROR "${name} links ${dep}: a domain links flowstack::core, flowstack::text and domains only")
                endif()
            endforeach()
        endif()
        add_library(${target} STATIC ${sources})
        add_library(flowstack::${name} ALIAS ${target})
        target_link_libraries(${target} PUBLIC ${ARG_DEPS})
    elseif(kind STREQUAL "program")
        set(target ${name})
        add_executable(${target} ${sources})
        target_link_libraries(${target} PRIVATE ${ARG_DEPS})
    elseif(kind STREQUAL "test")
        set(target ${name})
        add_executable(${target} ${sources})
        target_link_libraries(${target} PRIVATE ${ARG_DEPS} gtest gmock gtest_main)
        if(NOT ARG_TIMEOUT)
            set(ARG_TIMEOUT 300)
        endif()
        math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * ${FLOWSTACK_TEST_TIMEOUT_FACTOR}")
        add_test(NAME ${name} COMMAND ${target})
        set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABEL}" TIMEOUT ${ARG_TIMEOUT})
        # All tests of a label, for builds that want no more than these.
        if(NOT TARGET tests_${ARG_LABEL})
            add_custom_target(tests_${ARG_LABEL})
        endif()
        add_dependencies(tests_${ARG_LABEL} ${name})
    else()
        message(FATAL_ERROR "flowstack_target: kind is library, program or test, not '${kind}'")
    endif()

    target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR})
    flowstack_optimization_of(${kind} optimization)
    string(TOUPPER ${optimization} optimization_key)
    target_compile_options(${target} PRIVATE ${FLOWSTACK_WARNINGS} ${FLOWSTACK_${optimization_key}_OPTIMIZATION})
    if(NOT kind STREQUAL "program")
        flowstack_use_precompiled(${target} ${optimization} ${ARG_DEPS})
    endif()
endfunction()
