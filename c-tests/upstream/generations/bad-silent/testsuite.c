/* Nothing that is tested. */
#include "replace.h"
#include "system/time.h"
#include <talloc.h>
#include "talloc_testsuite.h"

bool torture_local_talloc(struct torture_context *tctx)
{
	void *p = talloc_new(NULL);

	talloc_free(p);
	return true;
}
