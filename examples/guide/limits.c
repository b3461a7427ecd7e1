/* Guide, chapter 8: limits. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <talloc.h>

/* part: pragma */
/* talloc.h marks the function as deprecated, as it always has; it still works. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
/* end */

int main(void)
{
	/* part: limit */
	void *guest = talloc_named_const(NULL, 0, "guest");
	if (talloc_set_memlimit(guest, 100 * 1024) != 0)
		return 1;
	char *first = talloc_size(guest, 80 * 1024);
	char *second = talloc_size(guest, 80 * 1024);
	printf("80 KiB: %s\n", first != NULL ? "granted" : strerror(ENOMEM));
	printf("80 KiB more: %s\n", second != NULL ? "granted" : strerror(errno));
	talloc_free(first);
	second = talloc_size(guest, 80 * 1024);
	printf("after a free: %s\n", second != NULL ? "granted" : strerror(errno));
	talloc_free(guest);
	/* end */
	return 0;
}
