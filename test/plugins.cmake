# Plug-ins for tests only, one for each file of this folder:
# out/test_<kind>/<name>/lib<prefix>_<name>.so. `ours` are linked beside them, so that one directory
# serves. What the plug-in `checker` calls counts in the record of the C client.
function(add_test_plugins kind prefix ours checker)
  file(GLOB plugins ${CMAKE_CURRENT_SOURCE_DIR}/*.c ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  add_custom_target(trident_test_${kind})
  foreach(source ${plugins})
    get_filename_component(name ${source} NAME_WE)
    add_library(${prefix}_${name} SHARED ${source})
    target_compile_options(${prefix}_${name} PRIVATE
      $<$<COMPILE_LANGUAGE:C>:-std=c11 -Wpedantic -Werror>)
    target_link_libraries(${prefix}_${name} PRIVATE tritonserver Threads::Threads)
    set_target_properties(${prefix}_${name} PROPERTIES
      LIBRARY_OUTPUT_DIRECTORY ${OUT}/test_${kind}/${name}
      BUILD_WITH_INSTALL_RPATH ON INSTALL_RPATH "$ORIGIN/../..")
    add_dependencies(trident_test_${kind} ${prefix}_${name})
  endforeach()
  target_include_directories(${prefix}_${checker} PRIVATE ${TEST}/capi)
  target_link_libraries(${prefix}_${checker} PRIVATE trident_capi_checks)

  file(MAKE_DIRECTORY ${OUT}/test_${kind})
  foreach(name ${ours})
    file(CREATE_LINK ../${kind}/${name} ${OUT}/test_${kind}/${name} SYMBOLIC)
    add_dependencies(trident_test_${kind} ${prefix}_${name})
  endforeach()
endfunction()
