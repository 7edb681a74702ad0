// What kinds cost beside the memory that they hand out, and what its first touch costs: as cells/memory.mjs and
// faults.mjs.
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "cell.h"

enum { kPage = 4096 };

static double anonymousBytes(void) {
    FILE* const status = fopen("/proc/self/status", "r");
    char line[256];
    long kib = 0;
    while (fgets(line, sizeof(line), status) != NULL && sscanf(line, "RssAnon: %ld", &kib) != 1) continue;
    fclose(status);
    return 1024.0 * (double)kib;
}

static long countMaps(void) {
    FILE* const maps = fopen("/proc/self/maps", "r");
    long lines = 0;
    for (int character; (character = fgetc(maps)) != EOF;) lines += character == '\n';
    fclose(maps);
    return lines;
}

static double microseconds(void) {
    return nanoseconds(CLOCK_MONOTONIC) / 1000;
}

void metadata(void) {
    struct Sequence sequence;
    sequence.state = cell.seed;
    memkind_free(kind, allocate(16));
    const double before = anonymousBytes();
    long count = 0;
    double requested = 0;
    for (;; count++) {
        const size_t size = 16 + (size_t)(next(&sequence) % 8161);
        if (tryAllocate(size) == NULL) break;
        requested += (double)size;
    }
    printf("{\"blocks\":%ld,\"requested\":%.0f,\"dram\":%.8f}\n", count, requested,
           (anonymousBytes() - before) / requested);
}

void createOne(void) {
    double* const closes = calloc((size_t)cell.live, sizeof(*closes));
    printf("{\"create\":[");
    for (long i = 0; i < cell.live; i++) {
        const double from = microseconds();
        memkind_t const opened = openKind();
        const double made = microseconds();
        memkind_destroy_kind(opened);
        closes[i] = microseconds() - made;
        printf("%s%.3f", i == 0 ? "" : ",", made - from);
    }
    printf("],\"close\":[");
    for (long i = 0; i < cell.live; i++) printf("%s%.3f", i == 0 ? "" : ",", closes[i]);
    printf("]}\n");
}

// memkind runs out of arenas before it has opened many kinds. Then the figures are for as many as it could open.
void createMany(void) {
    memkind_t* const kinds = calloc((size_t)cell.live, sizeof(*kinds));
    memkind_destroy_kind(openKind());
    const double before = anonymousBytes();
    const long maps = countMaps();
    const double from = microseconds();
    long open = 0;
    while (open < cell.live && memkind_create_pmem(cell.directory, cell.kindSize, &kinds[open]) == 0) open++;
    const double opened = microseconds();
    const double each = open == 0 ? 1 : (double)open;
    const double empty = (anonymousBytes() - before) / each;
    for (long i = 0; i < open; i++) {
        if (memkind_malloc(kinds[i], 64) == NULL) exit(1);
    }
    const double used = (anonymousBytes() - before) / each;
    const double mappings = (double)(countMaps() - maps) / each;
    const double closing = microseconds();
    for (long i = 0; i < open; i++) memkind_destroy_kind(kinds[i]);
    printf("{\"open\":%ld,\"create\":%.3f,\"close\":%.3f,\"empty\":%.1f,\"used\":%.1f,\"maps\":%.2f}\n", open,
           (opened - from) / each, (microseconds() - closing) / each, empty, used, mappings);
}

static long minorFaults(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
}

void touchAll(void) {
    char** const blocks = calloc((size_t)cell.live, sizeof(*blocks));
    for (long i = 0; i < cell.live; i++) blocks[i] = allocate(cell.size);
    const long before = minorFaults();
    const double from = microseconds();
    for (long i = 0; i < cell.live; i++) {
        for (size_t at = 0; at < cell.size; at += kPage) *(volatile char*)(blocks[i] + at) = 1;
    }
    const double mib = (double)cell.size * (double)cell.live / (1 << 20);
    printf("{\"faults\":%.4f,\"ms\":%.6f}\n", (double)(minorFaults() - before) / mib,
           (microseconds() - from) / 1000 / mib);
}
