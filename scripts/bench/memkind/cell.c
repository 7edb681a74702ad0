// The twin of cells/cell.mjs for memkind: measures one workload in C, and prints the result as one line of JSON.
#include "cell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct Cell cell;
memkind_t kind;

// "nodes:1,2": memkind's kind over memory that device-DAX devices have given to the kernel. memkind gets the nodes and
// does not look for them.
static memkind_t kindOnNodes(const char* nodes) {
    setenv("MEMKIND_DAX_KMEM_NODES", nodes, 1);
    if (memkind_check_available(MEMKIND_DAX_KMEM) == MEMKIND_SUCCESS) return MEMKIND_DAX_KMEM;
    fprintf(stderr, "memkind has no memory on the nodes %s\n", nodes);
    exit(1);
}

memkind_t openKind(void) {
    if (strncmp(cell.directory, "nodes:", 6) == 0) return kindOnNodes(cell.directory + 6);
    memkind_t opened;
    struct memkind_config* const config = memkind_config_new();
    memkind_config_set_path(config, cell.directory);
    memkind_config_set_size(config, cell.kindSize);
    memkind_config_set_memory_usage_policy(config, strcmp(cell.pattern, "tail-conservative") == 0
                                                       ? MEMKIND_MEM_USAGE_POLICY_CONSERVATIVE
                                                       : MEMKIND_MEM_USAGE_POLICY_DEFAULT);
    const int error = memkind_create_pmem_with_config(config, &opened);
    memkind_config_delete(config);
    if (error == 0) return opened;
    char message[MEMKIND_ERROR_MESSAGE_SIZE];
    memkind_error_message(error, message, sizeof(message));
    fprintf(stderr, "memkind_create_pmem_with_config in %s: %s\n", cell.directory, message);
    exit(1);
}

void* tryAllocate(size_t size) {
    void* const block = memkind_malloc(kind, size);
    if (block != NULL && cell.touch) *(volatile char*)block = 1;
    return block;
}

void* allocate(size_t size) {
    void* const block = tryAllocate(size);
    if (block != NULL) return block;
    fprintf(stderr, "memkind_malloc(%zu) failed: the kind is too small\n", size);
    exit(1);
}

static const struct {
    const char* pattern;
    void (*run)(void);
    int opensKind;  // It opens its own kinds.
} workloads[] = {
    {"pair", timePattern, 0},
    {"try", timePattern, 0},
    {"hold", timePattern, 0},
    {"random", timePattern, 0},
    {"fail", timePattern, 0},
    {"threads-pair", runThreads, 0},
    {"fill", fill, 0},
    {"threads-hold", runThreads, 0},
    {"threads-random", runThreads, 0},
    {"tail-default", runTail, 0},
    {"tail-conservative", runTail, 0},
    {"metadata", metadata, 0},
    {"create", createOne, 1},
    {"many", createMany, 1},
    {"faults", touchAll, 0},
};

int main(int argc, char** argv) {
    if (argc != 14) return 2;
    // argv[1] is the contestant, as in cell.mjs.
    cell.directory = argv[2];
    cell.pattern = argv[3];
    cell.kindSize = strtoull(argv[4], NULL, 10);
    cell.size = strtoull(argv[5], NULL, 10);
    cell.live = atol(argv[6]);
    cell.threads = atoi(argv[7]);
    cell.seed = (uint32_t)atol(argv[8]);
    cell.touch = atoi(argv[9]);
    cell.warmUpMs = atof(argv[10]);
    cell.samples = atol(argv[11]);
    cell.sampleMs = atof(argv[12]);
    cell.operations = atol(argv[13]);
    for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++) {
        if (strcmp(workloads[i].pattern, cell.pattern) != 0) continue;
        if (!workloads[i].opensKind) kind = openKind();
        workloads[i].run();
        if (!workloads[i].opensKind && kind != MEMKIND_DAX_KMEM) memkind_destroy_kind(kind);
        return 0;
    }
    fprintf(stderr, "memkind has no workload %s\n", cell.pattern);
    return 2;
}
