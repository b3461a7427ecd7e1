#include "replace.h"
#include "talloc_testsuite.h"

int main(void)
{
	if (!torture_local_talloc(NULL))
		return -1;
	return 0;
}
