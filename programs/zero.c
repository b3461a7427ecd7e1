/*
 * Preloaded under callgrind: a child that is forked starts to count at zero, and
 * not with all that its parent has done.
 */
#include <pthread.h>
#include <valgrind/callgrind.h>

static void zero(void)
{
	CALLGRIND_ZERO_STATS;
}

__attribute__((constructor)) static void begin(void)
{
	pthread_atfork(0, 0, zero);
}
