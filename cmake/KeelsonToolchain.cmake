# Language, warnings, sanitizers, and the fast tools where the machine has them.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

option(KEELSON_COVERAGE "Count which lines and branches run (tools/coverage)" OFF)
option(KEELSON_FUZZERS "Build the fuzzers of tests/fuzz (clang; tools/fuzz)" OFF)
set(KEELSON_SANITIZE "" CACHE STRING "Sanitizers: address,undefined or thread")

find_program(KEELSON_CCACHE ccache)
if(KEELSON_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_C_COMPILER_LAUNCHER ${KEELSON_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${KEELSON_CCACHE})
endif()

include(CheckLinkerFlag)
foreach(linker mold lld)
  check_linker_flag(CXX -fuse-ld=${linker} KEELSON_HAS_${linker})
  if(KEELSON_HAS_${linker})
    add_link_options(-fuse-ld=${linker})
    # mold 1.10 makes read-only after relocation what does not begin at a page, and now and then the
    # page before is not there: the program does not start.
    if(linker STREQUAL "mold")
      add_link_options(-Wl,-z,separate-code)
    endif()
    break()
  endif()
endforeach()

# What all of our targets are compiled with; generated code is exempt from the warnings.
add_library(keelson_options INTERFACE)
target_include_directories(keelson_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(keelson_options INTERFACE ASIO_STANDALONE ASIO_SEPARATE_COMPILATION
                                                     ASIO_NO_DEPRECATED)
if(KEELSON_SANITIZE)
  target_compile_options(keelson_options INTERFACE -fsanitize=${KEELSON_SANITIZE}
                                                   -fno-omit-frame-pointer -O1)
  target_link_options(keelson_options INTERFACE -fsanitize=${KEELSON_SANITIZE})
endif()

if(KEELSON_FUZZERS)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "KEELSON_FUZZERS needs clang: cmake --preset fuzz")
  endif()
  target_compile_options(keelson_options INTERFACE -fsanitize=fuzzer-no-link -fno-sanitize-recover=all)
endif()

if(KEELSON_COVERAGE)
  target_compile_options(keelson_options INTERFACE --coverage -fno-inline)
  target_link_options(keelson_options INTERFACE --coverage)
endif()

# Mistakes, on demand, for tools/planted-bugs (base/planted_bug.h): never in what anybody runs.
option(KEELSON_PLANTED_BUGS "Build in the mistakes of base/planted_bug.h" OFF)
if(KEELSON_PLANTED_BUGS)
  target_compile_definitions(keelson_options INTERFACE KEELSON_PLANTED_BUGS)
endif()

# etcd's failpoints, driven by GOFAIL_FAILPOINTS and GOFAIL_HTTP (base/failpoint.h): never in what anybody runs.
option(KEELSON_FAILPOINTS "Build in the failpoints" OFF)
if(KEELSON_FAILPOINTS)
  target_compile_definitions(keelson_options INTERFACE KEELSON_FAILPOINTS)
endif()

add_library(keelson_warnings INTERFACE)
target_compile_options(keelson_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
                                                  -Wno-unused-parameter -Werror)
if(KEELSON_SANITIZE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 sees uninitialized members in inlined containers that the sanitizers' code has split up.
  target_compile_options(keelson_warnings INTERFACE -Wno-maybe-uninitialized)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(keelson_warnings INTERFACE -Wthread-safety -Wno-gnu-zero-variadic-macro-arguments)
endif()
