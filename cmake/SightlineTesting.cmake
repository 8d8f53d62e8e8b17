# GoogleTest's macros have a parameter `info`, and so has the usual lambda that names the cases.
add_library(sightline_test_warnings INTERFACE)
target_link_libraries(sightline_test_warnings INTERFACE sightline::warnings)
target_compile_options(sightline_test_warnings INTERFACE -Wno-shadow)

# sightline_add_test(shard_test LABELS index [LINK sightline::index ...] [SOURCES a.cpp ...] [TIMEOUT s])
# One GoogleTest program from NAME.cpp (and SOURCES) in the calling folder.
function(sightline_add_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "LABELS;LINK;SOURCES" ${ARGN})
  add_executable(${name} ${name}.cpp ${arg_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${arg_LINK} GTest::gmock GTest::gtest_main
                        sightline::warnings sightline_test_warnings)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_compile_definitions(${name} PRIVATE
                             SIGHTLINE_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data"
                             SIGHTLINE_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND ${name})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 900)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
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
