// old-kernel COMMAND…: runs the command as on a Linux before 5.8, as far as statx goes. Its result has no
// STATX_ATTR_DAX in the attributes and their mask, and no mount number.
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/ptrace.h>
#include <linux/seccomp.h>
#include <linux/stat.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTRIBUTE_DAX 0x00200000ull
#define FIELD_MOUNT_ID 0x1000u

static long trace(long request, pid_t pid, void* address, void* data) {
    return syscall(SYS_ptrace, request, pid, address, data);
}

/* The address that each thread's statx writes to, from the call's start to its end. */
static struct {
    pid_t pid;
    unsigned long buffer;
} pending[4096];

static unsigned long* bufferOf(pid_t pid) {
    size_t n = (size_t)pid % 4096;
    while (pending[n].pid != pid && pending[n].pid != 0) n = (n + 1) % 4096;
    pending[n].pid = pid;
    return &pending[n].buffer;
}

static void makeOld(pid_t pid, unsigned long buffer) {
    struct statx status;
    struct iovec here = {&status, offsetof(struct statx, stx_attributes_mask) + 8};
    struct iovec there = {(void*)buffer, here.iov_len};
    if (process_vm_readv(pid, &here, 1, &there, 1, 0) < 0) return;
    status.stx_mask &= ~FIELD_MOUNT_ID;
    status.stx_attributes &= ~ATTRIBUTE_DAX;
    status.stx_attributes_mask &= ~ATTRIBUTE_DAX;
    process_vm_writev(pid, &here, 1, &there, 1, 0);
    // stx_mnt_id, 8 bytes at 0x90 (linux/stat.h, 5.8).
    unsigned long long none = 0;
    here = (struct iovec){&none, sizeof none};
    there = (struct iovec){(void*)(buffer + 0x90), sizeof none};
    process_vm_writev(pid, &here, 1, &there, 1, 0);
}

int main(int count, char** words) {
    (void)count;
    pid_t child = fork();
    if (child == 0) {
        struct sock_filter program[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_statx, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog filter = {4, program};
        if (trace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(125);
        raise(SIGSTOP);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
            _exit(125);
        execvp(words[1], words + 1);
        _exit(127);
    }
    int status;
    waitpid(child, &status, 0);
    if (!WIFSTOPPED(status)) return 125;
    long options = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                   PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL;
    if (trace(PTRACE_SETOPTIONS, child, NULL, (void*)options) != 0) return 125;
    trace(PTRACE_CONT, child, NULL, NULL);
    for (;;) {
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0) return 125;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (pid == child) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        int signal = WSTOPSIG(status), event = status >> 16;
        struct ptrace_syscall_info info;
        if (event == PTRACE_EVENT_SECCOMP) {
            trace(PTRACE_GET_SYSCALL_INFO, pid, (void*)sizeof info, &info);
            *bufferOf(pid) = (unsigned long)info.seccomp.args[4];
            trace(PTRACE_SYSCALL, pid, NULL, NULL);
        } else if (signal == (SIGTRAP | 0x80)) {
            trace(PTRACE_GET_SYSCALL_INFO, pid, (void*)sizeof info, &info);
            if (info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.rval == 0) makeOld(pid, *bufferOf(pid));
            trace(PTRACE_CONT, pid, NULL, NULL);
        } else {
            // These signals are ptrace's: the kernel stops a new thread with one, and exec and clone report themselves
            // with one. They are not passed on.
            int isOurs = event != 0 || signal == SIGSTOP || signal == SIGTRAP;
            trace(PTRACE_CONT, pid, NULL, (void*)(long)(isOurs ? 0 : signal));
        }
    }
}
