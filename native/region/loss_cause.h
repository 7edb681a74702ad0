// Why a page of a file is lost: before Linux 6.2 or so the kernel says no more than that it is not there.
#pragma once

#include "region/region.h"

namespace daxkind {

// Of the file that is open as `fd`; the part is in bytes of the file.
LossCause lossCauseInFile(int fd, const guard::Part& part);

}  // namespace daxkind
