/* Guide, chapter 1: the same on talloc. */
#include <stdio.h>
#include <talloc.h>

struct host {
	char *name;
	char **addresses;
	size_t count;
};

/* part: talloc */
static struct host *host_new(TALLOC_CTX *ctx, const char *name, const char *const *addresses,
			     size_t count)
{
	struct host *h = talloc_zero(ctx, struct host);
	if (h == NULL)
		return NULL;
	h->name = talloc_strdup(h, name);
	h->addresses = talloc_array(h, char *, count);
	if (h->name == NULL || h->addresses == NULL)
		goto failed;
	for (h->count = 0; h->count < count; h->count++) {
		h->addresses[h->count] = talloc_strdup(h->addresses, addresses[h->count]);
		if (h->addresses[h->count] == NULL)
			goto failed;
	}
	return h;
failed:
	talloc_free(h);
	return NULL;
}
/* end */

int main(void)
{
	const char *const addresses[] = { "192.0.2.1", "2001:db8::1" };
	/* part: report */
	struct host *h = host_new(NULL, "example.org", addresses, 2);
	if (h == NULL)
		return 1;
	printf("%s has %zu addresses\n", h->name, h->count);
	talloc_report_full(h, stdout);
	talloc_free(h);
	/* end */
	return 0;
}
