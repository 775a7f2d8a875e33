# visor_benchmark(<name> SOURCES <file>... [LINK <target>...])
#
# A program measured with Google Benchmark.
find_package(benchmark REQUIRED)

function(visor_benchmark name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SOURCES)
    message(FATAL_ERROR "visor_benchmark(${name}): SOURCES missing, or not understood: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE visor::visor visor_development benchmark::benchmark_main ${arg_LINK})
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O2>)
endfunction()
