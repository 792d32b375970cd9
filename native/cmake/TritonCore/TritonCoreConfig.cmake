# find_package(TritonCore): Trident under the names of Triton's own package. What Triton calls the
# stub, to link a plug-in against, is the library itself.
include(CMakeFindDependencyMacro)
find_dependency(Trident PATHS ${CMAKE_CURRENT_LIST_DIR}/../Trident NO_DEFAULT_PATH)

if(NOT TARGET TritonCore::triton-core-serverstub)
  foreach(api serverapi backendapi cacheapi repoagentapi)
    add_library(TritonCore::triton-core-${api} INTERFACE IMPORTED GLOBAL)
    target_include_directories(TritonCore::triton-core-${api}
      INTERFACE ${CMAKE_CURRENT_LIST_DIR}/../../../include)
  endforeach()
  add_library(TritonCore::triton-core-serverstub ALIAS Trident::tritonserver)
endif()
