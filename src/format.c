/*
 * The functions of talloc.h that take a format: va_list and vsnprintf only.
 * Memory comes from the talloc_impl functions of format.rs.
 *
 * A text that is to be appended is formatted in full before the chunk it goes
 * to is touched, since that chunk may be among the arguments.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "talloc.h"

/* Hidden, so that they may become local symbols of the static library, on MIPS, too. */
#pragma GCC visibility push(hidden)
char *talloc_impl_blank(const void *ctx, size_t length);
char *talloc_impl_append(char *s, int at_end_of_buffer, const char *text, size_t length);
char *talloc_impl_buffer(size_t length);
void talloc_impl_buffer_free(char *buffer);
int talloc_impl_is_chunk(const void *ptr);
const char *talloc_impl_name(const void *ptr, char *text);
#pragma GCC visibility pop

/* Most texts fit; the others are formatted a second time. */
enum { FIRST_TRY = 1024 };

/*
 * Most formats have only these: %s %c %% and whole numbers (%d %i %u %x, with l, ll
 * or z), nothing between.  They are quicker done here than by vsnprintf, which does
 * all others and all that does not fit: -1 says that this is one of them.
 */
PRINTF_ATTRIBUTE(3, 0)
static int format_simply(char *place, size_t room, const char *fmt, va_list ap)
{
	char *to = place, *end = place + room;

	while (*fmt != '\0') {
		char digits[24], *first = digits + sizeof(digits);
		const char *text = first;
		unsigned long long number = 0;
		int longs = 0, negative = 0;
		size_t length;

		if (*fmt != '%') {
			if (to == end)
				return -1;
			*to++ = *fmt++;
			continue;
		}
		fmt++;
		while (*fmt == 'l' || *fmt == 'z')
			longs += *fmt++ == 'l' ? 1 : 4;
		switch (*fmt++) {
		case 's':
			text = va_arg(ap, const char *);
			if (longs != 0 || text == NULL)
				return -1;
			length = strlen(text);
			break;
		case 'c':
			*--first = (char)va_arg(ap, int);
			if (longs != 0)
				return -1;
			text = first;
			length = 1;
			break;
		case '%':
			if (longs != 0)
				return -1;
			*--first = '%';
			text = first;
			length = 1;
			break;
		case 'd':
		case 'i': {
			long long value;

			if (longs == 0)
				value = va_arg(ap, int);
			else if (longs == 1)
				value = va_arg(ap, long);
			else if (longs == 2)
				value = va_arg(ap, long long);
			else if (longs == 4)
				value = va_arg(ap, ssize_t);
			else
				return -1;
			negative = value < 0;
			number = negative ? 0 - (unsigned long long)value : (unsigned long long)value;
			goto decimal;
		}
		case 'u':
		case 'x':
			if (longs == 0)
				number = va_arg(ap, unsigned int);
			else if (longs == 1)
				number = va_arg(ap, unsigned long);
			else if (longs == 2)
				number = va_arg(ap, unsigned long long);
			else if (longs == 4)
				number = va_arg(ap, size_t);
			else
				return -1;
			if (fmt[-1] == 'x') {
				do {
					*--first = "0123456789abcdef"[number % 16];
					number /= 16;
				} while (number != 0);
			} else {
decimal:
				do {
					*--first = (char)('0' + number % 10);
					number /= 10;
				} while (number != 0);
				if (negative)
					*--first = '-';
			}
			text = first;
			length = (size_t)(digits + sizeof(digits) - first);
			break;
		default:
			return -1;
		}
		if (length > (size_t)(end - to))
			return -1;
		memcpy(to, text, length);
		to += length;
	}
	return (int)(to - place);
}

/*
 * As vsnprintf, but a NULL format is a format error, and there is no NUL behind a
 * text that fits.
 */
PRINTF_ATTRIBUTE(3, 0)
static int format(char *place, size_t room, const char *fmt, va_list ap)
{
	va_list again;
	int length;

	if (fmt == NULL)
		return -1;
	va_copy(again, ap);
	length = format_simply(place, room - 1, fmt, again);
	va_end(again);
	if (length >= 0)
		return length;
	va_copy(again, ap);
	length = vsnprintf(place, room, fmt, again);
	va_end(again);
	return length;
}

