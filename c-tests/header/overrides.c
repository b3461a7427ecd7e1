/* What a program may define before it includes talloc.h stays as it is. */
#define TALLOC_MAX_DEPTH 5
#define TALLOC_DEPRECATED 1
#define PRINTF_ATTRIBUTE(a1, a2)
#define _DEPRECATED_
#define __location__ "here"
#define TALLOC_GET_TYPE_ABORT_NOOP 1
#include <talloc.h>

#if TALLOC_MAX_DEPTH != 5 || TALLOC_DEPRECATED != 1
#error "overridden"
#endif

int overrides(void *ctx);

int overrides(void *ctx)
{
	/* neither checked formats nor deprecated functions any more */
	char *s = talloc_asprintf(ctx, "%s", 5);
	int *p = talloc_get_type_abort(ctx, int);
	static const char location[] = __location__;

	talloc_free(s);
	return talloc_set_memlimit(p, 100) + location[0];
}
