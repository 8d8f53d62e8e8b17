# Third-party libraries, each found only when a module that needs it is built.
# Modules link the sightline_dep_* names or the imported targets named here, nothing else.

if(SIGHTLINE_DEPS_DIR)
  list(PREPEND CMAKE_PREFIX_PATH ${SIGHTLINE_DEPS_DIR})
  list(PREPEND CMAKE_INCLUDE_PATH ${SIGHTLINE_DEPS_DIR} ${SIGHTLINE_DEPS_DIR}/include)
endif()

macro(sightline_needs out)
  set(${out} OFF)
  foreach(module IN ITEMS ${ARGN})
    if(module IN_LIST SIGHTLINE_MODULES)
      set(${out} ON)
    endif()
  endforeach()
endmacro()

find_package(Threads REQUIRED)
find_package(PkgConfig QUIET)

# nlohmann-json, xxhash and CRoaring: header-only or small; taken from SIGHTLINE_DEPS_DIR as well.
find_path(NLOHMANN_JSON_INCLUDE nlohmann/json.hpp REQUIRED)
add_library(sightline_json INTERFACE)
target_include_directories(sightline_json SYSTEM INTERFACE ${NLOHMANN_JSON_INCLUDE})

find_path(XXHASH_INCLUDE xxhash.h REQUIRED)
add_library(sightline_xxhash INTERFACE)
target_include_directories(sightline_xxhash SYSTEM INTERFACE ${XXHASH_INCLUDE})
target_compile_definitions(sightline_xxhash INTERFACE XXH_INLINE_ALL)

add_library(sightline_roaring INTERFACE)
find_path(ROARING_INCLUDE roaring/roaring.h)
find_library(ROARING_LIBRARY roaring)
find_file(ROARING_AMALGAMATION roaring.c PATHS ${SIGHTLINE_DEPS_DIR} PATH_SUFFIXES roaring
          NO_DEFAULT_PATH)
if(ROARING_INCLUDE AND ROARING_LIBRARY)
  target_include_directories(sightline_roaring SYSTEM INTERFACE ${ROARING_INCLUDE})
  target_link_libraries(sightline_roaring INTERFACE ${ROARING_LIBRARY})
elseif(ROARING_AMALGAMATION)
  get_filename_component(roaring_folder ${ROARING_AMALGAMATION} DIRECTORY)
  add_library(sightline_roaring_amalgamation STATIC ${ROARING_AMALGAMATION})
  target_include_directories(sightline_roaring_amalgamation SYSTEM PUBLIC ${roaring_folder}
                             ${SIGHTLINE_DEPS_DIR})
  target_link_libraries(sightline_roaring INTERFACE sightline_roaring_amalgamation)
else()
  message(FATAL_ERROR "CRoaring not found: install libroaring-dev, or put its amalgamation "
                      "(roaring.c, roaring.h) into SIGHTLINE_DEPS_DIR")
endif()

sightline_needs(needs_torch settings encoders train)
if(needs_torch)
  # Only the C++ API of LibTorch is used; its compile flags (-D_GLIBCXX_USE_CXX11_ABI) come along.
  find_package(Torch REQUIRED)
  add_library(sightline_torch INTERFACE)
  # -isystem for LibTorch's headers: warnings in them are not ours.
  target_include_directories(sightline_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
  target_link_libraries(sightline_torch INTERFACE ${TORCH_LIBRARIES})
endif()

sightline_needs(needs_opencv settings train eval)
if(needs_opencv)
  # Debian keeps OpenCVConfig.cmake in libopencv-dev, which drags in a desktop; the three parts in use
  # come without it.
  find_path(OPENCV_INCLUDE opencv2/core.hpp PATH_SUFFIXES opencv4 REQUIRED)
  foreach(part IN ITEMS core imgproc imgcodecs)
    find_library(OPENCV_${part}_LIBRARY opencv_${part} REQUIRED)
    add_library(opencv_${part} INTERFACE IMPORTED)
    target_include_directories(opencv_${part} SYSTEM INTERFACE ${OPENCV_INCLUDE})
    target_link_libraries(opencv_${part} INTERFACE ${OPENCV_${part}_LIBRARY})
  endforeach()
  target_link_libraries(opencv_imgproc INTERFACE opencv_core)
  target_link_libraries(opencv_imgcodecs INTERFACE opencv_imgproc)
endif()
sightline_needs(needs_codec_libraries codecs)
if(needs_codec_libraries)
  pkg_check_modules(HEIF REQUIRED IMPORTED_TARGET libheif)
  pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp libwebpdemux)
  pkg_check_modules(EXIV2 REQUIRED IMPORTED_TARGET exiv2)
  find_package(JPEG REQUIRED)
  find_package(PNG REQUIRED)
  find_package(TIFF REQUIRED)
  find_package(GIF REQUIRED)
  find_package(OpenSSL REQUIRED COMPONENTS Crypto)
