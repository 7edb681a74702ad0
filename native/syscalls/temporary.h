// Nameless files: what a volatile kind lives in. The file is gone with its last descriptor and mapping, whatever ends
// the process.
#pragma once

namespace daxkind::syscalls {

// Makes a file without a name in `directory`, open for reading and writing, closed on exec, mode 0600, that can never
// get a name: open(O_TMPFILE|O_EXCL), and where the file system, the kernel or a sandbox has no O_TMPFILE, if
// `mayHaveName`, a file that is created and unlinked at once, which changes the directory's times, and else the error
// of the first. It inherits the directory's FS_XFLAG_DAX. Returns 0, or a negative errno with the failed call's name
// ("open", "unlink") in `*failedCall`; nothing is left behind then.
int openTemporary(const char* directory, bool mayHaveName, int* fd, const char** failedCall);

}  // namespace daxkind::syscalls
