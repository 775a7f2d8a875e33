# An `extern template class visor::scheduler<...>` keeps the engine out of a file; it would not if its members were inline.
#   NM, OBJECTS

list(FILTER OBJECTS INCLUDE REGEX "one[.]cpp")
execute_process(COMMAND "${NM}" --demangle --defined-only ${OBJECTS} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
string(FIND "${symbols}" "visor::scheduler<" used)
string(FIND "${symbols}" "visor::detail::runner<" again)
if(used EQUAL -1)
  message(FATAL_ERROR "one.cpp makes nothing of the scheduler: this test sees nothing")
endif()
if(NOT again EQUAL -1)
  string(SUBSTRING "${symbols}" ${again} 200 found)
  message(FATAL_ERROR "one.cpp compiles the engine again: ${found}")
endif()
