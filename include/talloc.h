/*
 * talloc: a hierarchical memory allocator with references and destructors.
 *
 * SPDX-License-Identifier: LGPL-3.0-or-later
 *
 * Generated from src/abi.rs and cbindgen.toml by `make header`; do not edit.
 */

#ifndef _TALLOC_H_
#define _TALLOC_H_

#include <stdlib.h>
#include <stdio.h>
#include <stdarg.h>

/* The version of this header; talloc_version_major() tells that of the library. */
#define TALLOC_VERSION_MAJOR 2
#define TALLOC_VERSION_MINOR 5

/* Set it to 1 before the inclusion for the names of old (end of this file). */
#ifndef TALLOC_DEPRECATED
#define TALLOC_DEPRECATED 0
#endif

/* Kept for programs that ask; no function of this library stops at a depth. */
#ifndef TALLOC_MAX_DEPTH
#define TALLOC_MAX_DEPTH 10000
#endif

/* To say in a declaration that a pointer is used as a context. */
typedef void TALLOC_CTX;

/* The place of a call, as a text: FILE:LINE. */
#ifndef __location__
#define __TALLOC_TEXT_OF__(x) #x
#define __TALLOC_VALUE_AS_TEXT__(x) __TALLOC_TEXT_OF__(x)
#define __location__ __FILE__ ":" __TALLOC_VALUE_AS_TEXT__(__LINE__)
#endif

/*
 * Programs have these three of their own.  Where a program says the very same once
 * more, before or after, no compiler complains: so not a space may change here.
 */

/* Argument a1 is a printf format, for the arguments from a2 on. */
#ifndef PRINTF_ATTRIBUTE
#ifdef __GNUC__
#define PRINTF_ATTRIBUTE(a1, a2) __attribute__ ((format (__printf__, a1, a2)))
#else
#define PRINTF_ATTRIBUTE(a1, a2)
#endif
#endif

/* Use it, and the compiler warns. */
#ifndef _DEPRECATED_
#ifdef __GNUC__
#define _DEPRECATED_ __attribute__ ((deprecated))
#else
#define _DEPRECATED_
#endif
#endif

/* Part of the library's interface. */
#ifndef _PUBLIC_
#ifdef __GNUC__
#define _PUBLIC_ __attribute__((visibility("default")))
#else
#define _PUBLIC_
#endif
#endif

/* The type of a pointer, where the compiler can tell. */
#ifdef __GNUC__
#define _TALLOC_TYPEOF(ptr) __typeof__(ptr)
#else
#define _TALLOC_TYPEOF(ptr) void *
#endif

/*
 * Allocation. ctx is the parent, or NULL; the result is NULL without memory.
 */

/* A chunk for one object of a type, named by the type. */
#define talloc(ctx, type) ((type *)talloc_named_const((ctx), sizeof(type), #type))
/* The same, filled with zeros. */
#define talloc_zero(ctx, type) ((type *)_talloc_zero((ctx), sizeof(type), #type))

/* A chunk of so many bytes, named by the place of the call. */
#define talloc_size(ctx, size) talloc_named_const((ctx), (size), __location__)
/* The same, filled with zeros. */
#define talloc_zero_size(ctx, size) _talloc_zero((ctx), (size), __location__)

/* A chunk for what ptr points to; ptr itself is not looked at. */
#define talloc_ptrtype(ctx, ptr) ((_TALLOC_TYPEOF(ptr))talloc_size((ctx), sizeof(*(ptr))))

/* A chunk without memory of its own, to be a parent. */
#define talloc_new(ctx) talloc_named_const((ctx), 0, "talloc_new: " __location__)

/* A copy of size bytes at p. */
#define talloc_memdup(ctx, p, size) _talloc_memdup((ctx), (p), (size), __location__)

