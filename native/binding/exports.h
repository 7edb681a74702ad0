// All groups of the addon's exports, each in the file that is named beside it. addon.cc joins them. lib/native.ts says
// what each export does.
#pragma once

#include <napi.h>

namespace daxkind {

class HoldTable;
class CacheTable;

void exportSyscalls(Napi::Env env, Napi::Object exports);  // syscalls.cc
void exportFlags(Napi::Env env, Napi::Object exports);     // flags.cc
void exportMapping(Napi::Env env, Napi::Object exports);   // mapping.cc
void exportShown(Napi::Env env, Napi::Object exports);     // shown.cc
void exportGuard(Napi::Env env, Napi::Object exports);     // guard.cc
void exportLosses(Napi::Env env, Napi::Object exports);    // losses.cc
void exportMedia(Napi::Env env, Napi::Object exports);     // media.cc
void exportPersist(Napi::Env env, Napi::Object exports);   // persist.cc

// The exports of kinds. `holds` is the data of their functions.
void exportKindLayout(Napi::Env env, Napi::Object exports);                        // kind_layout.cc
void exportKindLifetime(Napi::Env env, Napi::Object exports, HoldTable* holds);    // kind_lifetime.cc
void exportKindBlocks(Napi::Env env, Napi::Object exports, HoldTable* holds);      // kind_blocks.cc
void exportKindSharing(Napi::Env env, Napi::Object exports, HoldTable* holds);     // kind_sharing.cc
void exportKindStatistics(Napi::Env env, Napi::Object exports, HoldTable* holds);  // kind_statistics.cc
void exportKindJobs(Napi::Env env, Napi::Object exports, HoldTable* holds);        // kind_jobs.cc

// The exports of caches. `caches` is the data of their functions.
void exportCache(Napi::Env env, Napi::Object exports, CacheTable* caches);  // cache.cc

}  // namespace daxkind
