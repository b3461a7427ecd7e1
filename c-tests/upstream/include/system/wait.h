#ifndef TALLOC_UPSTREAM_SYSTEM_WAIT_H
#define TALLOC_UPSTREAM_SYSTEM_WAIT_H

#include <signal.h>
#include <sys/wait.h>

#endif
