// Watches which instructions a program really executes to make stores persistent: flushes of cache lines, stores past
// the caches, fences, and system calls. The processor's trap flag stops the thread after each instruction, and the
// handler of SIGTRAP looks at the next one. x86-64 only.
//
// It is a library for LD_PRELOAD. process.kill(process.pid, 0) of a script begins, and the next one ends and prints the
// events to file descriptor 3, as a line of JSON: [["clwb", address, 64] (or clflushopt, clflush),
// ["stream", address, bytes], ["fence", 0, 0], ["call", number of the system call, 0]].
#define _GNU_SOURCE
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <ucontext.h>
#include <unistd.h>

#define MOST (1 << 20)
static struct {
    const char* sort;
    uint64_t value;
    uint32_t length;
} events[MOST];
static size_t count;
static int isTracing;

// The values of the registers by their numbers in an instruction.
static const int registers[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static void add(const char* sort, uint64_t value, uint32_t length) {
    if (count == MOST) return;
    events[count].sort = sort;
    events[count].value = value;
    events[count++].length = length;
}

// The address of the memory operand that begins at `modrm` (Intel SDM volume 2A, 2.1.5). `extension` has the bits that
// prefixes add: 1 to the base register, 2 to the index register. A displacement of one byte counts in `unit`s.
static uint64_t addressOf(const greg_t* at, const uint8_t* modrm, int extension, int unit) {
    const int mod = *modrm >> 6;
    const int low = *modrm & 7;
    const uint8_t* next = modrm + 1;
    uint64_t address = 0;
    int isBased = 1;
    int base = low;
    if (low == 4) {
        const uint8_t sib = *next++;
        const int index = ((sib >> 3) & 7) + (extension & 2 ? 8 : 0);
        base = sib & 7;
        if (index != 4) address += (uint64_t)at[registers[index]] << (sib >> 6);
        isBased = !(base == 5 && mod == 0);
    } else if (low == 5 && mod == 0) {
        return 0;  // Relative to the instruction. What is flushed is never at a fixed address.
    }
    if (isBased) address += (uint64_t)at[registers[base + (extension & 1 ? 8 : 0)]];
    if (mod == 1) address += (uint64_t)((int64_t)(int8_t)*next * unit);
    if (mod == 2 || !isBased) {
        int32_t displacement;
        memcpy(&displacement, next, sizeof displacement);
        address += (uint64_t)(int64_t)displacement;
    }
    return address;
}

static void look(const greg_t* at) {
    const uint8_t* code = (const uint8_t*)at[REG_RIP];
    if (code[0] == 0x0f && code[1] == 0x05) {
        add("call", (uint64_t)at[REG_RAX], 0);
        return;
    }
    // VEX and EVEX forms of movntdq: opcode e7 of the map 0f, prefix 66.
    if (code[0] == 0xc5 && code[2] == 0xe7 && (code[1] & 3) == 1) {
        add("stream", addressOf(at, code + 3, 0, 1), code[1] & 4 ? 32 : 16);
        return;
    }
    if (code[0] == 0xc4 && (code[1] & 31) == 1 && code[3] == 0xe7 && (code[2] & 3) == 1) {
        const int extension = (code[1] & 0x20 ? 0 : 1) | (code[1] & 0x40 ? 0 : 2);
        add("stream", addressOf(at, code + 4, extension, 1), code[2] & 4 ? 32 : 16);
        return;
    }
    if (code[0] == 0x62 && (code[1] & 7) == 1 && code[4] == 0xe7 && (code[2] & 3) == 1) {
        const int extension = (code[1] & 0x20 ? 0 : 1) | (code[1] & 0x40 ? 0 : 2);
        const int length = 16 << ((code[3] >> 5) & 3);
        add("stream", addressOf(at, code + 5, extension, length), (uint32_t)length);
        return;
    }
    int has66 = 0;
    int extension = 0;
    if (*code == 0x66) {
        has66 = 1;
        code++;
    }
    if ((*code & 0xf0) == 0x40) {
        extension = (*code & 1) | (*code & 2);
        code++;
    }
    if (code[0] != 0x0f) return;
    if (code[1] == 0xae && code[2] == 0xf8 && !has66) add("fence", 0, 0);
    const int field = (code[2] >> 3) & 7;
    if (code[1] == 0xae && code[2] < 0xc0 && (field == 7 || (field == 6 && has66))) {
        const char* const sort = field == 6 ? "clwb" : has66 ? "clflushopt" : "clflush";
        add(sort, addressOf(at, code + 2, extension, 1), 64);
    }
    if (code[1] == 0xe7 && has66) add("stream", addressOf(at, code + 2, extension, 1), 16);
}

static void onTrap(int number, siginfo_t* info, void* context) {
    (void)number;
    (void)info;
    look(((ucontext_t*)context)->uc_mcontext.gregs);
}

static void begin(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = onTrap;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &action, NULL);
    count = 0;
    isTracing = 1;
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
}

static void end(void) {
    __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
    isTracing = 0;
    // The call of getpid() that led here is not the script's.
    while (count > 0 && strcmp(events[count - 1].sort, "call") == 0 && events[count - 1].value == SYS_getpid) count--;
    dprintf(3, "[");
    for (size_t i = 0; i < count; i++) {
        dprintf(3, "%s[\"%s\",%llu,%u]", i == 0 ? "" : ",", events[i].sort, (unsigned long long)events[i].value,
                events[i].length);
    }
    dprintf(3, "]\n");
}

int kill(pid_t process, int number) {
    if (number != 0 || process != getpid()) return (int)syscall(SYS_kill, process, number);
    if (isTracing)
        end();
    else
        begin();
    return 0;
}
