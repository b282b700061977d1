/* Memory from the heap. Running out of it ends the process in one place. */
#pragma once

#include "base/common.h"

/**
 * Allocates octets, zeroed. Ends the process with EX_TEMPFAIL when there is
 * no memory: every queue step is atomic, so no mail is lost by it.
 *
 * The caller owns the result and releases it with free().
 */
void *mem_alloc(size_t octets) NODISCARD;

/** Like realloc(), but never fails; new octets are not zeroed. */
void *mem_grow(void *old, size_t octets) NODISCARD;

/**
 * Keeps memory back, at least so many octets, for the time when there is no
 * other: mem_alloc and mem_grow then take it. For steps behind which the process
 * must not end: what a server has accepted has to be noted. Costs address space
 * alone until it is used. Where there is none to keep back nothing happens.
 */
void mem_keep_spare(size_t octets);

/** Copies octets from a borrowed place to the heap, with a NUL behind them. */
char *mem_dup(const void *from, size_t octets) NODISCARD;

/** Copies a NUL-terminated string to the heap; NULL gives NULL. */
char *mem_strdup(const char *text) NODISCARD;

/** Overwrites octets so that the compiler cannot leave it out. NULL is fine. */
void mem_wipe(void *place, size_t octets);

/** For CLEANUP: frees what a pointer variable points to. */
void mem_free(void *pointer_to_pointer);
