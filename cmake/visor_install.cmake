include(CMakePackageConfigHelpers)

install(TARGETS visor_visor EXPORT visorTargets FILE_SET HEADERS)
foreach(component IN LISTS visor_components)
  install(TARGETS visor_${component} EXPORT visorTargets)
endforeach()
