{
    "targets": [
        {
            "target_name": "daxkind",
            "sources": ["<!@(node -p \"require('fs').readdirSync('native',{recursive:true}).filter(f=>f.endsWith('.cc')).map(f=>'native/'+f).join(' ')\")"],
            "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
            "defines": ["NAPI_VERSION=8", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS", "_FILE_OFFSET_BITS=64", "_GNU_SOURCE"],
            "cflags": ["-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-unused-parameter"],
            "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-exceptions"],
            "cflags_cc": ["-std=c++17"],
            "ldflags": ["-Wl,-z,nodelete", "-Wl,-z,now", "-static-libstdc++", "-static-libgcc"],
            "conditions": [["OS!='linux'", {"type": "none", "sources=": []}]]
        }
    ]
}
