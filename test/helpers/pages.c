// What the kernel does with memory that is mapped from a file or a device, and with that file as the source of a
// transfer. It makes the calls that Node does not make.
//
// pages try FILE OFFSET LENGTH OTHER: maps a part of FILE, shared, and tries every call. It prints one line for each:
//   "name: ok", the errno's name, or what went wrong. The part must be full of the letter x, and LENGTH must be at
//   least 1 MiB. OTHER is a file to write to.
// pages hold FILE OFFSET MS: has a pipe hold one page of FILE (vmsplice) and prints "held". It lets go when its input
//   ends, or after MS milliseconds.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { page = 4096, some = 16 * page };

static char* memory;
static off_t start;

static void say(const char* name, long result) {
    printf("%s: %s\n", name, result >= 0 ? "ok" : strerrorname_np(errno));
}

/* Prints the result of a transfer. One that came to its end but moved other bytes is reported as wrong. */
static void sayMoved(const char* name, long result, long wanted, const char* got) {
    static char expected[some];
    memset(expected, 'x', sizeof expected);
    if (result < 0)
        say(name, result);
    else if (result != wanted)
        printf("%s: %ld of %ld bytes\n", name, result, wanted);
    else
        printf("%s: %s\n", name, memcmp(got, expected, (size_t)wanted) == 0 ? "ok" : "other bytes");
}

static void tryPipe(const char* name, unsigned flags) {
    int ends[2];
    char got[page] = {0};
    struct iovec part = {memory, page};
    if (pipe(ends) != 0) return say(name, -1);
    const long result = vmsplice(ends[1], &part, 1, flags);
    if (result > 0 && read(ends[0], got, page) != page) return say(name, -1);
    sayMoved(name, result, page, got);
    close(ends[0]);
    close(ends[1]);
}

/* Makes a connection of this process to itself. */
static int connection(int ends[2]) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    const int server = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server, (void*)&address, length) != 0 || listen(server, 1) != 0) return -1;
    if (getsockname(server, (void*)&address, &length) != 0) return -1;
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(ends[0], (void*)&address, length) != 0) return -1;
    ends[1] = accept(server, NULL, NULL);
    return ends[1];
}

static void tryTransfers(int file, const char* path) {
    static char got[some];
    int tcp[2], ends[2];
    off_t at = start;
    if (connection(tcp) < 0) return say("TCP", -1);
    long result = sendfile(tcp[0], file, &at, some);
    if (result > 0) recv(tcp[1], got, (size_t)result, MSG_WAITALL);
    sayMoved("sendfile to TCP", result, some, got);
    const int one = 1;
    setsockopt(tcp[0], SOL_SOCKET, SO_ZEROCOPY, &one, sizeof one);
    result = send(tcp[0], memory, some, MSG_ZEROCOPY);
    if (result > 0) recv(tcp[1], got, (size_t)result, MSG_WAITALL);
    sayMoved("send MSG_ZEROCOPY", result, some, got);

    const int other = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (other < 0) return say("open", -1);
    at = start;
    result = sendfile(other, file, &at, some);
    if (result > 0 && pread(other, got, some, 0) < 0) return say("read", -1);
    sayMoved("sendfile to a file", result, some, got);
    loff_t from = start, to = 0;
    say("copy_file_range to another file system", copy_file_range(file, &from, other, &to, some, 0));

    if (pipe(ends) != 0) return say("pipe", -1);
    from = start;
    result = splice(file, &from, ends[1], NULL, page, 0);
    if (result > 0 && read(ends[0], got, (size_t)result) != result) return say("read", -1);
    sayMoved("splice to a pipe", result, page, got);
    memset(got, 'x', sizeof got);
    if (write(ends[1], got, page) != page) return say("write", -1);
    to = start;
    memset(memory, ' ', page);
    result = splice(ends[0], NULL, file, &to, page, 0);
    if (result < 0) memset(memory, 'x', page);
    sayMoved("splice from a pipe", result, page, memory);
}

static void tryUring(size_t length) {
    struct io_uring_params parameters = {0};
    struct iovec part = {memory, length};
    const long ring = syscall(SYS_io_uring_setup, 8, &parameters);
    say("io_uring registered buffers",
        ring < 0 ? ring : syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &part, 1));
    if (ring >= 0) close((int)ring);
}

static void tryUserfault(const char* name, size_t length, unsigned mode) {
    const long faults = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    struct uffdio_api api = {.api = UFFD_API};
    struct uffdio_register part = {.range = {(unsigned long)memory, length}, .mode = mode};
    say(name, faults < 0 || ioctl((int)faults, UFFDIO_API, &api) < 0 ? -1 : ioctl((int)faults, UFFDIO_REGISTER, &part));
    if (faults >= 0) close((int)faults);
}

static void tryAll(int file, size_t length, const char* other) {
    tryPipe("vmsplice", 0);
    tryPipe("vmsplice GIFT", SPLICE_F_GIFT);
    tryTransfers(file, other);
    tryUring(length);
    tryUserfault("userfaultfd MISSING", length, UFFDIO_REGISTER_MODE_MISSING);
    tryUserfault("userfaultfd WP", length, UFFDIO_REGISTER_MODE_WP);
    say("madvise MADV_FREE", madvise(memory, length, MADV_FREE));
}

int main(int count, char** words) {
    if (count < 5) return 2;
    const int file = open(words[2], O_RDWR);
    start = atoll(words[3]);
    if (file < 0) return perror("open"), 1;
    const int isTrying = strcmp(words[1], "try") == 0;
    // A device maps whole units of its alignment.
    const size_t length = isTrying ? (size_t)atoll(words[4]) : 512 * page;
    memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, start);
    if (memory == MAP_FAILED) return perror("mmap"), 1;
    if (isTrying) {
        tryAll(file, length, words[5]);
        return 0;
    }
    int ends[2];
    struct iovec part = {memory, page};
    if (pipe(ends) != 0 || vmsplice(ends[1], &part, 1, 0) != page) return perror("vmsplice"), 1;
    puts("held");
    fflush(stdout);
    struct pollfd input = {.fd = 0, .events = POLLIN};
    return poll(&input, 1, atoi(words[4])) < 0;
}
