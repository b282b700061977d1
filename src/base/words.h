/* Command lines as words, without a shell. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

/**
 * Splits a command into words as a shell would, without its expansions: blanks
 * separate; '…' keeps all as it is; "…" keeps all but \" and \\; elsewhere a
 * backslash keeps the next octet.
 *
 * argv  set on success: the words with NULL behind them, in the arena
 *
 * Fails with EX_CONFIG for a quote that is not closed, a backslash at the end,
 * and where there is no word or an empty first one.
 */
bool words_split(
	struct arena *arena, struct slice command, char ***argv, struct error *err) NODISCARD;
