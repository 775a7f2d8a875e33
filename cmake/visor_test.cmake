# visor_test(<name> SOURCES <file>... [LINK <target>...] [LABELS <label>...] [TIMEOUT <seconds>] [SLOW] [UNITY])
#
# One test program, linked with the shared main of Catch2, and one CTest entry for it. With SLOW, the cases tagged [slow] become
# a second entry `<name>.slow` with the label "slow", which runs that only sample leave out. With UNITY, all sources are compiled as one,
# which takes less time where most of it goes into what they all use.
function(visor_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "SLOW;UNITY" "TIMEOUT" "SOURCES;LINK;LABELS")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "visor_test(${name}): SOURCES missing, or not understood: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE visor_test_main visor::visor ${arg_LINK})
  # What is tested is the logic; compilers take twice as long for the rest of the optimisation.
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  target_precompile_headers(${name} REUSE_FROM visor_test_headers)
  if(arg_UNITY)
    # To GCC, what is included is a header, which should have no local types.
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
    target_compile_options(${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
  if(arg_SLOW)
    add_test(NAME ${name} COMMAND ${name} "~[slow]")
    add_test(NAME ${name}.slow COMMAND ${name} "[slow]")
    set_tests_properties(${name}.slow PROPERTIES LABELS "${arg_LABELS};slow" TIMEOUT ${arg_TIMEOUT})
  else()
    add_test(NAME ${name} COMMAND ${name})
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()
