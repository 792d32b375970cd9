# cmake --install <build> --prefix <dir>: a tree that can be moved anywhere. Its layout is that of
# /opt/tritonserver, so programs made for Triton find lib/, include/ and backends/ where they look.
# Component `node` adds the addon, and the whole is the npm package of a platform.
include(CMakePackageConfigHelpers)
file(READ ${NATIVE}/base/version.h version)
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" TRIDENT_VERSION "${version}")
set(CMAKE_PACKAGES ${CMAKE_CURRENT_BINARY_DIR}/packages)

install(DIRECTORY ${NATIVE}/include/ DESTINATION include)
install(TARGETS tritonserver EXPORT TridentTargets
  LIBRARY DESTINATION lib INCLUDES DESTINATION include)
foreach(name ${BACKENDS})
  if(TARGET triton_${name})
    install(TARGETS triton_${name} LIBRARY DESTINATION backends/${name})
  endif()
endforeach()
install(TARGETS trident_instance RUNTIME DESTINATION backends/isolation)
foreach(name ${CACHES})
  install(TARGETS tritoncache_${name} LIBRARY DESTINATION caches/${name})
endforeach()
foreach(name ${AGENTS})
  install(TARGETS tritonrepoagent_${name} LIBRARY DESTINATION repoagents/${name})
endforeach()
if(TARGET trident_node)
  install(TARGETS trident_node LIBRARY DESTINATION . COMPONENT node EXCLUDE_FROM_ALL)
endif()

# For find_package(Trident); TritonCore is the name by which Triton's own parts ask for theirs.
install(EXPORT TridentTargets NAMESPACE Trident:: DESTINATION lib/cmake/Trident)
write_basic_package_version_file(${CMAKE_PACKAGES}/TridentConfigVersion.cmake
  VERSION ${TRIDENT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_PACKAGES}/TridentConfigVersion.cmake ${NATIVE}/cmake/TridentConfig.cmake
  DESTINATION lib/cmake/Trident)
install(DIRECTORY ${NATIVE}/cmake/TritonCore DESTINATION lib/cmake)

# For pkg-config
configure_file(${NATIVE}/cmake/trident.pc.in ${CMAKE_PACKAGES}/trident.pc @ONLY)
install(FILES ${CMAKE_PACKAGES}/trident.pc DESTINATION lib/pkgconfig)
