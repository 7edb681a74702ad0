# How the addon is built, for each binding.gyp that includes this in its target: the one of a clone, the one that a package
# has in addon/, and those that `npm run prebuilds` writes. Its variable `native` says where this folder is.
{
    "target_name": "daxkind",
    "sources": ["<!@(node -p \"require('fs').readdirSync('<(native)',{recursive:true}).filter(f=>f.endsWith('.cc')).map(f=>'<(native)/'+f).join(' ')\")"],
    "include_dirs": ["<(native)", "<!(node -p \"require('node-addon-api').include_dir\")"],
    "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS", "_FILE_OFFSET_BITS=64", "_GNU_SOURCE"],
    "cflags": ["-fvisibility=hidden", "-ffunction-sections", "-fdata-sections", "-Wall", "-Wextra", "-Wno-unused-parameter"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-exceptions"],
    "cflags_cc": ["-std=c++17"],
    # libgcc_s is the system's because Node itself needs it, and because Debian 12's static one needs glibc 2.35.
    "ldflags": [
        "-Wl,-z,nodelete", "-Wl,-z,now", "-Wl,--gc-sections", "-static-libstdc++",
        "-Wl,--version-script=<(module_root_dir)/<(native)/exports.map"
    ],
    "conditions": [["OS!='linux'", {"type": "none", "sources=": []}]]
}
