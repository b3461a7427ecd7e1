/*
 * Three sources for the type of each function, in one translation unit: the
 * compiler reports "conflicting types" where two of them differ.
 *
 * signatures.sh supplies the headers under these names, and the #undef lines
 * for every macro that the header before has defined.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef HAVE_REFERENCE
#include "reference-talloc.h"
#include "reference-undef.h"
#endif

#include "new-talloc.h"
#include "new-undef.h"

#ifdef HAVE_LIST
#include "prototypes.h"
#endif

#ifdef HAVE_WRONG
#include "wrong.h"
#endif

typedef int nothing;
