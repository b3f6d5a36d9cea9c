# keelson_proto_library(NAME [GRPC] SRCS a.proto b.proto DEPS x y)
# C++ of the given .proto files (paths from the project's root), generated into ${KEELSON_GENERATED_DIR}; with GRPC the
# service stubs (a.grpc.pb.h), else the messages (a.pb.h). Generated code is spared our warnings, not the sanitizers.
set(KEELSON_GENERATED_DIR ${PROJECT_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${KEELSON_GENERATED_DIR})
find_program(KEELSON_PROTOC protoc REQUIRED)
find_program(KEELSON_GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

function(keelson_proto_library name)
  cmake_parse_arguments(arg "GRPC" "" "SRCS;DEPS" ${ARGN})
  list(TRANSFORM arg_SRCS PREPEND ${PROJECT_SOURCE_DIR}/ OUTPUT_VARIABLE inputs)
  set(outputs "")
  foreach(proto ${arg_SRCS})
    string(REGEX REPLACE "\\.proto$" "" stem ${proto})
    if(arg_GRPC)
      set(generated ${KEELSON_GENERATED_DIR}/${stem}.grpc.pb.cc ${KEELSON_GENERATED_DIR}/${stem}.grpc.pb.h)
      set(options --grpc_out=${KEELSON_GENERATED_DIR} --plugin=protoc-gen-grpc=${KEELSON_GRPC_CPP_PLUGIN})
      set(tools ${KEELSON_PROTOC} ${KEELSON_GRPC_CPP_PLUGIN})
    else()
      set(generated ${KEELSON_GENERATED_DIR}/${stem}.pb.cc ${KEELSON_GENERATED_DIR}/${stem}.pb.h)
      set(options --cpp_out=${KEELSON_GENERATED_DIR})
      set(tools ${KEELSON_PROTOC})
    endif()
    # Any file may import any other of the library, so each depends on them all; they are few and seldom change.
    add_custom_command(
      OUTPUT ${generated}
      COMMAND ${KEELSON_PROTOC} -I ${PROJECT_SOURCE_DIR} ${options} ${PROJECT_SOURCE_DIR}/${proto}
      DEPENDS ${inputs} ${tools}
      COMMENT "Generating C++ of ${proto}"
      VERBATIM)
    list(APPEND outputs ${generated})
  endforeach()
  add_library(${name} STATIC ${outputs})
  target_include_directories(${name} SYSTEM PUBLIC ${KEELSON_GENERATED_DIR})
  target_link_libraries(${name} PUBLIC keelson_options ${arg_DEPS})
  set_target_properties(${name} PROPERTIES CXX_CLANG_TIDY "")
endfunction()
