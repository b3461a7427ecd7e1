#ifndef TALLOC_UPSTREAM_SYSTEM_THREADS_H
#define TALLOC_UPSTREAM_SYSTEM_THREADS_H

#include <pthread.h>

#endif
