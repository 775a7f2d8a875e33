# Builds and runs the project of a user.
#   ROUTE       package, subdirectory, fetch or pkg_config; of the last, OBJECTS: where another route compiled the project
#   COMPONENTS  what it needs, with commas between; OPTIONAL: what it would use
#   VERSION     the version it asks for
#   HIDE        a library that is made to look missing
#   FLAGS       its own compiler flags, with commas between
#   EXPECT      a text with which configuring must fail; SAYS: a regular expression of what it must print

string(REPLACE "," ";" components "${COMPONENTS}")
string(REPLACE "," ";" optional "${OPTIONAL}")
string(REPLACE "," ";" flags "${FLAGS}")
set(build "${WORK}/${NAME}")
file(REMOVE_RECURSE "${build}")

if(ROUTE STREQUAL "pkg_config")
  find_program(pkg_config NAMES pkg-config pkgconf REQUIRED)
  set(ENV{PKG_CONFIG_PATH} "${PREFIX}/share/pkgconfig")
  file(MAKE_DIRECTORY "${build}")
  foreach(component IN ITEMS visor LISTS components)
    set(package visor-${component})
    if(component STREQUAL "visor")
      set(package visor)
    endif()
    foreach(kind IN ITEMS cflags libs)
      execute_process(COMMAND "${pkg_config}" --${kind} "${package}" OUTPUT_VARIABLE ${kind} COMMAND_ERROR_IS_FATAL ANY)
      separate_arguments(${kind} UNIX_COMMAND "${${kind}}")
    endforeach()
    # Whether every header is found and everything linked: that the files compile is what the other route showed.
    execute_process(COMMAND "${COMPILER}" -std=c++20 -E "${PROJECT}/${component}.cpp" -o "${build}/${component}.ii" ${cflags}
      COMMAND_ERROR_IS_FATAL ANY)
    execute_process(COMMAND "${COMPILER}" "${OBJECTS}/use_${component}.dir/${component}.cpp.o" -o "${build}/use_${component}" ${libs}
      COMMAND_ERROR_IS_FATAL ANY)
    execute_process(COMMAND "${build}/use_${component}" COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
  return()
endif()

set(hidden "")
if(HIDE)
  set(hidden "-DCMAKE_DISABLE_FIND_PACKAGE_${HIDE}=ON")
endif()
execute_process(
  COMMAND "${CMAKE_COMMAND}" -S "${PROJECT}" -B "${build}" -G "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${COMPILER}"
          "-DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER}" "-DCMAKE_PREFIX_PATH=${PREFIX}" ${hidden} "-DVISOR_ROUTE=${ROUTE}"
          "-DVISOR_COMPONENTS=${components}" "-DVISOR_OPTIONAL=${optional}" "-DVISOR_VERSION=${VERSION}" "-DVISOR_SOURCE=${SOURCE}"
          "-DVISOR_CONSUMER_FLAGS=${flags}"
  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(DEFINED EXPECT)
  # CMake breaks long messages into lines.
  string(REGEX REPLACE "[ \n]+" " " flat "${output}")
  string(FIND "${flat}" "${EXPECT}" position)
  if(status EQUAL 0 OR position EQUAL -1)
    message(FATAL_ERROR "configuring should have failed with `${EXPECT}`:\n${output}")
  endif()
  return()
endif()
if(NOT status EQUAL 0)
  message(FATAL_ERROR "configuring failed:\n${output}")
endif()
if(DEFINED SAYS AND NOT output MATCHES "${SAYS}")
  message(FATAL_ERROR "configuring should have said `${SAYS}`:\n${output}")
endif()

execute_process(COMMAND "${CMAKE_COMMAND}" --build "${build}" OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "building failed:\n${output}")
endif()
foreach(component IN ITEMS visor LISTS components)
  execute_process(COMMAND "${build}/use_${component}" COMMAND_ERROR_IS_FATAL ANY)
endforeach()
