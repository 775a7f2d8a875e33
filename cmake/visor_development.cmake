# What visor's own targets are built with, and no user's: warnings, sanitizers, ccache.

foreach(component IN LISTS visor_components)
  visor_find_component(${component} visor_missing)
  if(visor_missing)
    message(FATAL_ERROR "visor: component ${component}: ${visor_missing}; scripts/install-dependencies installs it")
  endif()
endforeach()

find_program(VISOR_CCACHE ccache)
if(VISOR_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # What ccache asks for before it keeps what was compiled with a precompiled header; and that another clone finds what this one compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros
    "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1 "${VISOR_CCACHE}")
endif()
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()
set(CMAKE_CXX_EXTENSIONS OFF)

# What is only compiled needs no sanitizer.
add_library(visor_warnings INTERFACE)
add_library(visor_development INTERFACE)
target_link_libraries(visor_development INTERFACE visor_warnings)
target_compile_options(visor_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror -fdiagnostics-color=always
                       $<IF:$<CXX_COMPILER_ID:GNU>,-fpch-preprocess,SHELL:-Xclang -fno-pch-timestamp>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Where it optimises, 12 and 14 take coroutine frames, which Asio allocates and frees by a pair of its own, for mismatched.
  target_compile_options(visor_warnings INTERFACE -Wno-mismatched-new-delete)
  # It collects garbage from 128 MB on, which is a fifth of the time it takes for these templates.
  target_compile_options(visor_warnings INTERFACE "SHELL:--param ggc-min-heapsize=1000000")
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC bug 105651: from -O2 on, 12 warns about the memcpy inside "text" + std::string.
    target_compile_options(visor_warnings INTERFACE -Wno-restrict)
  endif()
endif()
if(VISOR_COVERAGE)
  # Threads count at the same time; and each file is named in full, from whatever folder it was compiled in.
  target_compile_options(visor_development INTERFACE --coverage -fprofile-update=atomic -fprofile-abs-path)
  target_link_options(visor_development INTERFACE --coverage)
endif()
if(VISOR_SANITIZE)
  string(REPLACE "," ";" visor_sanitizers "${VISOR_SANITIZE}")
  target_compile_options(visor_development INTERFACE -fsanitize=${VISOR_SANITIZE} -fno-omit-frame-pointer -g1)
  target_link_options(visor_development INTERFACE -fsanitize=${VISOR_SANITIZE})
  if("undefined" IN_LIST visor_sanitizers)
    # The check of virtual tables opens a pipe to read memory: a test that leaves no descriptors would fail on good objects.
    target_compile_options(visor_development INTERFACE -fno-sanitize-recover=undefined -fno-sanitize=vptr)
  endif()
  if("thread" IN_LIST visor_sanitizers AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Asio fences are not modelled by the sanitizer; GCC warns about each.
    target_compile_options(visor_development INTERFACE -Wno-tsan)
  endif()
endif()
