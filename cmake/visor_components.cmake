# What each component needs, in one place for the build of visor itself and for the installed package.
#
# visor_find_component(<component> <message-variable>) looks for the libraries of one component and sets the variable in the
# caller's scope: empty when all are there, else one line that says what is missing. A macro, because find_package must create
# its targets and variables where the caller is.

set(visor_components memory sqlite zone yaml webhook)

macro(visor_find_component visor_component_ visor_message_)
  set(${visor_message_} "")
  if("${visor_component_}" STREQUAL "visor")
    find_package(Boost 1.81 QUIET CONFIG COMPONENTS headers json)
    find_package(Threads QUIET)
    if(NOT TARGET Boost::json)
      set(${visor_message_} "Boost 1.81 or newer with Boost.JSON is missing (Debian 12: libboost1.81-dev libboost-json1.81-dev, newer: libboost-dev libboost-json-dev)")
    elseif(NOT TARGET Threads::Threads)
      set(${visor_message_} "a thread library is missing")
    endif()
  elseif("${visor_component_}" STREQUAL "memory")
    # Boost only, which every component has.
  elseif("${visor_component_}" STREQUAL "sqlite")
    find_package(SQLite3 3.38 QUIET)
    if(NOT TARGET SQLite::SQLite3)
      set(${visor_message_} "SQLite 3.38 or newer is missing (Debian: libsqlite3-dev)")
    endif()
  elseif("${visor_component_}" STREQUAL "zone")
    find_package(date QUIET CONFIG)
    if(NOT TARGET date::date-tz)
      set(${visor_message_} "Howard Hinnant's date library is missing (Debian: libhowardhinnant-date-dev)")
    endif()
  elseif("${visor_component_}" STREQUAL "yaml")
    find_package(yaml-cpp QUIET CONFIG)
    if(NOT TARGET yaml-cpp::yaml-cpp AND NOT TARGET yaml-cpp)
      set(${visor_message_} "yaml-cpp is missing (Debian: libyaml-cpp-dev)")
    endif()
  elseif("${visor_component_}" STREQUAL "webhook")
    find_package(OpenSSL QUIET)
    if(NOT TARGET OpenSSL::SSL)
      set(${visor_message_} "OpenSSL is missing (Debian: libssl-dev)")
    endif()
  else()
    set(${visor_message_} "there is no such component; there are: ${visor_components}")
  endif()
endmacro()
