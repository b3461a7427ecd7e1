/*
 * Plugins that need the loader's spare room for thread-local storage have all of it but
 * eight bytes; then the library comes, and works, in all threads.
 *
 * usage: static_tls LIBRARY PLUGIN...     as many of them as there is room for
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static void *(*named_const)(const void *, size_t, const char *);
static int (*free_it)(void *, const char *);

static void *use(void *unused)
{
	void *top = named_const(NULL, 10, "top");
	int i;

	(void)unused;
	for (i = 0; i < 1000; i++)
		if (free_it(named_const(top, (size_t)i, "child"), "here") != 0)
			return top;
	return free_it(top, "here") == 0 ? NULL : top;
}

int main(int argc, char **argv)
{
	void *handle, *result = NULL;
	pthread_t thread;
	int i, loaded = 0;

	alarm(30);
	for (i = 2; i < argc; i++)
		loaded += dlopen(argv[i], RTLD_NOW) != NULL;
	handle = dlopen(argv[1], RTLD_NOW);
	if (handle == NULL) {
		printf("%d, then %s\n", loaded, dlerror());
		return 1;
	}
	named_const = (__typeof__(named_const))dlsym(handle, "talloc_named_const");
	free_it = (__typeof__(free_it))dlsym(handle, "_talloc_free");
	if (use(NULL) != NULL || pthread_create(&thread, NULL, use, NULL) != 0 ||
	    pthread_join(thread, &result) != 0 || result != NULL)
		return 1;
	printf("%d\n", loaded);
	return 0;
}
