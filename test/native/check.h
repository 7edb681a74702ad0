// What every test of this program uses: a check that says how to repeat the run that failed, and random numbers from a
// seed.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>

// Ends the program with a message unless the condition holds. What follows the condition is a printf format. The check
// is never compiled out.
#define CHECK(condition, ...)                                                            \
    do {                                                                                 \
        if (!(condition)) ::test::fail(__FILE__, __LINE__, #condition, " " __VA_ARGS__); \
    } while (false)

namespace test {

// What the program was asked to do.
struct Options {
    uint64_t seed = 1;
    double seconds = 1;
    std::string directory = "/dev/shm";
    uint32_t threads = 4;
    bool verbose = false;
};

// What this thread is doing, in words. It is printed when a check fails.
std::string& context();

[[noreturn]] void fail(const char* file, int line, const char* condition, const char* format, ...)
    __attribute__((format(printf, 4, 5)));

// Seconds since the program began.
double elapsed();

// Waits for what other threads do, for a minute at most. `what` completes "waiting until".
template <typename Condition>
void until(const char* what, Condition condition) {
    const std::string before = context();
    context() += std::string(" (waiting until ") + what + ")";
    const double end = elapsed() + 60;
    while (!condition()) {
        CHECK(elapsed() < end, "after a minute this is still not true: %s", what);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    context() = before;
}

// Runs rounds of a test, each with its own seed, until the seconds are over. Runs at least one.
template <typename Body>
void forRounds(const char* test, const Options& options, Body body) {
    const double end = elapsed() + options.seconds;
    uint64_t seed = options.seed;
    do {
        context() = std::string(test) + " --seconds 0 --seed " + std::to_string(seed);
        body(seed++);
    } while (elapsed() < end);
    std::printf("%s: %llu rounds from seed %llu\n", test, static_cast<unsigned long long>(seed - options.seed),
                static_cast<unsigned long long>(options.seed));
}

// splitmix64, because it is short and every seed is a good one.
class Random {
  public:
    explicit Random(uint64_t seed) : state_(seed) {}

    uint64_t next() {
        state_ += 0x9e3779b97f4a7c15;
        uint64_t mixed = state_;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
        return mixed ^ (mixed >> 31);
    }
    // A number from 0 to count - 1.
    uint64_t below(uint64_t count) { return next() % count; }
    bool percent(uint32_t chance) { return below(100) < chance; }
    // A number from 1 to most. Every order of magnitude is as likely as any other.
    uint64_t magnitude(uint64_t most) {
        const uint32_t bits = 64 - static_cast<uint32_t>(__builtin_clzll(most));
        const uint64_t value = (next() >> (64 - 1 - below(bits))) + 1;
        return value < most ? value : most;
    }

  private:
    uint64_t state_;
};

}  // namespace test
