# Four sets of precompiled headers, each compiled once and shared by every target of its kind. They
# hold headers of the standard library, Protobuf, gRPC and GoogleTest only, which no change of ours
# touches. They save about a third of the time that a build takes.
#
#   std          libraries that do not link Protobuf       wire         libraries that do
#   std_test     tests of the first                        wire_test    tests of the others
#
# A set is valid only for targets that are compiled with the same options.
option(FLOWSTACK_PRECOMPILED "precompile the headers of the outside libraries" ON)

# g++ 12 warns about code of its own library that it inlines; normally it keeps quiet about system
# headers, but not about precompiled ones. Builds without precompiled headers keep these warnings.
if(FLOWSTACK_PRECOMPILED AND NOT FLOWSTACK_SANITIZERS)
    list(APPEND FLOWSTACK_WARNINGS -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow
         -Wno-stringop-overread -Wno-maybe-uninitialized -Wno-free-nonheap-object -Wno-dangling-pointer)
endif()

# abseil's targets define it (it concerns Windows only) and its headers ask for it: a set is valid only
# where the same macros are defined.
add_compile_definitions(NOMINMAX)

function(flowstack_precompiled_set name optimization headers)
    if(NOT optimization STREQUAL "test")
        add_library(flowstack_precompiled_${name} OBJECT EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/cmake/precompiled/main.cc)
    else()
        add_executable(flowstack_precompiled_${name} EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/cmake/precompiled/main.cc)
    endif()
    set(target flowstack_precompiled_${name})
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
    string(TOUPPER ${optimization} optimization_key)
    target_compile_options(${target} PRIVATE ${FLOWSTACK_WARNINGS} ${FLOWSTACK_${optimization_key}_OPTIMIZATION})
    target_precompile_headers(${target} PRIVATE ${CMAKE_SOURCE_DIR}/cmake/precompiled/${headers})
endfunction()

# Gives a target the set of its kind. Whether it links Protobuf is passed on from target to target.
function(flowstack_use_precompiled target optimization)
    set(wire FALSE)
    foreach(dep IN LISTS ARGN)
        if(dep MATCHES "^(flowstack::proto|flowstack::proto_grpc|gRPC::grpc\\+\\+)$")
            set(wire TRUE)
        elseif(TARGET ${dep})
            get_target_property(dep_wire ${dep} FLOWSTACK_WIRE)
            if(dep_wire)
                set(wire TRUE)
            endif()
        endif()
    endforeach()
    set_target_properties(${target} PROPERTIES FLOWSTACK_WIRE ${wire})
    if(NOT FLOWSTACK_PRECOMPILED OR FLOWSTACK_SANITIZERS)
        return()
    endif()
    set(name std)
    if(wire)
        set(name wire)
    endif()
    if(NOT optimization STREQUAL "product")
        string(APPEND name _${optimization})
    endif()
    target_precompile_headers(${target} REUSE_FROM flowstack_precompiled_${name})
endfunction()

if(FLOWSTACK_PRECOMPILED AND NOT FLOWSTACK_SANITIZERS)
    foreach(headers IN ITEMS std wire)
        flowstack_precompiled_set(${headers} product ${headers}.h)
        flowstack_precompiled_set(${headers}_test test ${headers}_test.h)
    endforeach()
endif()
