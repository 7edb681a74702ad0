// The tests of this program, by the names that main.cc gives them.
#pragma once

#include "check.h"

namespace test {

// Random calls against the reference model, over regions in plain memory of every shape.
void testModel(const Options& options);
// The same over the file of a pmem kind.
void testFile(const Options& options);
// Nameless files, and a file's blocks.
void testFiles(const Options& options);
// The heap's tables at their fullest.
void testTables(const Options& options);
// Whose the blocks are when system calls let go of the heap's lock.
void testOwners(const Options& options);
// What thread caches take of DRAM and of the heap.
void testCaches(const Options& options);
// Stores that are to be persistent.
void testStores(const Options& options);
// Caches against a model, policies, timers.
void testCache(const Options& options);
// Several threads on one cache.
void testCacheThreads(const Options& options);
// Several threads on one heap.
void testThreads(const Options& options);
// The threads for long tasks. The second test, in a program of its own, is how they end with the process.
void testJobs(const Options& options);
void testJobsAtExit(const Options& options);
// The kinds of a process: their numbers, their secrets, and the numbers of their raw handles.
void testRegistry(const Options& options);
// Making kinds and prefaulting them, also where system calls fail.
void testMaking(const Options& options);
// What a hold on a kind leaves behind.
void testOwnedBlocks(const Options& options);
// The end of a kind's decay.
void testDecay(const Options& options);
// When freed storage goes back, by a clock that the test moves.
void testDecayTime(const Options& options);
// Kinds on NUMA nodes.
void testNodes(const Options& options);
// The guard against SIGBUS: what becomes of lost pages, and what becomes of signals that are not for the guard. Each
// case of the latter is a program of its own, `guard-case --seed NUMBER`.
void testGuard(const Options& options);
void testGuardSignals(const Options& options);
void testGuardCase(const Options& options);
// System calls that fail, each in turn.
void testFaults(const Options& options);

}  // namespace test