_PUBLIC_ char *talloc_vasprintf(const void *ctx, const char *fmt, va_list ap)
{
	char first[FIRST_TRY];
	int length = format(first, sizeof(first), fmt, ap);
	char *text;

	if (length < 0)
		return NULL;
	text = talloc_impl_blank(ctx, (size_t)length);
	if (text == NULL)
		return NULL;
	if ((size_t)length >= sizeof(first))
		format(text, (size_t)length + 1, fmt, ap);
	else
		memcpy(text, first, (size_t)length);
	return text;
}

PRINTF_ATTRIBUTE(3, 0)
static char *append(char *s, int at_end_of_buffer, const char *fmt, va_list ap)
{
	char first[FIRST_TRY];
	char *large, *result;
	int length;

	if (s == NULL)
		return talloc_vasprintf(NULL, fmt, ap);
	length = format(first, sizeof(first), fmt, ap);
	if (length <= 0)
		return s;
	if ((size_t)length < sizeof(first))
		return talloc_impl_append(s, at_end_of_buffer, first, (size_t)length);
	large = talloc_impl_buffer((size_t)length + 1);
	if (large == NULL)
		return NULL;
	format(large, (size_t)length + 1, fmt, ap);
	result = talloc_impl_append(s, at_end_of_buffer, large, (size_t)length);
	talloc_impl_buffer_free(large);
	return result;
}

_PUBLIC_ char *talloc_vasprintf_append(char *s, const char *fmt, va_list ap)
{
	return append(s, 0, fmt, ap);
}

_PUBLIC_ char *talloc_vasprintf_append_buffer(char *s, const char *fmt, va_list ap)
{
	return append(s, 1, fmt, ap);
}

_PUBLIC_ char *talloc_asprintf(const void *ctx, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = talloc_vasprintf(ctx, fmt, ap);
	va_end(ap);
	return text;
}

_PUBLIC_ char *talloc_asprintf_append(char *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	s = append(s, 0, fmt, ap);
	va_end(ap);
	return s;
}

_PUBLIC_ char *talloc_asprintf_append_buffer(char *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	s = append(s, 1, fmt, ap);
	va_end(ap);
	return s;
}

PRINTF_ATTRIBUTE(2, 0)
static void add(char **ps, const char *fmt, va_list ap)
{
	char *longer = append(*ps, 1, fmt, ap);

	if (longer == NULL)
		talloc_free(*ps);
	*ps = longer;
}

_PUBLIC_ void talloc_asprintf_addbuf(char **ps, const char *fmt, ...)
{
	va_list ap;

	if (*ps == NULL)
		return;
	va_start(ap, fmt);
	add(ps, fmt, ap);
	va_end(ap);
}

_PUBLIC_ void talloc_asprintf_addsep(char **ps, const char *sep, const char *fmt, ...)
{
	va_list ap;

	if (*ps != NULL && **ps != '\0')
		talloc_asprintf_addbuf(ps, "%s", sep);
	if (*ps == NULL)
		return;
	va_start(ap, fmt);
	add(ps, fmt, ap);
	va_end(ap);
}

PRINTF_ATTRIBUTE(2, 0)
static const char *set_name(const void *ptr, const char *fmt, va_list ap)
{
	if (!talloc_impl_is_chunk(ptr))
		return NULL;
	return talloc_impl_name(ptr, talloc_vasprintf(ptr, fmt, ap));
}

_PUBLIC_ const char *talloc_set_name(const void *ptr, const char *fmt, ...)
{
	const char *name;
	va_list ap;

	va_start(ap, fmt);
	name = set_name(ptr, fmt, ap);
	va_end(ap);
	return name;
}

PRINTF_ATTRIBUTE(3, 0)
static void *named(const void *ctx, size_t size, const char *fmt, va_list ap)
{
	void *ptr = talloc_named_const(ctx, size, NULL);

	if (ptr != NULL && set_name(ptr, fmt, ap) == NULL) {
		talloc_free(ptr);
		ptr = NULL;
	}
	return ptr;
}

_PUBLIC_ void *talloc_named(const void *ctx, size_t size, const char *fmt, ...)
{
	void *ptr;
	va_list ap;

	va_start(ap, fmt);
	ptr = named(ctx, size, fmt, ap);
	va_end(ap);
	return ptr;
}

_PUBLIC_ void *talloc_init(const char *fmt, ...)
{
	void *ptr;
	va_list ap;

	va_start(ap, fmt);
	ptr = named(NULL, 0, fmt, ap);
	va_end(ap);
	return ptr;
}
