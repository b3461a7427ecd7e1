/*
 * What the original's test programs expect from the portability layer of
 * their own tree, written anew for a system that has all of C99 and POSIX.
 */
#ifndef TALLOC_UPSTREAM_REPLACE_H
#define TALLOC_UPSTREAM_REPLACE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

/* what its configure would have found */
#define HAVE_PTHREAD 1
#define HAVE_SETENV 1
#define HAVE_STDBOOL_H 1
#define HAVE_STDINT_H 1
#define HAVE_UNISTD_H 1
#define HAVE_VA_COPY 1
#define HAVE_VSNPRINTF 1
#define HAVE___ATTRIBUTE__ 1

#ifndef _PUBLIC_
#define _PUBLIC_ __attribute__((visibility("default")))
#endif
#ifndef _PRIVATE_
#define _PRIVATE_ __attribute__((visibility("hidden")))
#endif
#ifndef _UNUSED_
#define _UNUSED_ __attribute__((unused))
#endif
#ifndef _NORETURN_
#define _NORETURN_ __attribute__((noreturn))
#endif
#ifndef PRINTF_ATTRIBUTE
#define PRINTF_ATTRIBUTE(a1, a2) __attribute__((format(__printf__, a1, a2)))
#endif
#ifndef _DEPRECATED_
#define _DEPRECATED_ __attribute__((deprecated))
#endif

#ifndef MIN
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#endif
#ifndef MAX
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#endif
#ifndef ABS
#define ABS(a) ((a) > 0 ? (a) : -(a))
#endif
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ARRAY_DEL_ELEMENT(a, i, n)                                             \
	memmove(&(a)[(i)], &(a)[(i) + 1], sizeof((a)[0]) * ((n) - (i) - 1))

#define ZERO_STRUCT(x) memset(&(x), 0, sizeof(x))
#define ZERO_STRUCTN(x) memset((x), 0, sizeof(*(x)))
#define ZERO_STRUCTP(x)                                                        \
	do {                                                                   \
		if ((x) != NULL)                                               \
			ZERO_STRUCTN(x);                                       \
	} while (0)
#define ZERO_ARRAY(x) memset((x), 0, sizeof(x))
#define ZERO_ARRAY_LEN(x, n) memset((x), 0, sizeof((x)[0]) * (n))
/* n bytes at p become zero, also where nobody reads them afterwards */
#define BURN_PTR_SIZE(p, n) explicit_bzero((p), (n))
#define SAFE_FREE(x)                                                           \
	do {                                                                   \
		free(x);                                                       \
		(x) = NULL;                                                    \
	} while (0)

/* a pointer without its const, which the compiler need not hear about */
#define discard_const(ptr) ((void *)((uintptr_t)(ptr)))
#define discard_const_p(type, ptr) ((type *)discard_const(ptr))

#define PTR_DIFF(a, b) ((ptrdiff_t)((const char *)(a) - (const char *)(b)))
#define strequal(a, b) (strcasecmp((a), (b)) == 0)

#ifndef __location__
#define UPSTREAM_TEXT(x) #x
#define UPSTREAM_LINE(x) UPSTREAM_TEXT(x)
#define __location__ __FILE__ ":" UPSTREAM_LINE(__LINE__)
#endif

#define SMB_ASSERT(cond)                                                       \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stderr, "%s: %s\n", __location__, #cond);      \
			abort();                                               \
		}                                                              \
	} while (0)

#endif
