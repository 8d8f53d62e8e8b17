# GoogleTest's macros have a parameter `info`, and so has the usual lambda that names the cases.
add_library(sightline_test_warnings INTERFACE)
target_link_libraries(sightline_test_warnings INTERFACE sightline::warnings)
target_compile_options(sightline_test_warnings INTERFACE -Wno-shadow)

# For the tests' own sources, which run once: optimising them takes two thirds of compiling them.
set(SIGHTLINE_TEST_FLAGS "" CACHE STRING "Compiler flags of the tests themselves")

if(SIGHTLINE_TESTS AND SIGHTLINE_UNITY)
  # What nearly every test reads, parsed once for all of them.
  add_library(sightline_test_main STATIC ${CMAKE_SOURCE_DIR}/tests/support/batch_main.cpp)
  target_link_libraries(sightline_test_main PUBLIC GTest::gmock PRIVATE sightline_json sightline::warnings)
  # LibTorch's flag: with it in all of them, one header serves tests with and without LibTorch.
  target_compile_options(sightline_test_main PRIVATE -D_GLIBCXX_USE_CXX11_ABI=1 ${SIGHTLINE_TEST_FLAGS})
  target_precompile_headers(sightline_test_main PRIVATE
    <algorithm> <chrono> <filesystem> <fstream> <functional> <map> <memory> <mutex> <optional>
    <random> <string> <thread> <vector> <gmock/gmock.h> <gtest/gtest.h> <nlohmann/json.hpp>)
endif()

# sightline_test_headers(target [TORCH]): the precompiled header of tests, or LibTorch's.
function(sightline_test_headers name)
  if(SIGHTLINE_UNITY AND "TORCH" IN_LIST ARGN)
    target_precompile_headers(${name} REUSE_FROM sightline_encoders)
  elseif("TORCH" IN_LIST ARGN)
    target_precompile_headers(${name} PRIVATE ${CMAKE_SOURCE_DIR}/encoders/nn/torch_compat.h)
  elseif(SIGHTLINE_UNITY)
    target_compile_options(${name} PRIVATE -D_GLIBCXX_USE_CXX11_ABI=1 ${SIGHTLINE_TEST_FLAGS})
    target_precompile_headers(${name} REUSE_FROM sightline_test_main)
  endif()
endfunction()

# What sightline_add_test() and sightline_test_program() do to their program.
set(test_flags TORCH)
set(test_values TIMEOUT)
set(test_lists LABELS LINK DEFINITIONS NEEDS)
function(sightline_set_up_test name)
  cmake_parse_arguments(arg "${test_flags}" "${test_values}" "${test_lists}" ${ARGN})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${arg_LINK} GTest::gmock sightline::warnings
                                        sightline_test_warnings)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE ${arg_DEFINITIONS}
                             SIGHTLINE_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data"
                             SIGHTLINE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  if(arg_NEEDS)
    add_dependencies(${name} ${arg_NEEDS})
  endif()
  if(arg_TORCH)
    sightline_test_headers(${name} TORCH)
  elseif(NOT "sightline_faiss" IN_LIST arg_LINK AND NOT "OpenMP::OpenMP_CXX" IN_LIST arg_LINK)
    sightline_test_headers(${name})  # made without OpenMP's flag, it does not serve a test that has it
  endif()
endfunction()

# What ctest knows of a test: the name of the program, or of the link to it.
function(sightline_register_test name)
  cmake_parse_arguments(arg "${test_flags}" "${test_values}" "${test_lists}" ${ARGN})
  add_test(NAME ${name} COMMAND ${CMAKE_BINARY_DIR}/tests/${name})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 900)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()

# sightline_add_test(shard_test LABELS index [LINK sightline::index ...] [TIMEOUT s] [DEFINITIONS A=b ...]
#                    [NEEDS program ...] [TORCH])
# One GoogleTest program from NAME.cpp in the calling folder. NEEDS: what it runs. TORCH: it includes LibTorch.
function(sightline_add_test name)
  add_executable(${name} ${name}.cpp)
  sightline_set_up_test(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE GTest::gtest_main)
  sightline_register_test(${name} ${ARGN})
endfunction()

# sightline_test_program(index_tests LABELS index ...), arguments as above: a program of many tests, which
# sightline_test_batch() adds. Without SIGHTLINE_UNITY each of them is a program of its own.
function(sightline_test_program name)
  set(${name}_arguments ${ARGN} PARENT_SCOPE)
  if(SIGHTLINE_UNITY)
    add_executable(${name})
    sightline_set_up_test(${name} ${ARGN})
    target_link_libraries(${name} PRIVATE sightline_test_main)
  endif()
endfunction()

# sightline_test_batch(index_tests top_k_test shard_test ...): adds tests that are compiled as one file
# (sightline_batch). Each has its name in ctest, and in build/*/tests a link of that name, which runs the
# cases of its file alone.
function(sightline_test_batch program)
  foreach(test IN LISTS ARGN)
    if(SIGHTLINE_UNITY)
      file(CREATE_LINK ${program} ${CMAKE_BINARY_DIR}/tests/${test} SYMBOLIC)
      add_custom_target(${test} DEPENDS ${program})
      sightline_register_test(${test} ${${program}_arguments})
    else()
      sightline_add_test(${test} ${${program}_arguments})
    endif()
  endforeach()
  if(SIGHTLINE_UNITY)
    list(TRANSFORM ARGN APPEND .cpp)
    sightline_batch(${program} ${ARGN})
  endif()
endfunction()

# sightline_add_benchmark(shard_bench [LINK ...] [SOURCES ...]): one Google Benchmark program.
function(sightline_add_benchmark name)
  cmake_parse_arguments(arg "" "" "LINK;SOURCES" ${ARGN})
  add_executable(${name} ${name}.cpp ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES
                        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/benchmarks)
  target_link_libraries(${name} PRIVATE ${arg_LINK} benchmark::benchmark sightline::warnings)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE
                             SIGHTLINE_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data"
                             SIGHTLINE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
endfunction()
