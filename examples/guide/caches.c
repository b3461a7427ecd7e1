/* Guide, chapter 7: static pool caches. */
#include <stdio.h>
#include <talloc.h>

struct connection {
	int fd;
	char *peer;
};

int main(void)
{
	/* part: cache */
	/* All connections that there will ever be, in one block. */
	void *connections = talloc_pool_cache(NULL, 3 * sizeof(struct connection),
					      sizeof(struct connection));
	struct connection *a = talloc_cache_zero(connections);
	struct connection *b = talloc_cache_zero(connections);
	struct connection *c = talloc_cache_zero(connections);
	if (a == NULL || b == NULL || c == NULL)
		return 1;
	printf("a fourth: %s\n", talloc_cache(connections) == NULL ? "none, it is full" : "yes");
	b->peer = talloc_strdup(b, "192.0.2.1"); /* a chunk like any other */
	talloc_free(b);
	printf("one freed, one taken: %s\n",
	       talloc_cache(connections) == b ? "the same place" : "another place");
	talloc_free(connections); /* and all that were taken */
	/* end */
	return 0;
}
