# find_package(Trident): Trident::tritonserver is the library with the headers.
include(${CMAKE_CURRENT_LIST_DIR}/TridentTargets.cmake)
