# Headers, the CMake package and the pkg-config files. All of it is the same for every architecture, and nothing in it names the
# place it was installed to, so the folder can be moved. All headers are installed always: a component needs no build of visor.

include(CMakePackageConfigHelpers)

set(visor_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/visor")

install(TARGETS visor_visor EXPORT visorTargets FILE_SET HEADERS COMPONENT visor_library)
foreach(component IN LISTS visor_components)
  install(TARGETS visor_${component} EXPORT visorTargets COMPONENT visor_library)
endforeach()
install(EXPORT visorTargets NAMESPACE visor:: DESTINATION "${visor_package_dir}" COMPONENT visor_library)

configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/visorConfig.cmake.in" "${PROJECT_BINARY_DIR}/package/visorConfig.cmake"
  INSTALL_DESTINATION "${visor_package_dir}" NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
# Before version 1 every minor version may change what users compile against, so a request for another one is refused.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/package/visorConfigVersion.cmake"
  VERSION "${PROJECT_VERSION}" COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
  "${PROJECT_BINARY_DIR}/package/visorConfig.cmake"
  "${PROJECT_BINARY_DIR}/package/visorConfigVersion.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/visor_components.cmake"
  DESTINATION "${visor_package_dir}" COMPONENT visor_library)

# pkg-config: one file for the core and one per component. Boost and date have no such file, so they are named as libraries.
set(visor_pc_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")
file(RELATIVE_PATH visor_pc_up "/${visor_pc_dir}" "/")
string(REGEX REPLACE "/$" "" visor_pc_up "${visor_pc_up}")

function(visor_pkg_config name description requires libraries)
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/package/${name}.pc" @ONLY CONTENT [[
prefix=${pcfiledir}/@visor_pc_up@
includedir=${prefix}/@CMAKE_INSTALL_INCLUDEDIR@

Name: @name@
Description: @description@
Version: @PROJECT_VERSION@
Requires: @requires@
Cflags: -I${includedir}
Libs: @libraries@
]])
  install(FILES "${PROJECT_BINARY_DIR}/package/${name}.pc" DESTINATION "${visor_pc_dir}" COMPONENT visor_library)
endfunction()

visor_pkg_config(visor "${PROJECT_DESCRIPTION}" "" "-lboost_json -lboost_url -pthread")
visor_pkg_config(visor-memory "visor without a database" "visor" "")
visor_pkg_config(visor-sqlite "visor on SQLite" "visor sqlite3 >= 3.38" "")
visor_pkg_config(visor-postgresql "visor on PostgreSQL" "visor libpq >= 15" "")
visor_pkg_config(visor-mysql "visor on MariaDB and MySQL" "visor libmariadb >= 3.3.4" "")
visor_pkg_config(visor-mssql "visor on SQL Server" "visor odbc" "")
visor_pkg_config(visor-zone "visor's time zones" "visor" "-ldate-tz")
visor_pkg_config(visor-yaml "visor's files of schedules" "visor yaml-cpp" "")
visor_pkg_config(visor-webhook "visor's webhooks" "visor openssl" "")

install(FILES LICENSE TYPE DOC COMPONENT visor_library)
