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

# A program loads only the libraries that it calls.
add_link_options(-Wl,--as-needed)

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

# `sightline_module_folder(core out)`: the folder of a module below the source root.
function(sightline_module_folder module out)
  if(EXISTS ${CMAKE_SOURCE_DIR}/src/${module}/CMakeLists.txt)
    set(${out} src/${module} PARENT_SCOPE)
  else()
    set(${out} ${module} PARENT_SCOPE)
  endif()
endfunction()

# What nearly every file of a module reads: half of the time that compiling one takes.
function(sightline_precompile target)
  target_precompile_headers(${target} PRIVATE
    <algorithm> <chrono> <functional> <map> <memory> <mutex> <optional> <string> <unordered_map>
    <variant> <vector> <nlohmann/json.hpp>)
endfunction()
