// Why a page of a file is lost. Before about Linux 6.2 the kernel says only that the page is not there.
#pragma once

#include "region/region.h"

namespace daxkind {

// `fd` is the open file. The part is in bytes of the file.
LossCause lossCauseInFile(int fd, const guard::Part& part);

}  // namespace daxkind
