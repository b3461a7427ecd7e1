#ifndef TALLOC_UPSTREAM_SYSTEM_DIR_H
#define TALLOC_UPSTREAM_SYSTEM_DIR_H

#include <dirent.h>

#endif
