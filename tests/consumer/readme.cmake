# What the README shows must be true: its C++ example is compiled with its own command line, and its YAML is checked by the program.

file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")
file(CREATE_LINK "${SOURCE}/include" "${WORK}/include" SYMBOLIC)
file(READ "${SOURCE}/README.md" readme)

# readme_block(<language> <variable>): the first fenced block of that language.
function(readme_block language result)
  string(FIND "${readme}" "\n```${language}\n" begin)
  if(begin EQUAL -1)
    message(FATAL_ERROR "README.md has no block of ${language}")
  endif()
  string(SUBSTRING "${readme}" ${begin} -1 rest)
  string(REGEX REPLACE "^\n```${language}\n" "" rest "${rest}")
  string(FIND "${rest}" "\n```" end)
  string(SUBSTRING "${rest}" 0 ${end} rest)
  set(${result} "${rest}\n" PARENT_SCOPE)
endfunction()

readme_block(yaml yaml)
file(WRITE "${WORK}/visor.yaml" "${yaml}")
execute_process(COMMAND "${PROGRAM}" config check --config visor.yaml WORKING_DIRECTORY "${WORK}" COMMAND_ERROR_IS_FATAL ANY)

readme_block(cpp code)
file(WRITE "${WORK}/main.cpp" "${code}")
if(NOT readme MATCHES "\n[$] (g[+][+] -std=c[+][+]20 -I include [^\n]*)")
  message(FATAL_ERROR "README.md does not say how to compile its example")
endif()
separate_arguments(command UNIX_COMMAND "${CMAKE_MATCH_1}")
list(REMOVE_AT command 0)
execute_process(COMMAND "${COMPILER}" ${command} WORKING_DIRECTORY "${WORK}" COMMAND_ERROR_IS_FATAL ANY)

# The example runs until it is stopped, and ends well when it is asked to.
execute_process(COMMAND timeout --preserve-status --signal=TERM 2 ./main WORKING_DIRECTORY "${WORK}" RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "the example of README.md ended with ${status}")
endif()
