#ifndef TALLOC_UPSTREAM_SYSTEM_TIME_H
#define TALLOC_UPSTREAM_SYSTEM_TIME_H

#include <sys/time.h>
#include <time.h>
#include <utime.h>

/*
 * The time now, and how many seconds lie between two times. Many a test program
 * has these as static functions of its own; run.sh looks which, and says OWN_.
 */
#ifndef OWN_timeval_current
__attribute__((unused)) static inline struct timeval timeval_current(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);
	return tv;
}
#endif

#ifndef OWN_timeval_elapsed2
__attribute__((unused)) static inline double timeval_elapsed2(const struct timeval *from,
							       const struct timeval *to)
{
	return (double)(to->tv_sec - from->tv_sec) +
	       (double)(to->tv_usec - from->tv_usec) * 1e-6;
}
#endif

#ifndef OWN_timeval_elapsed
__attribute__((unused)) static inline double timeval_elapsed(const struct timeval *since)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (double)(now.tv_sec - since->tv_sec) +
	       (double)(now.tv_usec - since->tv_usec) * 1e-6;
}
#endif

#endif
