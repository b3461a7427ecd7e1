/*
 * How many copies of a library fit into one process, each in a namespace of its own,
 * and whether the last one works.
 *
 * usage: namespaces LIBRARY     prints the number
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	void *(*named_const)(const void *, size_t, const char *);
	int (*free_it)(void *, const char *);
	int copies = 0;
	void *handle;

	if (argc != 2)
		return 2;
	alarm(30);
	while (copies < 40 && (handle = dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW)) != NULL) {
		void *top;

		named_const = (__typeof__(named_const))dlsym(handle, "talloc_named_const");
		free_it = (__typeof__(free_it))dlsym(handle, "_talloc_free");
		top = named_const(NULL, 10, "top");
		if (named_const(top, 1000, "child") == NULL || free_it(top, "here") != 0)
			return 1;
		copies++;
	}
	printf("%d\n", copies);
	return 0;
}
