#ifndef TALLOC_UPSTREAM_SYSTEM_FILESYS_H
#define TALLOC_UPSTREAM_SYSTEM_FILESYS_H

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#endif
