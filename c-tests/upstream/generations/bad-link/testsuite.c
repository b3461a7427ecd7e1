/* A function that is declared, and nowhere defined. */
#include "replace.h"
#include "system/time.h"
#include <talloc.h>
#include "talloc_testsuite.h"

void missing_function(void *p);

bool torture_local_talloc(struct torture_context *tctx)
{
	void *p = talloc_new(NULL);

	printf("success: one\n");
	missing_function(p);
	talloc_free(p);
	return true;
}
