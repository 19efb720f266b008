# The rooms of the house.
#
# A room is one folder and one library. A target sees the headers of the rooms it links, and of no
# other: every room publishes an include root of its own (a directory with one symbolic link), so a
# missing link edge fails the compile instead of passing unnoticed.

add_library(runledger_flags INTERFACE)
target_compile_options(runledger_flags INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  -Wcast-qual -Wformat=2 -Wundef
  -Wno-missing-field-initializers)  # designated initializers leave out what keeps its default, on purpose
if(RUNLEDGER_WERROR)
  target_compile_options(runledger_flags INTERFACE -Werror)
endif()
if(RUNLEDGER_SANITIZE)
  target_compile_options(runledger_flags INTERFACE -fsanitize=${RUNLEDGER_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(runledger_flags INTERFACE -fsanitize=${RUNLEDGER_SANITIZE})
  if(RUNLEDGER_SANITIZE MATCHES "undefined")
    target_compile_options(runledger_flags INTERFACE -fno-sanitize-recover=undefined)
  endif()
endif()

add_custom_target(headers_compile_alone)

# runledger_room(NAME FOLDER SRCS a.cc ... HEADERS a.h ... DEPS public... PRIVATE_DEPS private...)
# FOLDER is the path from the project root, "codecs" or "ingest/kafka".
function(runledger_room NAME FOLDER)
  cmake_parse_arguments(ROOM "" "" "SRCS;HEADERS;DEPS;PRIVATE_DEPS" ${ARGN})
  set(target runledger_${NAME})
  set(root ${PROJECT_BINARY_DIR}/rooms/${NAME})
  get_filename_component(parent ${FOLDER} DIRECTORY)
  file(MAKE_DIRECTORY ${root}/${parent})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${FOLDER} ${root}/${FOLDER} SYMBOLIC)

  add_library(${target} STATIC ${ROOM_SRCS})
  add_library(runledger::${NAME} ALIAS ${target})
  target_include_directories(${target} PUBLIC ${root})
  target_link_libraries(${target} PUBLIC ${ROOM_DEPS} PRIVATE ${ROOM_PRIVATE_DEPS} runledger_flags)

  # Each header in a translation unit of its own.
  set(alone "")
  foreach(header ${ROOM_HEADERS})
    string(MAKE_C_IDENTIFIER ${header} stem)
    set(unit ${PROJECT_BINARY_DIR}/headers/${NAME}/${stem}.cc)
    file(CONFIGURE OUTPUT ${unit} CONTENT "#include \"${FOLDER}/${header}\"\n#include \"${FOLDER}/${header}\"  // twice: it guards itself\n" @ONLY)
    list(APPEND alone ${unit})
  endforeach()
  if(alone)
    add_library(headers_of_${NAME} OBJECT EXCLUDE_FROM_ALL ${alone})
    target_link_libraries(headers_of_${NAME} PRIVATE ${target} ${ROOM_PRIVATE_DEPS} runledger_flags)
    add_dependencies(headers_compile_alone headers_of_${NAME})
  endif()
endfunction()
