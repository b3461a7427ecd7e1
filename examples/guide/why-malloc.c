/* Guide, chapter 1: a host with its addresses, on malloc. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct host {
	char *name;
	char **addresses;
	size_t count;
};

/* part: malloc */
static void host_free(struct host *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; i < h->count; i++)
		free(h->addresses[i]);
	free(h->addresses);
	free(h->name);
	free(h);
}

static struct host *host_new(const char *name, const char *const *addresses, size_t count)
{
	struct host *h = calloc(1, sizeof(*h));
	if (h == NULL)
		return NULL;
	h->name = strdup(name);
	h->addresses = calloc(count, sizeof(char *));
	if (h->name == NULL || h->addresses == NULL)
		goto failed;
	for (h->count = 0; h->count < count; h->count++) {
		h->addresses[h->count] = strdup(addresses[h->count]);
		if (h->addresses[h->count] == NULL)
			goto failed;
	}
	return h;
failed:
	host_free(h);
	return NULL;
}
/* end */

int main(void)
{
	const char *const addresses[] = { "192.0.2.1", "2001:db8::1" };
	struct host *h = host_new("example.org", addresses, 2);

	if (h == NULL)
		return 1;
	printf("%s has %zu addresses\n", h->name, h->count);
	host_free(h);
	return 0;
}
