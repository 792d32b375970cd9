# find_package(Trident): Trident::tritonserver is the library with the headers. As the targets of
# Triton's repositories it is known everywhere in a project, whichever directory asks first.
if(NOT TARGET Trident::tritonserver)
  include(${CMAKE_CURRENT_LIST_DIR}/TridentTargets.cmake)
  set_target_properties(Trident::tritonserver PROPERTIES IMPORTED_GLOBAL ON)
endif()
