/* Guide, chapter 7: pools. */
#include <stdio.h>
#include <talloc.h>

struct request {
	char *host;
	char *path;
};

static int lies_in(const void *chunk, const void *pool, size_t size)
{
	return (const char *)chunk > (const char *)pool &&
	       (const char *)chunk < (const char *)pool + size;
}

int main(void)
{
	/* part: pool */
	void *pool = talloc_pool(NULL, 4096);
	struct request *r = talloc_zero(pool, struct request);
	r->host = talloc_strdup(r, "example.org"); /* what is below is in the pool, too */
	char *body = talloc_size(r, 100000);       /* no room for it: comes from malloc */
	printf("request in the pool: %s, host: %s, body: %s\n",
	       lies_in(r, pool, 4096) ? "yes" : "no", lies_in(r->host, pool, 4096) ? "yes" : "no",
	       lies_in(body, pool, 4096) ? "yes" : "no");
	talloc_free_children(pool); /* empty again, to be used for the next request */
	printf("the next one has the same place: %s\n",
	       (void *)talloc_zero(pool, struct request) == (void *)r ? "yes" : "no");
	talloc_free(pool);
	/* end */

	/* part: pooled */
	/* A request with room for two chunks of 256 bytes together, in one block. */
	struct request *one = talloc_pooled_object(NULL, struct request, 2, 256);
	one->host = talloc_strdup(one, "example.org");
	one->path = talloc_strdup(one, "/index.html");
	printf("%s: %zu bytes in %zu chunks, one malloc\n", talloc_get_name(one),
	       talloc_total_size(one), talloc_total_blocks(one));
	talloc_free(one);
	/* end */
	return 0;
}
