/* Small notations that every file of the program shares. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Number of elements of an array; not for pointers. */
#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

/* Runs done(&variable) when the variable goes out of scope. */
#define CLEANUP(done) __attribute__((cleanup(done)))

/* The caller has to look at the result. */
#define NODISCARD __attribute__((warn_unused_result))

/* Checks the arguments of a function like printf. */
#define PRINTF_LIKE(text, first) __attribute__((__format__(__printf__, text, first)))

/* Takes part in an interface that this function has no use for. */
#define UNUSED __attribute__((unused))

/* A symbol that a loadable module offers to the program. */
#define EXPORTED __attribute__((visibility("default")))
