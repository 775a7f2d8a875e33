# The targets that users link. They carry include paths, libraries and the language level; no warning flag, no definition.

include(visor_components)
include(GNUInstallDirs)

# The libraries that the targets name must be seen by whoever took in this folder, not only below it.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL TRUE)

visor_find_component(visor visor_missing)
if(visor_missing)
  message(FATAL_ERROR "visor: ${visor_missing}")
endif()
# Only a component that is linked needs its library, so a project that takes in visor as a subfolder may lack the others.
foreach(component IN LISTS visor_components)
  visor_find_component(${component} visor_missing)
  if(visor_missing AND PROJECT_IS_TOP_LEVEL)
    message(STATUS "visor: no component ${component}: ${visor_missing}")
  endif()
endforeach()

file(GLOB_RECURSE visor_headers CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/include/*.hpp")

add_library(visor_visor INTERFACE)
add_library(visor::visor ALIAS visor_visor)
set_target_properties(visor_visor PROPERTIES EXPORT_NAME visor)
target_sources(visor_visor INTERFACE FILE_SET HEADERS BASE_DIRS "${CMAKE_CURRENT_SOURCE_DIR}/include" FILES ${visor_headers})
target_compile_features(visor_visor INTERFACE cxx_std_20)
target_link_libraries(visor_visor INTERFACE Boost::headers Boost::json Boost::url Threads::Threads)

set(visor_libraries_memory "")
set(visor_libraries_sqlite SQLite::SQLite3)
set(visor_libraries_postgresql PostgreSQL::PostgreSQL)
set(visor_libraries_mysql PkgConfig::visor_libmariadb)
set(visor_libraries_mssql ODBC::ODBC)
set(visor_libraries_zone date::date-tz)
# Before version 0.8 the target of yaml-cpp has no namespace; since then the plain name is deprecated.
set(visor_libraries_yaml "$<IF:$<TARGET_EXISTS:yaml-cpp::yaml-cpp>,yaml-cpp::yaml-cpp,yaml-cpp>")
set(visor_libraries_webhook OpenSSL::SSL OpenSSL::Crypto)
foreach(component IN LISTS visor_components)
  add_library(visor_${component} INTERFACE)
  add_library(visor::${component} ALIAS visor_${component})
  set_target_properties(visor_${component} PROPERTIES EXPORT_NAME ${component})
  target_link_libraries(visor_${component} INTERFACE visor_visor "${visor_libraries_${component}}")
endforeach()
