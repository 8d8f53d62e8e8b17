# Compiler flags shared by every target of the project.

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # pch_defines and time_macros let ccache reuse objects that were built with a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${CCACHE_PROGRAM})
endif()

add_library(sightline_warnings INTERFACE)
add_library(sightline::warnings ALIAS sightline_warnings)
# Designated initialisers leave out fields on purpose: their defaults are in the struct.
target_compile_options(sightline_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow
                       -Wnon-virtual-dtor -Wold-style-cast -Wcast-qual
                       -Wno-missing-field-initializers -Werror=switch
                       $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
if(SIGHTLINE_WERROR)
  target_compile_options(sightline_warnings INTERFACE -Werror)
endif()

# GCC collects its garbage each time its heap has grown by a third: with the memory of a large file
# from the start, compiling one takes a seventh less time.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options(--param=ggc-min-heapsize=400000)
endif()

# A program loads only the libraries that it calls.
add_link_options(-Wl,--as-needed)

# gold links a test in a quarter of the time that the default linker takes.
if(SIGHTLINE_TESTS AND NOT SIGHTLINE_SANITIZE AND NOT SIGHTLINE_FUZZERS)
  find_program(GOLD_LINKER ld.gold)
  if(GOLD_LINKER)
    add_link_options(-fuse-ld=gold)
  endif()
endif()

if(SIGHTLINE_SANITIZE)
  add_compile_options(-fsanitize=${SIGHTLINE_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${SIGHTLINE_SANITIZE})
  # GCC's instrumentation makes it see uninitialised values in the standard library (GCC bug 105562).
  target_compile_options(sightline_warnings INTERFACE
                         $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()

if(SIGHTLINE_FUZZERS)
  # Coverage of our own code; the targets link -fsanitize=fuzzer themselves. Best together with
  # SIGHTLINE_SANITIZE=address,undefined.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(SIGHTLINE_UNITY)
  # Programs like libraries: GCC takes no precompiled header that was made for the other kind of code.
  set(CMAKE_CXX_COMPILE_OPTIONS_PIE ${CMAKE_CXX_COMPILE_OPTIONS_PIC})
endif()

# `sightline_module_folder(core out)`: the folder of a module below the source root.
function(sightline_module_folder module out)
  if(EXISTS ${CMAKE_SOURCE_DIR}/src/${module}/CMakeLists.txt)
    set(${out} src/${module} PARENT_SCOPE)
  else()
    set(${out} ${module} PARENT_SCOPE)
  endif()
endfunction()

# `sightline_batch(target [PLAIN] a.cpp b.cpp ...)`: adds sources that are compiled as one file, which
# parses headers and instantiates templates once for all of them. They share what is declared at
# namespace scope, in unnamed namespaces too. A file with options or definitions of its own is compiled
# alone. PLAIN: without the target's precompiled header.
function(sightline_batch target)
  cmake_parse_arguments(arg "PLAIN" "" "" ${ARGN})
  set(files ${arg_UNPARSED_ARGUMENTS})
  target_sources(${target} PRIVATE ${files})
  if(arg_PLAIN)
    set_source_files_properties(${files} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  endif()
  if(SIGHTLINE_UNITY)
    list(GET files 0 first)
    get_filename_component(name ${first} NAME_WE)
    if(arg_PLAIN)
      set_source_files_properties(
        ${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/${target}.dir/Unity/unity_${name}_cxx.cxx
        PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
    endif()
    set_source_files_properties(${files} PROPERTIES UNITY_GROUP ${name})
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
    # A .cpp that the compiler takes for a header may have members of a type in an unnamed namespace.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()

# What nearly every file of a module reads: half of the time that compiling one takes.
function(sightline_precompile target)
  target_precompile_headers(${target} PRIVATE
    <algorithm> <chrono> <functional> <map> <memory> <mutex> <optional> <string> <unordered_map>
    <variant> <vector> <nlohmann/json.hpp>)
endfunction()
