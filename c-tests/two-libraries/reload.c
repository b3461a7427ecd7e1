/*
 * A program that is not linked to the library loads it and lets it go, a hundred times,
 * while threads that have used it live on: what they keep goes with the library.
 *
 * usage: reload LIBRARY     with GLIBC_TUNABLES=glibc.malloc.tcache_count=0
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 100
#define WARM 15
#define THREADS 4

static const char *path;
static int failures, wrong;
static pthread_barrier_t barrier;

static void check(int good, const char *text)
{
	printf("%s - %s\n", good ? "ok" : "not ok", text);
	failures += !good;
}

static void *(*named_const)(const void *, size_t, const char *);
static void *(*pool_of)(const void *, size_t);
static void *(*resize)(const void *, void *, size_t, const char *);
static int (*free_it)(void *, const char *);
static size_t (*total_blocks)(const void *);

static void *load(void)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (handle == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		exit(99);
	}
	named_const = (__typeof__(named_const))dlsym(handle, "talloc_named_const");
	pool_of = (__typeof__(pool_of))dlsym(handle, "talloc_pool");
	resize = (__typeof__(resize))dlsym(handle, "_talloc_realloc");
	free_it = (__typeof__(free_it))dlsym(handle, "_talloc_free");
	total_blocks = (__typeof__(total_blocks))dlsym(handle, "talloc_total_blocks");
	return handle;
}

/* Blocks of many sizes, freed in another order, so that much could be kept of them. */
static void use(int seed)
{
	enum { PARTS = 700 };
	void *top = named_const(NULL, 10, "top"), *part[PARTS];
	int i;

	for (i = 0; i < PARTS; i++) {
		part[i] = i % 50 == 0 ? pool_of(top, 2000) :
			  named_const(top, (size_t)(20 + (i * 7 + seed) % 900), "part");
		if (part[i] == NULL)
			wrong++;
		else if (i % 50 != 0)
			memset(part[i], 1, 20);
	}
	for (i = 1; i < PARTS; i += 9)
		if (i % 50 != 0)
			part[i] = resize(top, part[i], 1500, "larger");
	for (i = 0; i < PARTS; i += 3)
		wrong += free_it(part[i], "here") != 0;
	wrong += total_blocks(top) != PARTS + 1 - (PARTS + 2) / 3;
	wrong += free_it(top, "here") != 0;
}

static long resident(void) /* KiB */
{
	long total = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%ld %ld", &total, &pages) != 2)
		exit(99);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int mapped(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[4096];
	int count = 0;

	if (f == NULL)
		exit(99);
	while (fgets(line, sizeof(line), f) != NULL)
		count += strstr(line, "libtalloc") != NULL;
	fclose(f);
	return count;
}

static int rounds, how;

static void *work(void *number)
{
	int i;

	for (i = 0; i < rounds; i++) {
		pthread_barrier_wait(&barrier);
		if (how == 0 || (i + (int)(long)number) % 2 == 0)
			use(i);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void *once(void *unused)
{
	use(1);
	return unused;
}

/* how: 0 all threads use it each time, 1 every second one, 2 and one more comes and goes. */
static void reload(int way, const char *text)
{
	pthread_t thread[THREADS], extra;
	long grown = 0, in_use = 0;
	char line[200];
	int i, stayed = 0;

	how = way;
	rounds = ROUNDS + WARM;
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)(long)i) != 0)
			exit(99);
	for (i = 0; i < rounds; i++) {
		void *handle = load();

		if (i == WARM) {
			grown = resident();
			in_use = (long)mallinfo2().uordblks;
		}
		pthread_barrier_wait(&barrier);
		use(i);
		pthread_barrier_wait(&barrier);
		if (way == 2) {
			pthread_create(&extra, NULL, once, NULL);
			pthread_join(extra, NULL);
		}
		wrong += dlclose(handle) != 0;
		stayed += mapped() != 0;
	}
	grown = resident() - grown;
	in_use = (long)mallinfo2().uordblks - in_use;
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	fprintf(stderr, "%s: grown by %ld KiB, %ld bytes\n", text, grown, in_use);
	snprintf(line, sizeof(line), "%s: it goes each time", text);
	check(stayed == 0, line);
	snprintf(line, sizeof(line), "%s: all calls succeed", text);
	check(wrong == 0, line);
	snprintf(line, sizeof(line), "%s: no more memory afterwards", text);
	check(grown < 2048, line);
	snprintf(line, sizeof(line), "%s: no more in use of malloc", text);
	check(in_use < 16 * 1024, line);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	path = argv[1];
	alarm(60);
	/* one arena, of which mallinfo2() tells */
	mallopt(M_ARENA_MAX, 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	reload(0, "threads alive");
	reload(1, "threads that use it now and then");
	reload(2, "threads that end");
	check(mapped() == 0, "it is gone");
	return failures != 0;
}
