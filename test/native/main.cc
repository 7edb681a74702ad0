// The test program of the C++ core, without Node and without a test framework. `native-test TEST… [options]`.
// scripts/native-test.mjs builds it with sanitizers and runs it. It ends with status 0, or with a message that says how
// to repeat what failed.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "check.h"
#include "tests.h"

// These exist in a program with a sanitizer. The sanitizer chose the names.
extern "C" void __sanitizer_print_stack_trace() __attribute__((weak));
extern "C" void __sanitizer_set_death_callback(void (*)()) __attribute__((weak));
namespace test {

std::string& context() {
    static thread_local std::string text;
    return text;
}

double elapsed() {
    static const auto start = std::chrono::steady_clock::now();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

namespace {

void sayHowToRepeat() {
    std::fprintf(stderr, "To repeat it: native-test %s\n", context().c_str());
}

void onCrash(int signal) {
    std::fprintf(stderr, "Killed by signal %d.\n", signal);
    sayHowToRepeat();
    _exit(1);
}

// After a crash, too, the program says how to repeat it.
void installHandlers() {
    if (__sanitizer_set_death_callback != nullptr) {
        __sanitizer_set_death_callback(sayHowToRepeat);
        return;
    }
    for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) std::signal(signal, onCrash);
}

}  // namespace

void fail(const char* file, int line, const char* condition, const char* format, ...) {
    std::fflush(stdout);
    std::fprintf(stderr, "%s:%d: not true: %s.", file, line, condition);
    va_list arguments;
    va_start(arguments, format);
    std::vfprintf(stderr, format, arguments);
    va_end(arguments);
    std::fprintf(stderr, "\n");
    sayHowToRepeat();
    if (__sanitizer_print_stack_trace != nullptr) __sanitizer_print_stack_trace();
    std::fflush(stderr);
    _exit(1);
}

namespace {

struct Test {
    const char* name;
    const char* what;
    void (*run)(const Options&);
};

const Test kTests[] = {
    {"model", "random calls on regions in plain memory, against a reference model", testModel},
    {"file", "the same on the file of a pmem kind", testFile},
    {"files", "nameless files, and a file's blocks", testFiles},
    {"tables", "a heap cut into as many slabs as possible", testTables},
    {"owners", "what happens while another thread waits for storage", testOwners},
    {"caches", "how much DRAM thread caches take", testCaches},
    {"stores", "stores that are to be persistent, by each instruction of this processor", testStores},
    {"cache", "random calls on caches, against a model", testCache},
    {"cache-threads", "several threads on one cache", testCacheThreads},
    {"threads", "several threads with a thread cache each on one heap", testThreads},
    {"jobs", "the threads for long tasks", testJobs},
    {"jobs-at-exit", "the program ends while these threads work", testJobsAtExit},
    {"registry", "the kinds of the process", testRegistry},
    {"making", "kinds are made and faulted in", testMaking},
    {"nodes", "kinds on NUMA nodes", testNodes},
    {"owned-blocks", "what a hold on a kind leaves behind", testOwnedBlocks},
    {"decay", "the end of a kind's decay", testDecay},
    {"decay-time", "when freed storage goes back", testDecayTime},
    {"guard", "files lose pages that are watched", testGuard},
    {"guard-signals", "SIGBUS that is not for the guard", testGuardSignals},
    {"guard-case", "one case of guard-signals; the seed is its number", testGuardCase},
    {"faults", "each system call of a kind fails in turn", testFaults},
};

int usage() {
    std::fprintf(stderr,
                 "usage: native-test TEST... [--seed N] [--seconds S] [--threads N] [--directory DIR] [--verbose]\n");
    for (const Test& test : kTests) std::fprintf(stderr, "  %-13s %s\n", test.name, test.what);
    return 2;
}

int run(int count, char** arguments) {
    elapsed();
    installHandlers();
    Options options;
    std::vector<const Test*> chosen;
    for (int i = 1; i < count; i++) {
        const std::string argument = arguments[i];
        const char* const value = i + 1 < count ? arguments[i + 1] : "";
        const bool takesValue =
            argument == "--seed" || argument == "--seconds" || argument == "--threads" || argument == "--directory";
        if (argument == "--seed") options.seed = std::strtoull(value, nullptr, 10);
        if (argument == "--seconds") options.seconds = std::strtod(value, nullptr);
        if (argument == "--threads") options.threads = static_cast<uint32_t>(std::strtoul(value, nullptr, 10));
        if (argument == "--directory") options.directory = value;
        if (argument == "--verbose") options.verbose = true;
        if (takesValue) i++;
        const size_t had = chosen.size();
        for (const Test& test : kTests) {
            if (argument == test.name) chosen.push_back(&test);
        }
        if (!takesValue && argument != "--verbose" && chosen.size() == had) return usage();
    }
    if (chosen.empty()) return usage();
    for (const Test* test : chosen) test->run(options);
    return 0;
}

}  // namespace

}  // namespace test

int main(int count, char** arguments) {
    return test::run(count, arguments);
}
