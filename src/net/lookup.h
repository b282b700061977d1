/* Questions to the resolver of the system, which blocks as long as it likes:
 * they are asked by a child process, which can be left behind. */
#pragma once

#include "base/error.h"

/* Most octets of an answer. */
enum { LOOKUP_ANSWER_OCTETS = 16384 };

/* Asks the question and puts at most `space` octets of answer; returns their number. */
typedef size_t lookup_fn(const void *question, void *answer, size_t space);

/**
 * Runs `ask` in a child process, until the deadline at most. Where no process
 * can be had it runs here.
 *
 * question  borrowed; the child sees it as it is
 * answer    room for `space` (at most LOOKUP_ANSWER_OCTETS) octets
 * got       set to the octets of the answer
 *
 * Fails with EX_NOHOST when there is no answer; `name` is for the words.
 */
bool lookup_run(lookup_fn *ask, const void *question, void *answer, size_t space, size_t *got,
	const char *name, int64_t deadline_ms, struct error *err) NODISCARD;
