# cmake -DCOMPILER=... -DSOURCE=... -DINCLUDES=... -P expect_failure.cmake

file(STRINGS "${SOURCE}" first LIMIT_COUNT 1)
if(NOT first MATCHES "^// expect: (.+)$")
  message(FATAL_ERROR "${SOURCE}: the first line must be `// expect: <regular expression>`")
endif()
set(expected "${CMAKE_MATCH_1}")

set(options -std=c++20 -fsyntax-only -fdiagnostics-color=never)
foreach(folder IN LISTS INCLUDES)
  list(APPEND options "-I${folder}")
endforeach()

execute_process(COMMAND "${COMPILER}" ${options} "${SOURCE}" RESULT_VARIABLE status ERROR_VARIABLE output OUTPUT_VARIABLE output)
if(status EQUAL 0)
  message(FATAL_ERROR "${SOURCE}: compiles, but must not")
endif()
if(NOT output MATCHES "${expected}")
  message(FATAL_ERROR "${SOURCE}: refused, but no message matches `${expected}`:\n${output}")
endif()

file(READ "${SOURCE}" text)
if(text MATCHES "VISOR_CONTROL")
  execute_process(COMMAND "${COMPILER}" ${options} -DVISOR_CONTROL "${SOURCE}" RESULT_VARIABLE status ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${SOURCE}: the control does not compile either:\n${output}")
  endif()
endif()
