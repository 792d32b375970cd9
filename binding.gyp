# Only for "rebuild from source" tools that look for this file: everything is in CMakeLists.txt.
{
  'targets': [
    {
      'target_name': 'trident',
      'type': 'none',
      'actions': [
        {
          'action_name': 'cmake',
          'inputs': ['CMakeLists.txt', 'native/CMakeLists.txt', 'scripts/build.mjs'],
          'outputs': ['build/Release/out/trident.node'],
          'action': ['node', 'scripts/build.mjs', 'native'],
        },
      ],
    },
  ],
}
