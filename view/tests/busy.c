/*
 * Two threads that never rest, with a thousand chunks among them that stay as they are.
 * After a line on stdin: "end", then work until stdin ends.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

enum { PLACES = 300 };

static int dtor(void *p)
{
	(void)p;
	return 0;
}

static void *work(void *arg)
{
	uint64_t state = (uint64_t)(uintptr_t)arg * 2654435761u + 1;
	void *top = talloc_named_const(NULL, 10, "busy"), *p[PLACES] = { NULL }, *pool = NULL;
	int i, k;

	for (i = 0; i < 500; i++)
		if (talloc_named_const(top, (size_t)i, "stable") == NULL)
			abort();
	for (;;) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		i = (int)(state >> 33) % PLACES;
		k = (int)(state >> 45) % PLACES;
		switch ((state >> 58) % 8) {
		case 0:
		case 1:
			talloc_free(p[i]);
			p[i] = talloc_named_const(top, (size_t)k, "short-lived");
			talloc_set_destructor(p[i], dtor);
			break;
		case 2:
			if (p[i] != NULL)
				p[i] = _talloc_realloc(top, p[i], (size_t)k * 30, "resized");
			break;
		case 3: /* below another, and back before that may be freed */
			if (p[i] != NULL && p[k] != NULL && i != k) {
				talloc_steal(p[k], p[i]);
				talloc_steal(top, p[i]);
			}
			break;
		case 4:
			if (p[i] != NULL)
				talloc_strdup(p[i], "a text");
			break;
		case 5:
			talloc_free(pool);
			pool = talloc_pool(top, 2000);
			break;
		case 6:
			if (pool != NULL)
				talloc_named_const(pool, 20, "member");
			break;
		default:
			talloc_free(p[i]);
			p[i] = NULL;
		}
	}
	return NULL;
}

int main(void)
{
	pthread_t thread;
	char line[100];
	uintptr_t i;

	if (fgets(line, sizeof line, stdin) == NULL)
		return 1;
	for (i = 1; i <= 2; i++)
		if (pthread_create(&thread, NULL, work, (void *)i) != 0)
			return 1;
	printf("end\n");
	fflush(stdout);
	return fgets(line, sizeof line, stdin) == NULL ? 0 : 1;
}
