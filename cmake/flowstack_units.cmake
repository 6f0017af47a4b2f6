# Most of the time of a source file goes into the headers that it includes and the templates that it
# instantiates, so the sources of a target are compiled a few at a time: a generated file includes
# them one after the other. This halves what a whole build costs. Two sources of a target can then
# not use one name for different things outside of a class, even in anonymous namespaces.
#
# CMake's own UNITY_BUILD writes absolute paths into these files, which ccache takes for another
# content in every checkout.
option(FLOWSTACK_UNITS "compile the sources of a target a few at a time" ON)

# flowstack_units(<variable> <target> <files at once> <source>...)
#
# Sets the variable to what is to be compiled in place of the sources. Sources are paths below the
# current folder or below a folder that the target includes. FLOWSTACK_UNIT_BEFORE and _AFTER
# may hold lines to be written before and after each of them; @N@ is a number of each.
function(flowstack_units result target at_once)
    # A file that a rule of the target makes must stay a source of its own.
    set(sources ${ARGN})
    set(files ${ARGN})
    list(FILTER sources EXCLUDE REGEX "^/")
    list(FILTER files INCLUDE REGEX "^/")
    list(LENGTH sources count)
    if(NOT FLOWSTACK_UNITS OR count LESS 2)
        set(${result} ${ARGN} PARENT_SCOPE)
        return()
    endif()
    # Units of about the same size, so that the last one does not keep a build waiting.
    math(EXPR units "(${count} + ${at_once} - 1) / ${at_once}")
    set(at 0)
    foreach(unit RANGE 1 ${units})
        math(EXPR end "${count} * ${unit} / ${units}")
        set(text "")
        while(at LESS end)
            list(GET sources ${at} source)
            if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${source})
                file(RELATIVE_PATH source ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${source})
            endif()
            string(APPEND text "${FLOWSTACK_UNIT_BEFORE}#include \"${source}\"\n${FLOWSTACK_UNIT_AFTER}")
            string(REPLACE "@N@" "${at}" text "${text}")
            math(EXPR at "${at} + 1")
        endwhile()
        set(file ${CMAKE_CURRENT_BINARY_DIR}/${target}_${unit}.cc)
        file(CONFIGURE OUTPUT ${file} CONTENT "${text}" @ONLY)
        list(APPEND files ${file})
    endforeach()
    set(${result} ${files} PARENT_SCOPE)
endfunction()
