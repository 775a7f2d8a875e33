# Installs the library, moves the folder it was installed to, and makes sure that nothing in it remembers a place.

file(REMOVE_RECURSE "${WORK}")
execute_process(COMMAND "${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${WORK}/first" --component visor_library
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(RENAME "${WORK}/first" "${WORK}/moved")

file(GLOB_RECURSE installed "${WORK}/moved/*")
foreach(file IN LISTS installed)
  file(READ "${file}" text)
  foreach(place IN ITEMS "${WORK}" "${SOURCE}/" "${BUILD}/")
    string(FIND "${text}" "${place}" position)
    if(NOT position EQUAL -1)
      message(FATAL_ERROR "${file} names ${place}")
    endif()
  endforeach()
endforeach()

file(GLOB_RECURSE wanted RELATIVE "${SOURCE}" "${SOURCE}/include/*")
foreach(file IN LISTS wanted)
  if(NOT EXISTS "${WORK}/moved/${file}")
    message(FATAL_ERROR "${file} is not installed")
  endif()
endforeach()
