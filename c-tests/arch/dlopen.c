/*
 * A program that is not linked to the library loads it while it runs, as one with a plugin
 * does, and uses it: in threads that were there before and in new ones, in a child, and
 * after it was let go and loaded again.
 *
 * usage: dlopen LIBRARY
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 200, CHUNKS = 100 };

static int failures;
static pthread_barrier_t loaded;

static void *(*named_const)(const void *, size_t, const char *);
static void *(*pool_of)(const void *, size_t);
static int (*free_it)(void *, const char *);
static size_t (*total_blocks)(const void *);

static void check(int good, const char *text)
{
	printf("%s - %s\n", good ? "ok" : "not ok", text);
	failures += !good;
}

static void *load(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (handle == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		exit(99);
	}
	named_const = (__typeof__(named_const))dlsym(handle, "talloc_named_const");
	pool_of = (__typeof__(pool_of))dlsym(handle, "talloc_pool");
	free_it = (__typeof__(free_it))dlsym(handle, "_talloc_free");
	total_blocks = (__typeof__(total_blocks))dlsym(handle, "talloc_total_blocks");
	return handle;
}

/* How often something was not as it should be. */
static long work(void)
{
	long wrong = 0;
	int round, i;

	for (round = 0; round < ROUNDS; round++) {
		char *top = named_const(NULL, 8, "top"), *pool = pool_of(top, 4000);

		for (i = 0; i < CHUNKS; i++) {
			char *p = named_const(i % 2 ? top : pool, (size_t)(i * 7), "chunk");

			if (p == NULL) {
				wrong++;
				continue;
			}
			memset(p, i, (size_t)(i * 7));
			if (i % 3 == 0)
				wrong += free_it(p, "here") != 0;
		}
		wrong += total_blocks(top) != CHUNKS + 2 - (CHUNKS + 2) / 3;
		wrong += free_it(top, "here") != 0;
	}
	return wrong;
}

static void *early(void *unused)
{
	(void)unused;
	pthread_barrier_wait(&loaded);
	return (void *)work();
}

static void *late(void *unused)
{
	(void)unused;
	return (void *)work();
}

int main(int argc, char **argv)
{
	pthread_t before[THREADS], after[THREADS];
	long wrong = 0;
	void *handle, *answer;
	int i, status = -1;
	pid_t child;

	if (argc != 2) {
		fprintf(stderr, "usage: %s LIBRARY\n", argv[0]);
		return 2;
	}
	pthread_barrier_init(&loaded, NULL, THREADS + 1);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&before[i], NULL, early, NULL) != 0)
			return 2;
	handle = load(argv[1]);
	check(named_const != NULL && total_blocks != NULL, "a program without it loads it");
	pthread_barrier_wait(&loaded);
	for (i = 0; i < THREADS; i++) {
		pthread_join(before[i], &answer);
		wrong += (long)answer;
	}
	check(wrong == 0, "threads that were there before use it");
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&after[i], NULL, late, NULL) != 0)
			return 2;
	wrong += work();
	for (i = 0; i < THREADS; i++) {
		pthread_join(after[i], &answer);
		wrong += (long)answer;
	}
	check(wrong == 0, "new threads use it, and this one");
	fflush(stdout);
	child = fork();
	if (child == 0)
		_exit(work() != 0);
	check(child > 0 && waitpid(child, &status, 0) == child && status == 0, "a child uses it");
	check(dlclose(handle) == 0, "it is let go");
	load(argv[1]);
	check(work() == 0, "and loaded again");
	return failures != 0;
}