/* An array of count elements, named by the type; the product is checked. */
#define talloc_array(ctx, type, count) \
	((type *)_talloc_array((ctx), sizeof(type), (count), #type))
/* The same, filled with zeros. */
#define talloc_zero_array(ctx, type, count) \
	((type *)_talloc_zero_array((ctx), sizeof(type), (count), #type))
/* The same by the size of an element, named by the place of the call. */
#define talloc_array_size(ctx, size, count) \
	_talloc_array((ctx), (size), (count), __location__)
/* The same for elements like what ptr points to. */
#define talloc_array_ptrtype(ctx, ptr, count) \
	((_TALLOC_TYPEOF(ptr))talloc_array_size((ctx), sizeof(*(ptr)), (count)))

/* How many elements an array has room for. */
#define talloc_array_length(ptr) (talloc_get_size(ptr) / sizeof(*(ptr)))

/* Another size. count 0 frees; NULL is allowed as ptr; what ptr was is invalid
 * unless the result is NULL. */
#define talloc_realloc(ctx, ptr, type, count) \
	((type *)_talloc_realloc_array((ctx), (ptr), sizeof(type), (count), #type))
/* The same; what is new is filled with zeros. */
#define talloc_realloc_zero(ctx, ptr, type, count) \
	((type *)_talloc_realloc_array_zero((ctx), (ptr), sizeof(type), (count), #type))
/* The same in bytes. */
#define talloc_realloc_size(ctx, ptr, size) \
	_talloc_realloc((ctx), (ptr), (size), __location__)

/* An object that is a pool for the chunks below it. */
#define talloc_pooled_object(ctx, type, num_subobjects, total_subobjects_size) \
	((type *)_talloc_pooled_object((ctx), sizeof(type), #type, (num_subobjects), \
				       (total_subobjects_size)))

/*
 * Freeing and moving.
 */

/* Frees a chunk and all below it: 0, or -1 if it stays. */
#define talloc_free(ptr) _talloc_free((ptr), __location__)

/* Frees unless it is NULL already, and makes the variable NULL. */
#define TALLOC_FREE(ptr)                  \
	do {                              \
		if ((ptr) != NULL) {      \
			talloc_free(ptr); \
			(ptr) = NULL;     \
		}                         \
	} while (0)

/* What runs before a free, and takes a pointer of the type of ptr. */
#ifdef __GNUC__
#define talloc_set_destructor(ptr, function)                                          \
	do {                                                                          \
		int (*_talloc_typed_destructor)(_TALLOC_TYPEOF(ptr)) = (function);    \
		_talloc_set_destructor((ptr),                                         \
				       (int (*)(void *))_talloc_typed_destructor);    \
	} while (0)
#else
#define talloc_set_destructor(ptr, function) \
	_talloc_set_destructor((ptr), (int (*)(void *))(function))
#endif

/* Another parent. The result has the type of ptr. */
#define talloc_steal(ctx, ptr) \
	((_TALLOC_TYPEOF(ptr))_talloc_steal_loc((ctx), (ptr), __location__))

/* The same for the chunk that *pptr points to; *pptr becomes NULL. */
#define talloc_move(ctx, pptr) \
	((_TALLOC_TYPEOF(*(pptr)))_talloc_move((ctx), (void *)(pptr)))

/* One more parent. The result has the type of ptr. */
#define talloc_reference(ctx, ptr) \
	((_TALLOC_TYPEOF(ptr))_talloc_reference_loc((ctx), (ptr), __location__))

/*
 * Types by name.
 */

/* Names a chunk by a type. */
#define talloc_set_type(ptr, type) talloc_set_name_const((ptr), #type)

/* The chunk if it is named by that type, else NULL. */
#define talloc_get_type(ptr, type) ((type *)talloc_check_name((ptr), #type))

/* The chunk if it is named by that type, else the end of the process. */
#ifdef TALLOC_GET_TYPE_ABORT_NOOP
#define talloc_get_type_abort(ptr, type) ((type *)(ptr))
#else
#define talloc_get_type_abort(ptr, type) \
	((type *)_talloc_get_type_abort((ptr), #type, __location__))
#endif

/* The nearest chunk of that type, from ptr itself upwards. */
#define talloc_find_parent_bytype(ptr, type) \
	((type *)talloc_find_parent_byname((ptr), #type))

/*
 * Names of old.
 */
#if TALLOC_DEPRECATED
#define talloc_zero_p(ctx, type) talloc_zero(ctx, type)
#define talloc_p(ctx, type) talloc(ctx, type)
#define talloc_array_p(ctx, type, count) talloc_array(ctx, type, count)
#define talloc_realloc_p(ctx, ptr, type, count) talloc_realloc(ctx, ptr, type, count)
#define talloc_destroy(ptr) talloc_free(ptr)
#define talloc_append_string(ctx, s, a) \
	((s) ? talloc_strdup_append((s), (a)) : talloc_strdup((ctx), (a)))
#endif

/*
 * Functions. Those with a leading underscore are called by a macro above.
 */


#ifdef __cplusplus
extern "C" {
#endif /* __cplusplus */

/**
 * The major version of the library that runs.
 *
 * @return 2
 */
_PUBLIC_ int talloc_version_major(void);

/**
 * The minor version of the library that runs.
 *
 * @return 5
 */
_PUBLIC_ int talloc_version_minor(void);

/**
 * The magic number that marks chunks in this process, for tests of the
 * protection it gives. Another process has another one.
 */
_PUBLIC_ int talloc_test_get_magic(void);

/**
 * Allocates memory without a name.
 *
 * @param ctx   the parent, or NULL
 * @param size  bytes; 0 is allowed
 * @return      memory aligned as that of malloc, NULL without memory or for 256 MiB and more
 */
_PUBLIC_
void *_talloc(const void *ctx,
              size_t size);

/**
 * Makes a top-level context with a formatted name.
 *
 * @param fmt  the name, as for printf
 * @return     the context, NULL without memory
 */
_PUBLIC_ void *talloc_init(const char *fmt, ...) PRINTF_ATTRIBUTE(1,2);

/**
 * Frees a chunk and all below it. Call it as talloc_free(ptr).
 *
 * The destructor runs first and may refuse. A chunk with more than one parent
 * is not freed, unless it is clear which parent is meant; talloc_unlink() can
 * tell. Children that refuse to go find a new parent.
 *
 * @param ptr       the chunk; NULL does nothing
 * @param location  where the call is, for messages
 * @return          0 if the chunk is gone, -1 if it is not, or NULL
 */
_PUBLIC_ int _talloc_free(void *ptr, const char *location);

/**
 * Frees the children of a chunk, not the chunk itself, nor the child that
 * holds its name.
 *
 * @param ptr  the chunk; NULL does nothing
 */
_PUBLIC_ void talloc_free_children(void *ptr);

/**
 * Sets the function that runs before a chunk is freed. Call it as
 * talloc_set_destructor(ptr, function), which checks the types.
 *
 * It gets the chunk, and may do anything to it and others. If it returns -1,
 * the chunk stays.
 *
 * @param ptr         the chunk
 * @param destructor  the function, NULL for none
 *
 * @code
 * static int close_file(struct file *f)
 * {
 *         return close(f->fd);
 * }
 *
 * struct file *f = talloc(ctx, struct file);
 * talloc_set_destructor(f, close_file);
 * @endcode
 */
_PUBLIC_ void _talloc_set_destructor(const void *ptr, int (*destructor)(void *ptr));

/**
 * Gives a chunk another parent. Call it as talloc_steal(new_ctx, ptr).
 *
 * A chunk with references keeps them; the log gets a warning, since it may not
 * be the parent you mean that is replaced. talloc_reparent() can tell.
 *
 * @param new_ctx   the new parent, NULL for none
 * @param ptr       the chunk; NULL does nothing
 * @param location  where the call is, for messages
 * @return          ptr
 */
_PUBLIC_
void *_talloc_steal_loc(const void *new_ctx,
                        const void *ptr,
                        const char *location);

/**
 * Gives a chunk a formatted name. The text becomes a child of the chunk; that
 * of an earlier call stays until the chunk goes.
 *
 * @param ptr  the chunk
 * @param fmt  the name, as for printf
 * @return     the name, NULL without memory; then the chunk has no name
 */
_PUBLIC_
const char *talloc_set_name(const void *ptr,
                            const char *fmt,
                            ...)
PRINTF_ATTRIBUTE(2,3);

/**
 * Gives a chunk another parent and clears the variable that pointed to it.
 * Call it as talloc_move(new_ctx, &ptr).
 *
 * @param new_ctx  the new parent, NULL for none
 * @param pptr     where the pointer to the chunk is; becomes NULL
 * @return         the pointer that was there
 */
_PUBLIC_ void *_talloc_move(const void *new_ctx, const void *pptr);

/**
 * Gives a chunk a name whose text is not copied.
 *
 * @param ptr   the chunk
 * @param name  the name, to stay valid as long as the chunk has it
 */
_PUBLIC_ void talloc_set_name_const(const void *ptr, const char *name);

/**
 * Allocates memory with a formatted name.
 *
 * @param ctx   the parent, or NULL
 * @param size  bytes
 * @param fmt   the name, as for printf
 * @return      the memory, NULL without
 */
_PUBLIC_
void *talloc_named(const void *ctx,
                   size_t size,
                   const char *fmt,
                   ...)
PRINTF_ATTRIBUTE(3,4);

/**
 * Allocates memory with a name whose text is not copied.
 *
 * @param ctx   the parent, or NULL
 * @param size  bytes
 * @param name  the name, to stay valid as long as the chunk has it
 * @return      the memory, NULL without
 */
_PUBLIC_ void *talloc_named_const(const void *ctx, size_t size, const char *name);

/**
 * Allocates memory filled with zeros. Call it as talloc_zero(ctx, type) or
 * talloc_zero_size(ctx, size).
 *
 * @param ctx   the parent, or NULL
 * @param size  bytes
 * @param name  the name, to stay valid as long as the chunk has it
 * @return      the memory, NULL without
 */
_PUBLIC_ void *_talloc_zero(const void *ctx, size_t size, const char *name);

/**
 * The name of a chunk.
 *
 * @param ptr  the chunk
 * @return     its name, "UNNAMED" if it has none
 */
_PUBLIC_ const char *talloc_get_name(const void *ptr);

/**
 * Checks that a chunk has a certain name. talloc_get_type() does so with the
 * name of a type.
 *
 * @param ptr   the chunk, or NULL
 * @param name  the name
 * @return      ptr if the names are the same text, else NULL
 */
_PUBLIC_ void *talloc_check_name(const void *ptr, const char *name);

/**
 * The parent of a chunk.
 *
 * @param ptr  the chunk, or NULL
 * @return     its parent, NULL for a top-level chunk or NULL
 */
_PUBLIC_ void *talloc_parent(const void *ptr);

/**
 * The name of a chunk's parent.
 *
 * @param ptr  the chunk, or NULL
 * @return     the name, NULL if there is no parent or it has no name
 */
_PUBLIC_ const char *talloc_parent_name(const void *ptr);

/**
 * The user bytes of a chunk and all below it.
 *
 * @param ptr  the chunk; NULL means all top-level chunks made while null
 *             tracking is on
 * @return     the sum; 0 for NULL without null tracking
 */
_PUBLIC_ size_t talloc_total_size(const void *ptr);

/**
 * The number of chunks in a subtree, with references and the chunk itself.
 *
 * @param ptr  the chunk; NULL means all top-level chunks made while null
 *             tracking is on
 * @return     the number; 0 for NULL without null tracking
 */
_PUBLIC_ size_t talloc_total_blocks(const void *ptr);

/**
 * Copies memory. Call it as talloc_memdup(ctx, p, size).
 *
 * @param ctx   the parent, or NULL
 * @param p     what to copy
 * @param size  how many bytes
 * @param name  the name, to stay valid as long as the chunk has it
 * @return      the copy; NULL without memory, or if p is NULL and size is not 0
 */
_PUBLIC_
void *_talloc_memdup(const void *ctx,
                     const void *p,
                     size_t size,
                     const char *name);

/**
 * Checks that a chunk has a certain name, and aborts if it has not. Call it as
 * talloc_get_type_abort(ptr, type).
 *
 * @param ptr       the chunk
 * @param name      the name it must have
 * @param location  where the call is, for the message
 * @return          ptr; NULL if the names differ and the abort function returns
 */
_PUBLIC_
void *_talloc_get_type_abort(const void *ptr,
                             const char *name,
                             const char *location);

/**
 * Finds the nearest chunk of a name, beginning with the chunk itself.
 *
 * @param ctx   where to begin, or NULL
 * @param name  the name
 * @return      the chunk, NULL if there is none up to the top
 */
_PUBLIC_ void *talloc_find_parent_byname(const void *ctx, const char *name);

/**
 * Allocates a pool: a context below which memory comes from one block, as long
 * as there is room, and goes back to malloc when all of it is freed.
 *
 * @param ctx   the parent, or NULL
 * @param size  bytes for the chunks below, headers included
 * @return      the pool, a chunk of size 0; NULL without memory
 */
_PUBLIC_ void *talloc_pool(const void *ctx, size_t size);

/**
 * Allocates an object that is a pool for what comes below it. Call it as
 * talloc_pooled_object(ctx, type, count, total).
 *
 * @param ctx                    the parent, or NULL
 * @param type_size              bytes of the object
 * @param type_name              its name
 * @param num_subobjects         how many chunks there is to be room for
 * @param total_subobjects_size  how many user bytes they have together
 * @return                       the object, NULL without memory
 */
_PUBLIC_
void *_talloc_pooled_object(const void *ctx,
                            size_t type_size,
                            const char *type_name,
                            unsigned int num_subobjects,
                            size_t total_subobjects_size);

/**
 * Allocates a static pool cache: a block for objects of one size, which
 * talloc_cache() hands out and talloc_free() takes back.
 *
 * @param ctx      the parent, or NULL
 * @param size     user bytes of all objects together
 * @param objsize  user bytes of one object; there is room for size / objsize
 *                 of them, rounded up
 * @return         the cache, a chunk of size 0; NULL without memory, if one
 *                 of the sizes is 0, objsize is larger than size, or the block
 *                 would reach 256 MiB
 *
 * @code
 * void *cache = talloc_pool_cache(ctx, 1000 * sizeof(struct req), sizeof(struct req));
 * struct req *r = talloc_cache_zero(cache);
 * if (r == NULL)
 *         return ERROR_ALL_1000_IN_USE;
 * talloc_free(r);
 * @endcode
 */
_PUBLIC_ void *talloc_pool_cache(const void *ctx, size_t size, size_t objsize);

/**
 * Takes an object from a static pool cache, as a child of it. It is a chunk in
 * every way; talloc_free() gives it back for the next call.
 *
 * @param cache  from talloc_pool_cache()
 * @return       the object, not initialised; NULL if cache is NULL, not a
 *               cache, or has no object left
 */
_PUBLIC_ void *talloc_cache(const void *cache);

/**
 * Takes an object from a static pool cache and fills it with zeros.
 *
 * @param cache  from talloc_pool_cache()
 * @return       the object; NULL as for talloc_cache()
 */
_PUBLIC_ void *talloc_cache_zero(const void *cache);

/**
 * Adds a reference that belongs to no context: talloc_reference(NULL, ptr).
 *
 * @param ptr  the chunk, or NULL
 * @return     0, or -1 for NULL or without memory
 */
_PUBLIC_ int talloc_increase_ref_count(const void *ptr);

/**
 * How many references a chunk has, its parent not counted.
 *
 * @param ptr  the chunk
 */
_PUBLIC_ size_t talloc_reference_count(const void *ptr);

/**
 * Makes a context an additional parent of a chunk. Call it as
 * talloc_reference(ctx, ptr).
 *
 * The chunk goes when the last of its parents does. talloc_unlink() removes
 * one of them.
 *
 * @param ctx       the additional parent, NULL for none
 * @param ptr       the chunk; NULL does nothing
 * @param location  where the call is, for messages
 * @return          ptr, NULL without memory
 *
 * @code
 * user = talloc(db, struct user);
 * talloc_reference(session, user);
 * talloc_unlink(db, user);
 * @endcode
 * Now the session alone keeps the user alive.
 */
_PUBLIC_
void *_talloc_reference_loc(const void *ctx,
                            const void *ptr,
                            const char *location);

/**
 * Removes one parent of a chunk, a reference's owner or the parent proper. The
 * last one to be removed frees the chunk.
 *
 * @param ctx  the parent to remove; NULL for a top-level chunk
 * @param ptr  the chunk, or NULL
 * @return     0; -1 if ptr is NULL, ctx is no parent of it, or it refuses to go
 */
_PUBLIC_ int talloc_unlink(const void *ctx, void *ptr);

/**
 * A context that is freed when the process exits, before leaks are reported.
 *
 * @return the same context each time, NULL without memory
 */
_PUBLIC_ void *talloc_autofree_context(void) _DEPRECATED_;

/**
 * The user bytes of one chunk.
 *
 * @param ctx  the chunk, or NULL
 * @return     the size it was allocated with; 0 for NULL and for pools
 */
_PUBLIC_ size_t talloc_get_size(const void *ctx);

/**
 * Prints the names of a chunk and all above it.
 *
 * @param ctx   the chunk, or NULL
 * @param file  where to print
 */
_PUBLIC_ void talloc_show_parents(const void *ctx, FILE *file);

/**
 * Is a chunk above a context?
 *
 * @param ctx  where to begin
 * @param ptr  what to look for, from ctx itself upwards
 * @return     1 if ptr is ctx or above it, else 0
 */
_PUBLIC_ int talloc_is_parent(const void *ctx, const void *ptr);

/**
 * Replaces one certain parent of a chunk, the parent proper or the owner of a
 * reference.
 *
 * @param old_parent  the parent to replace, NULL for that of a top-level chunk
 * @param new_parent  the new one, or NULL
 * @param ptr         the chunk, or NULL
 * @return            ptr; NULL if old_parent is no parent of it
 */
_PUBLIC_
void *talloc_reparent(const void *old_parent,
                      const void *new_parent,
                      const void *ptr);

/**
 * Allocates an array. Call it as talloc_array(ctx, type, count) or
 * talloc_array_size(ctx, size, count).
 *
 * @param ctx      the parent, or NULL
 * @param el_size  bytes of an element
 * @param count    how many
 * @param name     the name, to stay valid as long as the chunk has it
 * @return         the array, NULL without memory or for 256 MiB and more
 */
_PUBLIC_
void *_talloc_array(const void *ctx,
                    size_t el_size,
                    unsigned int count,
                    const char *name);

/**
 * Allocates an array filled with zeros. Call it as
 * talloc_zero_array(ctx, type, count).
 *
 * @param ctx      the parent, or NULL
 * @param el_size  bytes of an element
 * @param count    how many
 * @param name     the name, to stay valid as long as the chunk has it
 * @return         the array, NULL without memory or for 256 MiB and more
 */
_PUBLIC_
void *_talloc_zero_array(const void *ctx,
                         size_t el_size,
                         unsigned int count,
                         const char *name);

/**
 * Changes the size of an array. Call it as
 * talloc_realloc(ctx, ptr, type, count).
 *
 * @param ctx      the parent, if ptr is NULL
 * @param ptr      the array, or NULL to allocate one
 * @param el_size  bytes of an element
 * @param count    how many; 0 frees the array
 * @param name     the name of the result
 * @return         the array, perhaps elsewhere; NULL if it was freed or could
 *                 not be changed, see _talloc_realloc()
 */
_PUBLIC_
void *_talloc_realloc_array(const void *ctx,
                            void *ptr,
                            size_t el_size,
                            unsigned int count,
                            const char *name);

/**
 * Changes the size of an array and fills what is new with zeros. Call it as
 * talloc_realloc_zero(ctx, ptr, type, count).
 *
 * @param ctx      the parent, if ptr is NULL
 * @param ptr      the array, or NULL to allocate one
 * @param el_size  bytes of an element
 * @param count    how many; 0 frees the array
 * @param name     the name of the result
 * @return         as for talloc_realloc()
 */
_PUBLIC_
void *_talloc_realloc_array_zero(const void *ctx,
                                 void *ptr,
                                 size_t el_size,
                                 unsigned int count,
                                 const char *name);

/**
 * Changes the size of a chunk. Call it as
 * talloc_realloc_size(ctx, ptr, size).
 *
 * @param ctx   the parent, if ptr is NULL; the parent to unlink, if size is 0
 * @param ptr   the chunk, or NULL to allocate one
 * @param size  bytes; 0 frees the chunk
 * @param name  the name of the result
 * @return      the chunk, perhaps elsewhere. NULL if size is 0; also without
 *              memory, for 256 MiB and more, for a pool and for a chunk with
 *              references: then ptr is as it was
 */
_PUBLIC_ void *_talloc_realloc(const void *ctx, void *ptr, size_t size, const char *name);

/**
 * talloc_realloc_size() as a function, for those who want a pointer to one.
 * The result has no name.
 *
 * @param ctx   the parent, if ptr is NULL
 * @param ptr   the chunk, or NULL to allocate one
 * @param size  bytes; 0 frees the chunk
 * @return      as for talloc_realloc_size()
 */
_PUBLIC_ void *talloc_realloc_fn(const void *ctx, void *ptr, size_t size);

/**
 * Copies a text.
 *
 * @param ctx  the parent, or NULL
 * @param p    the text, or NULL
 * @return     the copy, named by its own text; NULL without memory or text
 */
_PUBLIC_ char *talloc_strdup(const void *ctx, const char *p);

/**
 * Appends a text to another, behind its last character.
 *
 * @param s  the text to append to; NULL makes a new one without a parent
 * @param a  what to append; NULL is nothing
 * @return   the longer text, perhaps elsewhere, named by its own text; NULL
 *           without memory, and then s is as it was
 */
_PUBLIC_ char *talloc_strdup_append(char *s, const char *a);

/**
 * Appends a text to another, at the last byte of its chunk: without looking
 * for the end, and behind any NUL that is in it.
 *
 * @param s  the text to append to; NULL makes a new one without a parent
 * @param a  what to append; NULL is nothing
 * @return   as for talloc_strdup_append()
 */
_PUBLIC_ char *talloc_strdup_append_buffer(char *s, const char *a);

/**
 * Copies a text, or the beginning of it.
 *
 * @param ctx  the parent, or NULL
 * @param p    the text, or NULL
 * @param n    how many bytes at most
 * @return     the copy, named by its own text; NULL without memory or text
 */
_PUBLIC_ char *talloc_strndup(const void *ctx, const char *p, size_t n);

/**
 * Appends a text, or the beginning of it, behind the last character of
 * another.
 *
 * @param s  the text to append to; NULL makes a new one without a parent
 * @param a  what to append; NULL is nothing
 * @param n  how many bytes at most
 * @return   as for talloc_strdup_append()
 */
_PUBLIC_ char *talloc_strndup_append(char *s, const char *a, size_t n);

/**
 * Appends a text, or the beginning of it, at the last byte of another's chunk.
 *
 * @param s  the text to append to; NULL makes a new one without a parent
 * @param a  what to append; NULL is nothing
 * @param n  how many bytes at most
 * @return   as for talloc_strdup_append()
 */
_PUBLIC_ char *talloc_strndup_append_buffer(char *s, const char *a, size_t n);

/**
 * Formats a text.
 *
 * @param ctx  the parent, or NULL
 * @param fmt  as for vprintf
 * @param ap   the arguments
 * @return     the text, named by itself; NULL without memory or on a format
 *             error
 */
_PUBLIC_
char *talloc_vasprintf(const void *ctx,
                       const char *fmt,
                       va_list ap)
PRINTF_ATTRIBUTE(2,0);

/**
 * Formats a text and appends it to another, behind its last character.
 *
 * @param s    the text to append to; NULL makes a new one without a parent
 * @param fmt  as for vprintf
 * @param ap   the arguments
 * @return     the longer text, perhaps elsewhere, named by its own text; s as
 *             it was if there is nothing to add or the format is wrong; NULL
 *             without memory
 */
_PUBLIC_
char *talloc_vasprintf_append(char *s,
                              const char *fmt,
                              va_list ap)
PRINTF_ATTRIBUTE(2,0);

/**
 * Formats a text and appends it to another, at the last byte of its chunk.
 *
 * @param s    the text to append to; NULL makes a new one without a parent
 * @param fmt  as for vprintf
 * @param ap   the arguments
 * @return     as for talloc_vasprintf_append()
 */
_PUBLIC_
char *talloc_vasprintf_append_buffer(char *s,
                                     const char *fmt,
                                     va_list ap)
PRINTF_ATTRIBUTE(2,0);

/**
 * Appends to a text that is built in steps, so that one check at the end is
 * enough.
 *
 * @param ps   where the text is. If it is NULL, nothing is done; without
 *             memory it is freed and becomes NULL
 * @param fmt  what to append, as for printf
 *
 * @code
 * char *text = talloc_strdup(ctx, "");
 * for (i = 0; i < n; i++)
 *         talloc_asprintf_addbuf(&text, "%d;", numbers[i]);
 * if (text == NULL)
 *         return NULL;
 * @endcode
 */
_PUBLIC_
void talloc_asprintf_addbuf(char **ps,
                            const char *fmt,
                            ...)
PRINTF_ATTRIBUTE(2,3);

/**
 * Appends to a text that is built in steps, with a separator before each but
 * the first.
 *
 * @param ps   as for talloc_asprintf_addbuf()
 * @param sep  goes first, if there is a text already
 * @param fmt  what to append, as for printf
 */
_PUBLIC_
void talloc_asprintf_addsep(char **ps,
                            const char *sep,
                            const char *fmt,
                            ...)
PRINTF_ATTRIBUTE(3,4);

/**
 * Formats a text.
 *
 * @param ctx  the parent, or NULL
 * @param fmt  as for printf
 * @return     as for talloc_vasprintf()
 */
_PUBLIC_
char *talloc_asprintf(const void *ctx,
                      const char *fmt,
                      ...)
PRINTF_ATTRIBUTE(2,3);

/**
 * Formats a text and appends it to another, behind its last character.
 *
 * @param s    the text to append to; NULL makes a new one without a parent
 * @param fmt  as for printf
 * @return     as for talloc_vasprintf_append()
 */
_PUBLIC_
char *talloc_asprintf_append(char *s,
                             const char *fmt,
                             ...)
PRINTF_ATTRIBUTE(2,3);

/**
 * Formats a text and appends it to another, at the last byte of its chunk.
 *
 * @param s    the text to append to; NULL makes a new one without a parent
 * @param fmt  as for printf
 * @return     as for talloc_vasprintf_append()
 */
_PUBLIC_
char *talloc_asprintf_append_buffer(char *s,
                                    const char *fmt,
                                    ...)
PRINTF_ATTRIBUTE(2,3);

/**
 * Calls a function for a chunk and each below it, a parent before its
 * children, the newest child first. A reference is shown as the chunk it
 * refers to, and what is below that is not.
 *
 * @param ptr           the chunk; NULL means all top-level chunks made while
 *                      null tracking is on
 * @param depth         what the function gets as the depth of ptr
 * @param max_depth     the last depth that is shown, -1 for all
 * @param callback      the function; it may not free what it is shown
 * @param private_data  goes to the function
 */
_PUBLIC_
void talloc_report_depth_cb(const void *ptr,
                            int depth,
                            int max_depth,
                            void (*callback)(const void *ptr,
                                             int depth,
                                             int max_depth,
                                             int is_ref,
                                             void *private_data),
                            void *private_data);

/**
 * Prints a report: a line for each chunk with its name, the bytes and chunks
 * of its subtree, and its references.
 *
 * @param ptr        the chunk; NULL means all top-level chunks made while null
 *                   tracking is on
 * @param depth      how far to indent; 0 also prints a heading
 * @param max_depth  the last depth that is shown, -1 for all
 * @param file       where to print
 */
_PUBLIC_
void talloc_report_depth_file(const void *ptr,
                              int depth,
                              int max_depth,
                              FILE *file);

/**
 * Prints a report of a chunk and all below it.
 *
 * @param ptr   the chunk; NULL means all top-level chunks made while null
 *              tracking is on
 * @param file  where to print
 */
_PUBLIC_ void talloc_report_full(const void *ptr, FILE *file);

/**
 * Prints a report of a chunk and its children.
 *
 * @param ptr   the chunk; NULL means all top-level chunks made while null
 *              tracking is on
 * @param file  where to print
 */
_PUBLIC_ void talloc_report(const void *ptr, FILE *file);

/**
 * Keeps track of top-level chunks made from now on, as children of a "null
 * context", and moves the autofree context there.
 */
_PUBLIC_ void talloc_enable_null_tracking(void);

/**
 * The same, but leaves the autofree context where it is.
 */
_PUBLIC_ void talloc_enable_null_tracking_no_autofree(void);

/**
 * Ends that. The top-level chunks live on without a parent.
 */
_PUBLIC_ void talloc_disable_null_tracking(void);

/**
 * Turns null tracking on, and prints talloc_report(NULL, stderr) when the
 * process exits, if there is anything left then.
 */
_PUBLIC_ void talloc_enable_leak_report(void);

/**
 * Turns null tracking on, and prints talloc_report_full(NULL, stderr) when the
 * process exits, if there is anything left then.
 */
_PUBLIC_ void talloc_enable_leak_report_full(void);

/**
 * Sets the function that is called instead of abort() when a chunk turns out
 * to be none, or of the wrong type. If it returns, the call that found out
 * fails and has done nothing.
 *
 * @param abort_fn  gets the reason; NULL for abort()
 */
_PUBLIC_ void talloc_set_abort_fn(void (*abort_fn)(const char *reason));

/**
 * Sets the function that gets warnings and errors, line by line.
 *
 * @param log_fn  gets the line, with its newline; NULL for none
 */
_PUBLIC_ void talloc_set_log_fn(void (*log_fn)(const char *message));

/**
 * Sends warnings and errors to stderr.
 */
_PUBLIC_ void talloc_set_log_stderr(void);

/**
 * Limits the memory of a context and all below it, headers included. Limits
 * may be nested; all of them count.
 *
 * @param ctx       the context
 * @param max_size  bytes, 0 for no limit. What would go beyond is refused:
 *                  NULL, and errno is ENOMEM
 * @return          0; 1 without memory, -1 for NULL
 */
_PUBLIC_ int talloc_set_memlimit(const void *ctx, size_t max_size) _DEPRECATED_;

#ifdef __cplusplus
} /* extern "C" */
#endif /* __cplusplus */

#endif  /* _TALLOC_H_ */
