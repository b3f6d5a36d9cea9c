# The three kinds of target we have. Sources are listed by hand; keelson_check_all_sources_built()
# fails the configuration when a source file of ours belongs to no target, so that a test cannot
# drop out of the build unseen.
set_property(GLOBAL PROPERTY KEELSON_SOURCES "")

function(_keelson_remember)
  foreach(source ${ARGN})
    get_filename_component(path ${source} ABSOLUTE)
    set_property(GLOBAL APPEND PROPERTY KEELSON_SOURCES ${path})
  endforeach()
endfunction()

# keelson_library(NAME SRCS a.cc b.cc DEPS x y PRIVATE_DEPS z)
function(keelson_library name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${arg_SRCS})
  target_link_libraries(${name} PUBLIC keelson_options ${arg_DEPS}
                                PRIVATE keelson_warnings ${arg_PRIVATE_DEPS})
  _keelson_remember(${arg_SRCS})
endfunction()

# keelson_binary(NAME SRCS a.cc DEPS x y)
function(keelson_binary name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${arg_SRCS})
  target_link_libraries(${name} PRIVATE keelson_options keelson_warnings ${arg_DEPS})
  if(KEELSON_SANITIZE STREQUAL "thread")
    target_sources(${name} PRIVATE $<TARGET_OBJECTS:keelson_thread_sanitizer>)
  endif()
  _keelson_remember(${arg_SRCS})
endfunction()

# keelson_test(NAME SRCS a_test.cc DEPS x y [LABELS quick|long] [ARGS ...])
# A GoogleTest program, run by ctest as one test, in its source folder (where testdata/ lies).
function(keelson_test name)
  cmake_parse_arguments(arg "" "TIMEOUT" "SRCS;DEPS;LABELS;ARGS" ${ARGN})
  keelson_binary(${name} SRCS ${arg_SRCS} DEPS ${arg_DEPS} GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name} ${arg_ARGS} WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  if(NOT arg_LABELS)
    set(arg_LABELS quick)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()

# keelson_benchmark(NAME SRCS a_benchmark.cc DEPS x y): built with the rest, run by hand.
function(keelson_benchmark name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS" ${ARGN})
  keelson_binary(${name} SRCS ${arg_SRCS} DEPS ${arg_DEPS} benchmark::benchmark benchmark::benchmark_main)
endfunction()

function(keelson_check_all_sources_built)
  get_property(known GLOBAL PROPERTY KEELSON_SOURCES)
  file(GLOB_RECURSE found CONFIGURE_DEPENDS base/*.cc crypto/*.cc raft/*.cc storage/*.cc http/*.cc server/*.cc client/*.cc
       apiserver/*.cc tools/*.cc examples/*.cc tests/*.cc jepsen/*.cc)
  foreach(file ${found})
    if(NOT file IN_LIST known)
      message(FATAL_ERROR "${file} belongs to no target; add it to the CMakeLists.txt of its folder")
    endif()
  endforeach()
endfunction()
