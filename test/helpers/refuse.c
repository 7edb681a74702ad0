// refuse CALL=ERRNO… -- COMMAND…: runs the command while a seccomp filter refuses some system calls, as a sandbox does.
// CALL is a name, or NAME@ARGUMENT&MASK:VALUE for only those calls whose argument has that value in the bits of the
// mask.
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char* name;
    int number;
} calls[] = {
    {"statx", SYS_statx},   {"statfs", SYS_statfs}, {"fstatfs", SYS_fstatfs},     {"ioctl", SYS_ioctl},
    {"openat", SYS_openat}, {"mmap", SYS_mmap},     {"fallocate", SYS_fallocate}, {"madvise", SYS_madvise},
#ifdef SYS_open
    {"open", SYS_open},
#endif
};

static int numberOf(const char* name) {
    for (size_t n = 0; n < sizeof calls / sizeof *calls; ++n)
        if (strcmp(name, calls[n].name) == 0) return calls[n].number;
    fprintf(stderr, "refuse: no such call: %s\n", name);
    exit(125);
}

static struct sock_filter program[256];
static unsigned short length;

static void add(unsigned short code, unsigned int k, unsigned char yes, unsigned char no) {
    program[length++] = (struct sock_filter)BPF_JUMP(code, k, yes, no);
}

int main(int count, char** words) {
    int at = 1;
    for (; at < count && strcmp(words[at], "--") != 0; ++at) {
        char name[32];
        unsigned argument = 0, mask = 0, value = 0;
        int error = 0;
        if (sscanf(words[at], "%31[a-z]@%u&%i:%i=%d", name, &argument, (int*)&mask, (int*)&value, &error) != 5) {
            argument = mask = value = 0;
            if (sscanf(words[at], "%31[a-z]=%d", name, &error) != 2) return 125;
        }
        add(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
        add(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)numberOf(name), 0, 4);
        // The low half of the argument. It comes first because both our architectures are little-endian.
        add(BPF_LD | BPF_W | BPF_ABS, (unsigned)(offsetof(struct seccomp_data, args) + 8 * argument), 0, 0);
        add(BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
        add(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
        add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error, 0, 0);
    }
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    struct sock_fprog filter = {length, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
        perror("refuse: seccomp");
        return 125;
    }
    if (at + 1 < count) execvp(words[at + 1], words + at + 1);
    perror("refuse: exec");
    return 125;
}
