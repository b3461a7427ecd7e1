/* A macro that the helpers lack: the compiler has to say it, not the linker. */
#include "replace.h"
#include "system/time.h"
#include <talloc.h>
#include "talloc_testsuite.h"

bool torture_local_talloc(struct torture_context *tctx)
{
	void *p = talloc_new(NULL);

	BURN_WITHOUT_A_DEFINITION(p, 0);
	printf("success: one\n");
	talloc_free(p);
	return true;
}
