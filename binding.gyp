{
    "variables": {"native": "native"},
    "targets": [{"includes": ["native/addon.gypi"]}]
}
