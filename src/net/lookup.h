/* Questions to the resolver of the system, which blocks as long as it likes:
 * they are asked by a child process, which can be left behind. */
#pragma once

#include "base/error.h"

/* Most octets of an answer. */
enum { LOOKUP_ANSWER_OCTETS = 16384 };

/* Asks the question and puts at most `space` octets of answer; returns their number. */
typedef size_t lookup_fn(const void *question, void *answer, size_t space);

/* A question, borrowed, and room for its answer. */
struct lookup_question {
	const void *text;
	void *answer;
};

/* Whether an answer is one to go on with. */
typedef bool lookup_good_fn(const void *answer, size_t octets);

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

/**
 * The same with a second question, asked where the first has no answer in half a
 * second: what answers first counts, the second one only if its answer is good.
 *
 * winner  set to the number of the question that was answered
 * got     set to the octets of its answer
 *
 * False when there is no answer; lookup_silence has the words.
 */
bool lookup_race(lookup_fn *ask, const struct lookup_question questions[2], size_t space,
	lookup_good_fn *is_good, int64_t deadline_ms, size_t *winner, size_t *got) NODISCARD;

/** Says that nothing was answered; EX_NOHOST. Returns false. */
bool lookup_silence(const char *name, struct error *err);
