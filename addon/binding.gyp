# For a user of the package whose machine none of its binaries fits: docs/install.md says how this is used. A binding.gyp in
# the package's root would make package managers build on each install. The result is where a clone has it.
{
    "variables": {"native": "../native"},
    "targets": [{
        "includes": ["../native/addon.gypi"],
        "product_dir": "<(module_root_dir)/../build/Release"
    }]
}
