// Nameless files, in which volatile kinds live. The file is gone with its last descriptor and mapping, however the
// process ends.
#pragma once

namespace daxkind::syscalls {

// Makes a file in `directory` that has no name and can never get one. It is open for reading and writing, closed on
// exec, and has mode 0600. The call is open(O_TMPFILE|O_EXCL). Where the file system, the kernel or a sandbox has no
// O_TMPFILE, and if `mayHaveName`, a file is created and unlinked at once, which changes the directory's times. Without
// `mayHaveName` the first call's error is returned. The file inherits the directory's FS_XFLAG_DAX. Returns 0, or a
// negative errno with the failed call's name ("open", "unlink") in `*failedCall`. Nothing is left behind if it fails.
int openTemporary(const char* directory, bool mayHaveName, int* fd, const char** failedCall);

}  // namespace daxkind::syscalls