endif()

sightline_needs(needs_rocksdb settings storage)
if(needs_rocksdb)
  find_path(ROCKSDB_INCLUDE rocksdb/db.h REQUIRED)
  find_library(ROCKSDB_LIBRARY rocksdb REQUIRED)
  add_library(sightline_rocksdb INTERFACE)
  target_include_directories(sightline_rocksdb SYSTEM INTERFACE ${ROCKSDB_INCLUDE})
  target_link_libraries(sightline_rocksdb INTERFACE ${ROCKSDB_LIBRARY})
endif()

sightline_needs(needs_faiss settings index)
if(needs_faiss)
  find_package(OpenMP REQUIRED)
  find_path(FAISS_INCLUDE faiss/Index.h REQUIRED)
  find_library(FAISS_LIBRARY faiss REQUIRED)
  find_library(OPENBLAS_LIBRARY openblas REQUIRED)  # Debian's FAISS is static: it brings no BLAS
  add_library(sightline_faiss INTERFACE)
  target_include_directories(sightline_faiss SYSTEM INTERFACE ${FAISS_INCLUDE})
  target_link_libraries(sightline_faiss INTERFACE ${FAISS_LIBRARY} ${OPENBLAS_LIBRARY}
                        OpenMP::OpenMP_CXX)
endif()

sightline_needs(needs_archive pipeline)
if(needs_archive)
  find_package(LibArchive REQUIRED)
  find_package(CURL REQUIRED)  # pictures named by http(s) addresses
endif()

sightline_needs(needs_http http)
if(needs_http)
  find_path(BOOST_INCLUDE boost/beast/version.hpp REQUIRED)  # header-only: Asio and Beast
  add_library(sightline_beast INTERFACE)
  target_include_directories(sightline_beast SYSTEM INTERFACE ${BOOST_INCLUDE})
  target_link_libraries(sightline_beast INTERFACE Threads::Threads)
  find_package(simdjson REQUIRED)
  pkg_check_modules(PROMETHEUS REQUIRED IMPORTED_TARGET prometheus-cpp-core)
  find_package(OpenSSL REQUIRED COMPONENTS Crypto)  # digests of keys, random tokens
endif()

sightline_needs(needs_settings settings)
if(needs_settings)
  find_package(spdlog REQUIRED)
  find_package(tomlplusplus REQUIRED)
endif()

sightline_needs(needs_apps apps)
if(needs_apps)
  find_path(CLI11_INCLUDE CLI/CLI.hpp REQUIRED)
  add_library(sightline_cli11 INTERFACE)
  target_include_directories(sightline_cli11 SYSTEM INTERFACE ${CLI11_INCLUDE})
endif()

sightline_needs(needs_train train)
if(needs_train)
  pkg_check_modules(RSVG REQUIRED IMPORTED_TARGET librsvg-2.0)
  if(SIGHTLINE_UNITY)  # its -pthread defines a macro that the precompiled header of encoders lacks
    set_target_properties(PkgConfig::RSVG PROPERTIES INTERFACE_COMPILE_OPTIONS "")
  endif()
endif()

if(SIGHTLINE_TESTS)
  find_package(GTest QUIET)
  if(NOT GTest_FOUND)
    # A source tree of GoogleTest in SIGHTLINE_DEPS_DIR/googletest serves machines without a package.
    add_subdirectory(${SIGHTLINE_DEPS_DIR}/googletest ${CMAKE_BINARY_DIR}/googletest
                     EXCLUDE_FROM_ALL)
    if(NOT TARGET GTest::gmock)
      add_library(GTest::gmock ALIAS gmock)
      add_library(GTest::gtest_main ALIAS gtest_main)
    endif()
  endif()
endif()
if(SIGHTLINE_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()
