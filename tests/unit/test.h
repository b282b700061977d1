/* The one place that includes cmocka, and what several tests share. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/error.h"

/* Fails the test with the error's text where `call` gives false. */
#define assert_ok(call, err)                                                                       \
	do {                                                                                       \
		if (!(call))                                                                       \
			fail_msg("%s: %s", #call, (err).text);                                     \
	} while (0)

/* An arena as the state of each test. */
UNUSED static int give_arena(void **state)
{
	static struct arena arena;

	*state = &arena;
	return 0;
}

UNUSED static int take_arena(void **state)
{
	arena_done(*state);
	return 0;
}
